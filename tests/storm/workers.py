"""Worker processes die, stop, and become more and fewer."""
import json
import os
import pathlib
import random
import signal
import threading
import time

from ledger import Ledger, audit, submit_until
from server import EXAMPLES, Server, check, sleeper, wait_for_state, wait_until


def nodes(server):
    return [node for node in server.json("GET", "/v1/nodes")[1]["nodes"] if node["role"] == "worker"]


def workers_of(server):
    """The processes of the workers that are ready."""
    return [node["pid"] for node in nodes(server) if node["state"] == "ready"]


def alive(pid):
    try:
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False

def workers_storm(arguments, folder):
    """Workers die by kill -9 at 1 to 5 Hz under durable load: the same audit as that of the server's own storm."""
    server = Server(arguments.canopy, folder, "--workers=2", "--call-losses=1000")
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    ledger, stop, kills = Ledger(), threading.Event(), 0
    clients = [threading.Thread(target=submit_until, args=(stop, server, ledger, number, arguments.seed), daemon=True)
               for number in range(arguments.clients)]
    for client in clients:
        client.start()
    chance = random.Random(arguments.seed)
    until = time.monotonic() + min(arguments.seconds, arguments.worker_seconds)
    while time.monotonic() < until:
        time.sleep(1 / chance.uniform(1, 5))
        if ready := workers_of(server):
            os.kill(chance.choice(ready), signal.SIGKILL)
            kills += 1
    stop.set()
    for client in clients:
        client.join()
    check(kills > 0, "no worker was killed: none was ready")
    check(ledger.errors == 0, f"{ledger.errors} connections broke, and only workers died: {ledger.last_error}")
    audit(server, ledger, patience=120)
    print(f"workers: {kills} workers killed, the server lived")
    server.kill(signal.SIGTERM)


def worker_poison(arguments, folder):
    """A call whose worker is killed under it each time; the same for a call that somebody waits for."""
    server = Server(arguments.canopy, folder, "--workers=1", "--call-losses=3")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    _, answer = server.json("POST", "/async-function/storm/sleeper", body=b"9", headers={"X-Canopy-Timeout": "60s"})
    for loss in range(3):
        def running():
            return server.json("GET", f"/v1/calls/{answer['id']}")[1]["attempt"] == loss + 1 and \
                any(node["running"] == 1 and node["state"] == "ready" for node in nodes(server))
        wait_until(f"attempt {loss + 1} runs", running)
        os.kill(workers_of(server)[0], signal.SIGKILL)
    record = wait_for_state(server, answer["id"], ("FAILED",))
    check(record["error"]["code"] == "died" and "signal 9" in record["error"]["message"], f"poison: {record}")
    check(len(record["attempts"]) == 3 and all("signal 9" in one["error"]["message"] for one in record["attempts"]),
          f"the attempts are {record['attempts']}")
    wait_until("a worker is ready", lambda: len(workers_of(server)) == 1)
    with_client = {}
    client = threading.Thread(target=lambda: with_client.update(
        zip(("status", "body"), server.ask("POST", "/function/storm/sleeper", body=b"9"))), daemon=True)
    client.start()
    wait_until("the call runs", lambda: any(node["running"] == 1 for node in nodes(server)))
    os.kill(workers_of(server)[0], signal.SIGKILL)
    client.join()
    error = json.loads(with_client["body"])["error"]
    check(with_client["status"] == 502 and error["code"] == "died" and error["origin"] == "platform"
          and "signal 9" in error["message"], f"the client was told {with_client}")
    check(server.ask("GET", "/healthz")[0] == 200, "the server did not live")
    server.kill(signal.SIGTERM)
    print("worker-poison: a call that its worker did not survive three times is among the dead, with each attempt's "
          "error; one that was waited for is a 502 that names the signal")


def worker_stop(arguments, folder):
    """A stopped worker is killed, its calls run elsewhere; and no worker outlives its server."""
    server = Server(arguments.canopy, folder, "--workers=2", "--worker-silence=1s")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    before = workers_of(server)
    _, answer = server.json("POST", "/async-function/storm/sleeper", body=b"1")
    wait_until("the call runs", lambda: any(node["running"] == 1 for node in nodes(server)))
    holder = next(node["pid"] for node in nodes(server) if node["running"] == 1)
    os.kill(holder, signal.SIGSTOP)
    record = wait_for_state(server, answer["id"], ("COMPLETED",))
    check(record["attempt"] == 2, f"it ran elsewhere as attempt {record['attempt']}")
    check(not alive(holder), "the stopped worker lives")
    told = next(node["last_end"] for node in nodes(server) if node["restarts"] == 1)
    check("says nothing" in told, f"its end is told as {told}")
    wait_until("both are ready", lambda: len(workers_of(server)) == 2)
    left = workers_of(server)
    os.kill(left[0], signal.SIGSTOP)  # Nobody can be told to end by itself, then.
    server.kill()
    wait_until("no worker lives", lambda: not any(alive(pid) for pid in left + before), patience=10)
    server.start()
    left = workers_of(server)
    check(len(left) == 2, f"the next start has the workers {left}")
    server.kill(signal.SIGTERM)
    check(not any(alive(pid) for pid in left), "a worker outlived a server that was told to end")
    print("worker-stop: a stopped worker was killed and its call ran elsewhere; kill -9 of the server left none behind")


def resize(arguments, folder):
    """The scaler makes workers more and fewer, others are told to drain: no call of anybody's fails."""
    server = Server(arguments.canopy, folder, "--workers=1..3", "--worker-slots=4", "--scale-delay=100ms",
                    "--scale-cool-down=1s")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    server.deploy(EXAMPLES / "echo", "storm/echo")
    failures, counts, stop = [], {"calls": 0}, threading.Event()

    def call():
        while not stop.is_set():
            counts["calls"] += 1
            try:
                status, body = server.ask("POST", "/function/storm/echo", body=b"still here")
            except OSError as error:
                failures.append(str(error))
                continue
            if status != 200 or body != b"still here":
                failures.append((status, body[:300]))

    clients = [threading.Thread(target=call, daemon=True) for _ in range(3)]  # A check that fails ends them, too.
    for client in clients:
        client.start()
    ids = []
    for wave in range(arguments.waves):
        wait_until("there is one worker", lambda: len(nodes(server)) == 1)
        for _ in range(30):
            ids.append(server.json("POST", "/async-function/storm/sleeper", body=b"1")[1]["id"])
        wait_until("there are three workers", lambda: len(workers_of(server)) == 3)
        os.kill(workers_of(server)[0], signal.SIGTERM)
        for identifier in ids:
            record = wait_for_state(server, identifier, ("COMPLETED", "FAILED"))
            check(record["state"] == "COMPLETED" and record["attempt"] == 1, f"resize: {record}")
    wait_until("there is one worker again", lambda: len(nodes(server)) == 1)
    stop.set()
    for client in clients:
        client.join()
    check(not failures, f"{len(failures)} calls failed, first {failures[:1]}")
    server.kill(signal.SIGTERM)
    print(f"resize: one worker, three, and one again, {arguments.waves} times, with one told to drain each time: "
          f"{counts['calls']} calls that were waited for and {len(ids)} durable ones, 0 failed")
