"""Two servers share a Redis; any of the three dies or hangs, again and again."""
import pathlib
import random
import signal
import sys
import threading
import time

from ledger import Ledger, audit, submit_until
from server import EXAMPLES, Server, check, wait_until

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from redis_server import RedisServer  # noqa: E402  (It is beside the folders of the tests.)


class Either:
    """One of two servers, whichever comes first to mind; what a client behind a balancer sees."""

    def __init__(self, servers, seed):
        self.servers, self.chance = servers, random.Random(seed)
        self.starts = servers[0].starts

    def ask(self, *words, **rest):
        return self.chance.choice(self.servers).ask(*words, **rest)


def redis(arguments, folder):
    store = RedisServer(folder / "redis", arguments.redis_sync)
    servers = []
    for name in ("first", "second"):
        (folder / name).mkdir()
        servers.append(Server(arguments.canopy, folder / name, f"--store={store.url}", "--call-losses=100",
                              "--call-lease=5s"))
        servers[-1].start()
    servers[0].deploy(EXAMPLES / "echo", "storm/echo")
    wait_until("the function at the other", lambda: servers[1].ask("POST", "/function/storm/echo", body=b"")[0] == 200)
    ledger, stop = Ledger(), threading.Event()
    clients = [threading.Thread(target=submit_until,
                                args=(stop, Either(servers, number), ledger, number, arguments.seed), daemon=True)
               for number in range(arguments.clients)]
    for client in clients:
        client.start()
    chance = random.Random(arguments.seed)
    counts = {"server killed": 0, "Redis killed": 0, "server stopped": 0, "Redis stopped": 0}
    until = time.monotonic() + arguments.seconds
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.3, 1.5))
        what = chance.choice(list(counts))
        counts[what] += 1
        if what == "server killed":
            server = chance.choice(servers)
            server.kill()
            server.start()
        elif what == "Redis killed":
            store.kill()
            time.sleep(chance.uniform(0, 1))
            store.start()
        else:
            stopped = store if what == "Redis stopped" else chance.choice(servers)
            process = stopped.process
            process.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.1, 2))
            process.send_signal(signal.SIGCONT)
    stop.set()
    for client in clients:
        client.join()
    print("redis: " + ", ".join(f"{what} {count} times" for what, count in counts.items()))
    # A lease has to end before what a dead server ran runs again.
    audit(servers[0], ledger, patience=240, may_lose=arguments.redis_sync != "always")
    for server in servers:
        server.kill(signal.SIGTERM)
    check(store.process.poll() is None, "redis-server ended by itself")
    store.kill()
