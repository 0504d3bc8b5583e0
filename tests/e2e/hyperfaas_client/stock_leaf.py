"""A leaf as HyperFaaS's own over a worker: stock_leaf.py WORKER DATABASE. Prints nothing but what went wrong.

It does to the worker what that leaf does, in its order: it listens to Status under the node's id "todo" first; each call of a
function that has no instance starts one and then calls at once; each ends with what Status says of it, and with nothing else."""
import http.client
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from client import PATIENCE, Leaf, check
from messages import field, first, identity

CONTROLLER = "/controller.Controller/"
DOWN, TIMEOUT, START, STOP = 1, 2, 3, 4


class StockLeaf:
    def __init__(self, worker, database):
        self.worker, self.database = Leaf(worker), database
        self.lock = threading.Condition()
        self.running, self.heard = {}, []
        self.stream = self.worker.stream(CONTROLLER + "Status", field(1, "todo"))
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        try:
            for event in self.stream:
                kind, function = first(event, 3, 0), first(first(event, 5), 1).decode()
                with self.lock:
                    self.heard.append((kind, first(event, 4, 0), first(first(event, 1), 1).decode()))
                    if kind in (TIMEOUT, DOWN):
                        self.running[function] = self.running.get(function, 0) - 1
                    self.lock.notify_all()
        except grpc.RpcError as error:
            check(error.code() == grpc.StatusCode.CANCELLED, f"the status ended: {error}")

    def wait_for(self, condition, what):
        with self.lock:
            check(self.lock.wait_for(condition, PATIENCE), f"{what} was not heard of: {self.heard}")

    def create(self, tag, timeout):
        connection = http.client.HTTPConnection(self.database, timeout=PATIENCE)
        config = {"mem_limit": 268435456, "cpu_quota": 50000, "cpu_period": 100000, "timeout": timeout, "max_concurrency": 500}
        connection.request("POST", "/", body=json.dumps({"image_tag": tag, "config": config}))
        reply = connection.getresponse()
        check(reply.status == 201, f"the database answered {reply.status}")
        function = json.loads(reply.read())["function_id"]
        self.running[function] = 0
        return function

    def start(self, function):
        reply, _ = self.worker.ask(CONTROLLER + "Start", identity(function))
        instance = first(first(reply, 1), 1).decode()
        check(len(instance) == 12 and all(digit in "0123456789abcdef" for digit in instance), f"{reply!r}")
        check(first(reply, 2) and first(reply, 3), f"no address or no name: {reply!r}")
        with self.lock:
            self.running[function] += 1
        return instance

    def schedule(self, function, data):
        with self.lock:
            has_none = self.running[function] == 0
        if has_none:
            self.start(function)
        request = field(2, identity(function)) + field(3, data) + field(4, identity(function))
        reply, trailers = self.worker.ask(CONTROLLER + "Call", request)
        for name in ("callqueuedtimestamp", "gotresponsetimestamp", "functionprocessingtime"):
            check(int(trailers[name]) >= 0, f"{trailers}")
        return first(reply, 2), first(first(reply, 4), 1).decode()


def main():
    leaf = StockLeaf(*sys.argv[1:])
    check(first(leaf.worker.ask("/grpc.health.v1.Health/Check", field(1, "worker"))[0], 1, 0) == 1, "it does not serve")
    function = leaf.create("hyperfaas-echo:latest", 3)
    # The first call starts one, and calls it in the same breath.
    data, instance = leaf.schedule(function, b"first")
    check(data == b"first", f"{data!r}")
    leaf.wait_for(lambda: (START, 0, instance) in leaf.heard, "START")
    # A burst on a new function: each call starts one of its own, as nobody knows of the others'.
    burst = leaf.create("hyperfaas-echo:latest", 3)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda i: leaf.schedule(burst, b"%d" % i), range(64)))
    check([data for data, _ in answers] == [b"%d" % i for i in range(64)], f"{answers}")
    # A second one, as its autoscaler would, that is stopped.
    second = leaf.start(function)
    reply, _ = leaf.worker.ask(CONTROLLER + "Stop", identity(second))
    check(first(reply, 1).decode() == second, f"{reply!r}")
    leaf.wait_for(lambda: (STOP, 0, second) in leaf.heard, "STOP")
    with leaf.lock:
        leaf.running[function] -= 1
    check(len(leaf.worker.ask(CONTROLLER + "Metrics", field(1, "todo"))[0]) >= 18, "no load of the machine")
    # All end when they are idle, and the leaf's own count comes to zero by what it hears: from there it starts anew.
    for one in (function, burst):
        leaf.wait_for(lambda one=one: leaf.running[one] == 0, "the last TIMEOUT")
    ended = {event[2] for event in leaf.heard if event[0] == TIMEOUT}
    check(ended == {event[2] for event in leaf.heard if event[0] == START} - {second}, f"{leaf.heard}")
    check(leaf.schedule(function, b"again")[0] == b"again", "from zero it does not come back")
    leaf.stream.cancel()


main()
