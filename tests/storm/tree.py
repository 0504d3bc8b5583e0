"""A server, two balancers below it and two workers below each: nodes die, stop, and are restarted in turn."""
import random
import re
import signal
import threading
import time

from callers import Callers
from ledger import audit
from nodes import Node, push, share_interpreter, states, wait_for_nodes
from server import EXAMPLES, HERE, Server, check, free_port, wait_until

SHAPE = {"east": ("e1", "e2"), "west": ("w1", "w2")}
PATHS = [path for name, below in SHAPE.items() for path in (name, *(f"{name}/{one}" for one in below))]
FUNCTIONS = {"storm/echo": (b"still here", b"still here"), "storm/first": (b'"you"', b'"Hello, you!"'),
             "storm/rest": (b"40", b"rested\n")}
SILENCE = "2s"
SILENT = 2.8  # Seconds, of who is stopped for longer than is allowed.


class Tree:
    def __init__(self, canopy, folder):
        above = f"127.0.0.1:{free_port()}"
        share_interpreter(canopy, folder / "data")
        self.server = Server(canopy, folder, f"--node-listen={above}", f"--worker-silence={SILENCE}",
                             "--call-losses=1000")
        self.server.start()
        self.server.deploy(EXAMPLES / "echo", "storm/echo")
        self.server.deploy(EXAMPLES / "hello-js", "storm/first")
        self.server.deploy(HERE.parent / "e2e" / "functions" / "rest.c", "storm/rest")
        self.nodes = {}
        for name, below in SHAPE.items():
            balancer = self.nodes[name] = Node(self.server, name, above, f"--silence={SILENCE}", role="balancer")
            for worker in below:
                self.nodes[worker] = Node(self.server, worker, balancer.address)
        self.wait()
        push(self.server)

    def wait(self):
        wait_for_nodes(self.server, self.nodes.values(), *PATHS)

    def end(self):
        self.server.kill(signal.SIGTERM)
        for node in self.nodes.values():
            node.end()


class Lateness:
    """How late this machine is, at worst, with what it should do at once: what a promise of a second cannot be blamed for."""

    PERIOD = 0.05

    def __init__(self):
        self.worst = 0.0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            before = time.monotonic()
            time.sleep(self.PERIOD)
            self.worst = max(self.worst, time.monotonic() - before - self.PERIOD)


def hit(tree, chance, callers, hits):
    """Kills or stops a node, sometimes with one below it, and brings them back; what was done is added to `hits`."""
    name = chance.choice(list(tree.nodes))
    victims = [name, *((chance.choice(SHAPE[name]),) if name in SHAPE and chance.random() < 0.3 else ())]
    kills = chance.random() < 0.5
    stopped = chance.choice((0.3, SILENT))  # Shorter than the silence that is allowed, or longer.
    for victim in victims:
        hits.append((victim, time.monotonic(), "killed" if kills else "stopped"))
        tree.nodes[victim].signal(signal.SIGKILL if kills else signal.SIGSTOP)
    if kills:
        for victim in victims:
            tree.nodes[victim].process.wait(timeout=60)
        callers.more(chance.choice((0, 30)))
    else:
        time.sleep(stopped)
    for victim in victims:
        tree.nodes[victim].start() if kills else tree.nodes[victim].signal(signal.SIGCONT)
    tree.wait()
    for function in FUNCTIONS:
        check(callers.ask(function), f"{function} does not serve again after {victims} came back: {callers.failed[-1:]}")


def judge(failed, hits, bound):
    """Every call that failed ran on a node that was hit, and had begun before that was to be known. When the last one
    began, seconds after its node was hit."""
    latest = 0.0
    for one in failed:
        gone = re.search(r"the worker process that ran it is gone: (\w+), ", one.message)
        check((one.status, one.code) == (502, "died") and gone, f"a call failed that should not: {one}")
        before = [when for name, when, _ in hits if name == gone[1] and when <= one.ended]
        check(before, f"a call was lost on {gone[1]}, which nobody had hit: {one}")
        after = one.begun - before[-1]
        check(after <= bound, f"a call that began {after:.2f} s after {gone[1]} was hit was given to it: {one}; {bound:.2f} s are allowed")
        latest = max(latest, after)
    return latest


def tree_storm(arguments, folder):
    """kill -9 and SIGSTOP of any node. Fails what ran there, and nothing that began when it was known; nothing durable does."""
    tree, lateness, hits = Tree(arguments.canopy, folder), Lateness(), []
    chance = random.Random(arguments.seed)
    with Callers(tree.server, FUNCTIONS, 6, arguments.seed) as callers:
        until = time.monotonic() + min(arguments.seconds, arguments.tree_seconds)
        while time.monotonic() < until or not hits:
            hit(tree, chance, callers, hits)
            callers.more(10)
    check(callers.wrong == 0, f"{callers.wrong} calls had a wrong output")
    latest = judge(callers.failed, hits, arguments.detection + lateness.worst)
    audit(tree.server, callers.ledger, patience=120)
    tree.wait()  # The last hit may have been waited for by what was still told of before it.
    wait_until("nothing runs any more", lambda: all(node["running"] == 0 for node in tree.server.json("GET", "/v1/nodes")[1]["nodes"]))
    kinds = [kind for _, _, kind in hits]
    print(f"tree: {kinds.count('killed')} nodes killed and {kinds.count('stopped')} stopped; {callers.begun} calls that were waited for, "
          f"failed {callers.reasons()}, all of them on nodes that were hit, wrong {callers.wrong}\n"
          f"  the last of them began {latest:.2f} s after its node was hit, where {arguments.detection:.2f} s are allowed and this machine "
          f"was late by {lateness.worst:.2f} s")
    tree.end()


def upgrade(arguments, folder):
    """Each balancer and each worker is told to end, and started again, one after the other: no call fails."""
    tree, restarts = Tree(arguments.canopy, folder), 0
    with Callers(tree.server, FUNCTIONS, 6, arguments.seed) as callers:
        for _ in range(arguments.upgrade_rounds):
            for name, node in tree.nodes.items():
                node.signal(signal.SIGTERM)
                status = node.process.wait(timeout=60)
                check(status == 0, f"{name} ended with {status}")
                callers.more(10)
                node.start()
                tree.wait()
                callers.more(10)
                restarts += 1
    check(not callers.failed and callers.wrong == 0, f"{len(callers.failed)} calls failed, first {callers.failed[:2]}; {callers.wrong} were wrong")
    retried = audit(tree.server, callers.ledger, patience=120)
    check(retried == 0, f"{retried} durable calls ran more than once, and no node was to lose one")
    print(f"upgrade: {restarts} nodes restarted, one after the other; {callers.begun} calls that were waited for, failed {callers.reasons()}, "
          f"wrong {callers.wrong}")
    tree.end()
