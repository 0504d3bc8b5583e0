"""A worker as HyperFaaS's own with its fake runtime: stock_worker.py PORT DATABASE IDLE. Says "listening PORT", and ends on SIGTERM.

What is as it is there: Start answers before anybody listens in the container; Call takes any instance of the function, whatever
instance it is told; a container ends by itself when it is idle; of two listeners with one node's id the second one takes over;
nothing of a stream is sent before its first event. Its containers answer what they are sent, but for a few words: "who" (the
worker's port), "rest" (after a while), "where" (the same as "who", after a while), "crash"."""
import collections
import http.client
import itertools
import os
import queue
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from messages import field, first, identity

RESPONSE, DOWN, TIMEOUT, START, STOP = range(5)
LISTENS_AFTER = 0.05
REFUSED = 'connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:50052: connect: connection refused"'


class Container:
    def __init__(self, function):
        self.id, self.function = os.urandom(6).hex(), function
        self.begun = self.used = time.monotonic()
        self.running = 0


class Worker:
    def __init__(self, database, idle):
        self.database, self.idle, self.port = database, idle, 0
        self.lock = threading.Lock()
        self.known, self.containers = {}, {}
        self.turns = collections.defaultdict(itertools.count)
        self.listeners = {}
        threading.Thread(target=self.watch, daemon=True).start()

    def tell(self, kind, container, failed=False, with_function=True):
        event = field(1, identity(container.id)) + field(3, kind) + field(4, int(failed))
        event += field(5, identity(container.function)) if with_function else b""
        event += field(6, field(1, int(time.time())))
        for listener in self.listeners.values():
            listener.put(event)

    def watch(self):
        while True:
            time.sleep(0.05)
            with self.lock:
                for one in list(self.containers.values()):
                    if one.running == 0 and time.monotonic() - one.used > self.idle:
                        del self.containers[one.id]
                        self.tell(TIMEOUT, one)

    def metadata(self, function):
        if function not in self.known:
            connection = http.client.HTTPConnection(self.database, timeout=30)
            connection.request("GET", "/", body=function)
            reply = connection.getresponse()
            self.known[function] = reply.read() if reply.status == 200 else None
        return self.known[function]

    def start(self, request, context):
        function = first(request, 1).decode()
        if not self.metadata(function):
            self.known.pop(function)
            context.abort(grpc.StatusCode.NOT_FOUND, f"failed to get image tag: no such key {function}")
        time.sleep(0.02)
        made = Container(function)
        with self.lock:
            self.containers[made.id] = made
            self.turns[function]
            self.tell(START, made)
        return field(1, identity(made.id)) + field(2, "127.0.0.1") + field(3, "hyperfaas-" + made.id[:8])

    def call(self, request, context):
        function, data = first(first(request, 4), 1).decode(), first(request, 3)
        with self.lock:
            if function not in self.turns:
                context.abort(grpc.StatusCode.UNKNOWN, f"no router found for function {function}")
            mine = [one for one in self.containers.values() if one.function == function]
            if not mine:
                context.abort(grpc.StatusCode.UNKNOWN, "no instances available")
            one = mine[next(self.turns[function]) % len(mine)]
            if time.monotonic() - one.begun < LISTENS_AFTER:
                context.abort(grpc.StatusCode.UNAVAILABLE, REFUSED)
            one.running += 1
        try:
            if data in (b"rest", b"where"):
                time.sleep(0.3)
            if data == b"crash":
                with self.lock:
                    self.containers.pop(one.id, None)
                    self.tell(DOWN, one, failed=True)
                context.abort(grpc.StatusCode.UNAVAILABLE, "error reading from server: EOF")
        finally:
            with self.lock:
                one.running -= 1
                one.used = time.monotonic()
        now = time.time_ns()
        context.set_trailing_metadata((("callqueuedtimestamp", str(now)), ("gotresponsetimestamp", str(now)), ("functionprocessingtime", "0")))
        return field(2, str(self.port).encode() if data in (b"who", b"where") else data) + field(4, identity(one.id))

    def stop(self, request, context):
        with self.lock:
            one = self.containers.pop(first(request, 1).decode(), None)
            if one is None:
                context.abort(grpc.StatusCode.NOT_FOUND, "container not found")
            self.tell(STOP, one, with_function=False)
        return request

    def status(self, request, context):
        mine = queue.Queue(10_000)
        with self.lock:
            self.listeners[first(request, 1).decode()] = mine
        context.add_callback(lambda: mine.put(None))
        while (event := mine.get()) is not None:
            yield event

    def metrics(self, request, context):
        return b"\x09" + bytes(8)

    def health(self, request, context):
        if first(request, 1) not in (b"", b"worker"):
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return field(1, 1)


def main():
    port, database, idle = sys.argv[1], sys.argv[2], float(sys.argv[3])
    worker = Worker(database, idle)
    server = grpc.server(ThreadPoolExecutor(300), options=[("grpc.so_reuseport", 0)])
    methods = {"Start": worker.start, "Call": worker.call, "Stop": worker.stop, "Metrics": worker.metrics}
    handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
    handlers["Status"] = grpc.unary_stream_rpc_method_handler(worker.status)
    health = {"Check": grpc.unary_unary_rpc_method_handler(worker.health)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("controller.Controller", handlers),
                                     grpc.method_handlers_generic_handler("grpc.health.v1.Health", health)))
    worker.port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("listening", worker.port, flush=True)
    for line in sys.stdin:
        if line.strip() == "count":
            with worker.lock:
                print(len(worker.containers), flush=True)


main()
