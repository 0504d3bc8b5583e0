"""SIGTERM, of every kind of process there is, while a call runs in it or through it."""
import http.client
import signal
import threading
import time

from nodes import Node, push, share_interpreter, wait_for_nodes
from scale import Containers, deploy_box, why_not
from server import Server, check, free_port, wait_until

LIMIT = 2.0  # Seconds from its last call to its end: what is promised.


class LongCalls:
    """Some calls of a second, together; when the last of them was answered."""

    def __init__(self, server, name, count):
        self.server, self.name, self.answers = server, name, []
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        try:
            answer = self.server.ask("POST", f"/function/{self.name}/sleep/1000", patience=60)
        except OSError as error:
            answer = (0, str(error))
        self.answers.append((time.monotonic(), answer))

    def wait(self):
        for thread in self.threads:
            thread.join(timeout=60)
            check(not thread.is_alive(), "a call has no answer after a minute")
        bad = [answer for _, answer in self.answers if answer != (200, b"slept")]
        check(not bad, f"a call that ran when its process was told to end was answered {bad[:1]}")
        return max(when for when, _ in self.answers)


def end_of(process, name, calls):
    """Tells it to end, and sees it do so: seconds from the last of the calls."""
    process.send_signal(signal.SIGTERM)
    last = calls.wait()
    status = process.wait(timeout=60)
    took = time.monotonic() - last
    check(status == 0, f"{name} ended with {status}")
    check(took < LIMIT, f"{name} ended {took:.2f} s after its last call; {LIMIT} s are promised")
    return max(took, 0.0)


def running(server, path):
    return sum(node["running"] for node in server.json("GET", "/v1/nodes")[1]["nodes"] if node["name"] == path)


def ends(arguments, folder):
    """A worker, a balancer and a server, each with containers that run: ends within two seconds of its last call, and leaves none."""
    if reason := why_not():
        print(f"ends: SKIPPED, {reason}")
        return
    above = f"127.0.0.1:{free_port()}"
    share_interpreter(arguments.canopy, folder / "data")
    server = Server(arguments.canopy, folder, f"--node-listen={above}")
    server.start()
    deploy_box(server, "storm/there", "container: {concurrency: 1, instances: 1..2}")
    deploy_box(server, "storm/here", "container: {concurrency: 1, instances: 1..2}\ndispatch: local")
    leaf = Node(server, "leaf", above, role="balancer")
    worker = Node(server, "one", leaf.address)
    nodes, paths = (leaf, worker), ("leaf", "leaf/one")
    wait_for_nodes(server, nodes, *paths)
    push(server)
    boxes = {"server": Containers(folder / "data"), "worker": Containers(folder / "one")}
    took = {}
    for name, process in (("worker", worker), ("balancer", leaf)):
        calls = LongCalls(server, "storm/there", 2)
        wait_until("two calls run there", lambda: running(server, "leaf/one") == 2 and len(boxes["worker"].processes()) == 2)
        took[name] = end_of(process.process, name, calls)
        if name == "worker":
            check(not boxes["worker"].left(), f"after the worker's end there is {boxes['worker'].left()}")
        process.start()
        wait_for_nodes(server, nodes, *paths)
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)  # And somebody who only listens.
    idle.request("GET", "/v1/events")
    check(idle.getresponse().status == 200, "the events were not answered")
    here, there = LongCalls(server, "storm/here", 2), LongCalls(server, "storm/there", 2)
    wait_until("four calls run", lambda: running(server, "leaf/one") == 2 and all(len(box.processes()) == 2 for box in boxes.values()))
    here.threads += there.threads
    took["server"] = end_of(server.process, "the server", here)
    there.wait()
    check(not boxes["server"].left(), f"after the server's end there is {boxes['server'].left()}")
    for node in nodes:
        node.signal(signal.SIGTERM)
    for node in nodes:
        check(node.process.wait(timeout=60) == 0, f"{node.name} ended with {node.process.returncode}")
    check(not boxes["worker"].left(), f"after the worker's end there is {boxes['worker'].left()}")
    print("ends: told to end with calls that run, all ended well, failed 0, containers left 0; from the last call to the process's end "
          + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items()))
