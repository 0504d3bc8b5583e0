"""Workers that joined over the network die, stop and come back, and calls are pushed and pulled in turn."""
import atexit
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import interpreter  # noqa: E402  (It is beside the folders of the tests.)
from ledger import Ledger, audit, submit_until
from server import EXAMPLES, Server, check, free_port, wait_until


class Node:
    def __init__(self, server, name, port):
        self.name = name
        self.command = [server.canopy, "node", "--role=worker", f"--join=127.0.0.1:{port}", f"--name={name}",
                        f"--token-file={server.folder}/data/node.token", f"--data={server.folder}/{name}"]
        self.log = open(server.folder / f"{name}.log", "ab")
        self.process = None
        atexit.register(self.end)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=subprocess.STDOUT, env=dict(os.environ))

    def end(self):
        if self.process.poll() is None:
            self.process.kill()  # Which ends a stopped one, too.
        self.process.wait(timeout=60)


def ready_nodes(server):
    return [node["name"] for node in server.json("GET", "/v1/nodes")[1]["nodes"]
            if node["role"] == "worker" and node["state"] == "ready"]


def nodes_storm(arguments, folder):
    """kill -9 and SIGSTOP of nodes under durable load: the same audit as that of the server's own storm."""
    port = free_port()
    server = Server(arguments.canopy, folder, f"--node-listen=127.0.0.1:{port}", "--worker-silence=1s",
                    "--call-losses=1000")
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    server.deploy(EXAMPLES / "hello-js", "storm/first")
    for name in ("one", "two", "three"):
        interpreter.share(folder / "data", folder / name)
    nodes = [Node(server, name, port) for name in ("one", "two", "three")]
    wait_until("three nodes are ready", lambda: len(ready_nodes(server)) == 3, patience=300)
    server.json("PUT", "/v1/dispatch", body=b'{"mode": "push"}')
    ledger, stop, kills, stops = Ledger(), threading.Event(), 0, 0
    clients = [threading.Thread(target=submit_until, args=(stop, server, ledger, number, arguments.seed), daemon=True)
               for number in range(arguments.clients)]
    for client in clients:
        client.start()
    chance = random.Random(arguments.seed)
    until = time.monotonic() + min(arguments.seconds, arguments.node_seconds)
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.2, 1))
        server.json("PUT", "/v1/dispatch", body=b'{"mode": "%s"}' % chance.choice((b"push", b"pull")))
        victim = chance.choice(nodes)
        if chance.random() < 0.5:
            victim.end()
            kills += 1
            victim.start()
        else:
            victim.process.send_signal(signal.SIGSTOP)
            stops += 1
            time.sleep(chance.choice((0.3, 2.5)))  # Shorter than the silence that is allowed, or longer.
            victim.process.send_signal(signal.SIGCONT)
    stop.set()
    for client in clients:
        client.join()
    check(ledger.errors == 0, f"{ledger.errors} connections broke, and only nodes died")
    audit(server, ledger, patience=120)
    wait_until("three nodes are ready again", lambda: len(ready_nodes(server)) == 3, patience=300)
    server.kill(signal.SIGTERM)
    for node in nodes:
        node.end()
    print(f"nodes: {kills} nodes killed and {stops} stopped, the server lived")
