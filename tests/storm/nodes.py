"""Workers that joined over the network die, stop and come back, and calls are pushed and pulled in turn."""
import atexit
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import interpreter  # noqa: E402  (It is beside the folders of the tests.)
from ledger import Ledger, audit, submit_until
from server import EXAMPLES, Server, check, free_port, wait_until

_made = None


def share_interpreter(canopy, data):
    """Puts the compiled interpreter of JavaScript into a data folder that nobody uses yet; the first time it is made."""
    global _made
    if _made is None:
        _made = tempfile.TemporaryDirectory(prefix="canopy-interpreter-")
        server = Server(canopy, pathlib.Path(_made.name))
        server.start()
        server.deploy(EXAMPLES / "hello-js", "storm/first")
        server.kill(signal.SIGTERM)
    interpreter.share(pathlib.Path(_made.name) / "data", data)


class Node:
    """A worker or a balancer below `above`, in a folder that stays the same however often it dies."""

    def __init__(self, server, name, above, *flags, role="worker", host="127.0.0.1"):
        self.name = name
        self.address = f"{host}:{free_port()}"  # A balancer's.
        listen = [f"--listen={self.address}"] if role == "balancer" else []
        self.command = [server.canopy, "node", f"--role={role}", f"--join={above}", f"--name={name}", *listen,
                        f"--token-file={server.folder}/data/node.token", f"--data={server.folder}/{name}", *flags]
        self.log = open(server.folder / f"{name}.log", "ab")
        self.process = None
        if role == "worker":
            share_interpreter(server.canopy, server.folder / name)
        atexit.register(self.end)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=subprocess.STDOUT, env=dict(os.environ))

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()  # Which ends a stopped one, too.
        self.process.wait(timeout=60)


def states(server):
    """The state of every node below the server, by its path."""
    nodes = server.json("GET", "/v1/nodes")[1]["nodes"]
    return {node["name"]: node["state"] for node in nodes if node["role"] != "gateway"}


def wait_for_nodes(server, nodes, *paths):
    """Those paths are ready, and nobody else is there."""
    def ready():
        for node in nodes:
            check(node.process.poll() is None, f"the node {node.name} ended by itself: see {node.log.name}")
        return states(server) == dict.fromkeys(paths, "ready")
    wait_until(f"the nodes are {paths}", ready, patience=300)


def push(server):
    """Calls go to nodes from now on. (Not from its start: it would not be ready before one has joined.)"""
    server.json("PUT", "/v1/dispatch", body=b'{"mode": "push"}')


def nodes_storm(arguments, folder):
    """kill -9 and SIGSTOP of nodes under durable load: the same audit as that of the server's own storm."""
    above = f"127.0.0.1:{free_port()}"
    share_interpreter(arguments.canopy, folder / "data")
    server = Server(arguments.canopy, folder, f"--node-listen={above}", "--worker-silence=1s", "--call-losses=1000")
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    nodes = [Node(server, name, above) for name in ("one", "two", "three")]
    wait_for_nodes(server, nodes, "one", "two", "three")
    push(server)
    ledger, stop, kills, stops = Ledger(), threading.Event(), 0, 0
    clients = [threading.Thread(target=submit_until, args=(stop, server, ledger, number, arguments.seed), daemon=True)
               for number in range(arguments.clients)]
    for client in clients:
        client.start()
    chance = random.Random(arguments.seed)
    until = time.monotonic() + min(arguments.seconds, arguments.node_seconds)
    while time.monotonic() < until or not (kills and stops):
        time.sleep(chance.uniform(0.2, 1))
        server.json("PUT", "/v1/dispatch", body=b'{"mode": "%s"}' % chance.choice((b"push", b"pull")))
        victim = chance.choice(nodes)
        if chance.random() < 0.5:
            victim.end()
            kills += 1
            victim.start()
        else:
            victim.signal(signal.SIGSTOP)
            stops += 1
            time.sleep(chance.choice((0.3, 2.5)))  # Shorter than the silence that is allowed, or longer.
            victim.signal(signal.SIGCONT)
    stop.set()
    for client in clients:
        client.join()
    check(ledger.errors == 0, f"{ledger.errors} connections broke, and only nodes died: {ledger.last_error}")
    audit(server, ledger, patience=120)
    wait_for_nodes(server, nodes, "one", "two", "three")
    server.kill(signal.SIGTERM)
    for node in nodes:
        node.end()
    print(f"nodes: {kills} nodes killed and {stops} stopped, the server lived")
