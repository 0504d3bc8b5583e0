"""What clients of HyperFaaS do, with a real gRPC: client.py ADDRESS SUITE [DATABASE]. Prints nothing but what went wrong."""
import http.client
import json
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import elsewhere
import grpc
import worker_table
from messages import create, field, first, identity, schedule

PATIENCE = 600


def check(condition, message):
    if not condition:
        raise SystemExit(f"client.py: {message}")


class Leaf:
    """A stub of leaf.Leaf, or of whatever else has bytes for messages."""

    def __init__(self, address, authority=None):
        options = [("grpc.default_authority", authority)] if authority else []
        options += [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(address, options=options)

    def ask(self, path, message, timeout=PATIENCE, **more):
        """The reply, and its trailers."""
        reply, call = self.channel.unary_unary(path).with_call(message, timeout=timeout, wait_for_ready=True, **more)
        return reply, dict(call.trailing_metadata())

    def refused(self, path, message, timeout=PATIENCE):
        """(code, sentence, trailers) of what has to fail."""
        try:
            reply, _ = self.ask(path, message, timeout)
        except grpc.RpcError as error:
            return error.code(), error.details(), dict(error.trailing_metadata() or ())
        raise SystemExit(f"client.py: {path} answered {reply!r}")

    def create(self, tag, **config):
        reply, _ = self.ask("/leaf.Leaf/CreateFunction", create(tag, **config))
        function = first(first(reply, 1), 1).decode()
        check(str(uuid.UUID(function)) == function, f"the id is {function!r}")
        return function

    def call(self, function, data, **more):
        reply, trailers = self.ask("/leaf.Leaf/ScheduleCall", schedule(function, data), **more)
        return first(reply, 1), trailers

    def stream(self, path, message):
        return self.channel.unary_stream(path)(message, timeout=PATIENCE)


def case_1_create_and_call(leaf):
    function = leaf.create("hyperfaas-echo:latest", memory=268435456, period=100000, quota=50000)
    data, trailers = leaf.call(function, b"payload")
    check(data == b"payload", f"echo answered {data!r}")
    names = ("leafgotrequesttimestamp", "leafscheduledcalltimestamp", "callqueuedtimestamp", "gotresponsetimestamp",
             "functionprocessingtime", "instanceid")
    check(all(name in trailers for name in names), f"trailers are missing: {trailers}")
    got, scheduled, queued, response, took = (int(trailers[name]) for name in names[:5])
    check(got <= scheduled <= queued <= response and took == response - queued, f"odd times: {trailers}")
    check(abs(time.time_ns() - got) < PATIENCE * 10**9 and len(trailers["instanceid"]) == 12, f"{trailers}")


def case_2_absent_fields(leaf):
    check(leaf.call(leaf.create("hyperfaas-echo:latest"), b"x")[0] == b"x", "no config")
    reply, _ = leaf.ask("/leaf.Leaf/CreateFunction", field(1, field(1, "hyperfaas-echo:latest")))
    check(leaf.call(first(first(reply, 1), 1).decode(), b"y")[0] == b"y", "no config at all")
    code, words, _ = leaf.refused("/leaf.Leaf/ScheduleCall", field(2, b"data"))
    check(code == grpc.StatusCode.INVALID_ARGUMENT and words, f"{code} {words}")
    code, words, _ = leaf.refused("/leaf.Leaf/CreateFunction", b"")
    check(code == grpc.StatusCode.INVALID_ARGUMENT and words, f"{code} {words}")


def case_3_errors(leaf):
    code, words, _ = leaf.refused("/leaf.Leaf/ScheduleCall", schedule(str(uuid.uuid4()), b""))
    check((code, words) == (grpc.StatusCode.NOT_FOUND, "function id not found"), f"{code} {words}")
    unknown = leaf.create("hyperfaas-nosuch:latest")
    for _ in range(15):
        code, words, _ = leaf.refused("/leaf.Leaf/ScheduleCall", schedule(unknown, b""))
        check(code == grpc.StatusCode.NOT_FOUND and "hyperfaas-nosuch" in words, f"{code} {words}")
    echo = leaf.create("hyperfaas-echo:latest")
    check(leaf.call(echo, b"still")[0] == b"still", "the others are not answered any more")
    slow = leaf.create("hyperfaas-rest:latest")
    code, words, trailers = leaf.refused("/leaf.Leaf/ScheduleCall", schedule(slow, b"60000"), timeout=0.3)
    check(code == grpc.StatusCode.DEADLINE_EXCEEDED, f"{code} {words} {trailers}")
    code, words, _ = leaf.refused("/leaf.Leaf/Nothing", b"")
    check(code == grpc.StatusCode.UNIMPLEMENTED and words, f"{code} {words}")


def case_4_cold_burst(leaf):
    function = leaf.create("hyperfaas-hello:latest")
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: leaf.call(function, b"")[0], range(64)))
    check(answers == ["Hello, world!\n".encode()] * 64 or len(set(answers)) == 1, f"{set(answers)}")


def case_11_newer_dialect(leaf):
    reply, _ = leaf.ask("/lb.LB/CreateFunction", create("hyperfaas-echo:latest"))
    function = first(reply, 1).decode()
    check(str(uuid.UUID(function)) == function, f"{reply!r}")
    for path in ("/lb.LB/ScheduleCall", "/leaf.Leaf/ScheduleCall"):
        for as_text in (True, False):
            reply, trailers = leaf.ask(path, schedule(function, b"z", as_text))
            check(first(reply, 1) == b"z" and "instanceid" in trailers, f"{path} {as_text}: {reply!r}")


def sizes(leaf):
    function = leaf.create("hyperfaas-echo:latest")
    for size in (0, 1, 5000, 3_000_000):
        data = bytes(i * 7 & 255 for i in range(min(size, 65536))) * (size // 65536 + 1)
        check(leaf.call(function, data[:size])[0] == data[:size], f"{size} bytes came back as others")
    code, words, _ = leaf.refused("/leaf.Leaf/ScheduleCall", schedule(function, b"x" * (34 << 20)))
    check(code == grpc.StatusCode.RESOURCE_EXHAUSTED and "32MiB" in words, f"{code} {words}")
    try:
        leaf.ask("/leaf.Leaf/ScheduleCall", schedule(function, b"x" * 5000), compression=grpc.Compression.Gzip)
        raise SystemExit("client.py: a compressed message was answered")
    except grpc.RpcError as error:
        check(error.code() == grpc.StatusCode.UNIMPLEMENTED and "compressed" in error.details(), f"{error}")


def case_10_authority(leaf, address):
    function = leaf.create("hyperfaas-echo:latest")
    own = Leaf(address, authority=function)
    message = field(1, b"\0any bytes\xff")
    reply, _ = own.ask("/examples.echo.v1.Echo/Echo", message, metadata=(("x-mine", "1"),))
    check(reply == message, f"{reply!r}")
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda i: own.ask("/examples.echo.v1.Echo/Echo", field(1, str(i)))[0], range(1500)))
    check(answers == [field(1, str(i)) for i in range(1500)], "answers are missing, or others'")
    code, _, _ = Leaf(address, authority=str(uuid.uuid4())).refused("/a.B/C", b"")
    check(code == grpc.StatusCode.NOT_FOUND, f"{code}")


def case_10_state(leaf):
    function = leaf.create("hyperfaas-echo:latest", timeout=1)
    stream = leaf.stream("/leaf.Leaf/State", b"")
    leaf.call(function, b"")
    seen = []
    for message in stream:
        if first(message, 1).decode() == function:
            seen.append(first(message, 2, 0))
        if seen[-1:] == [0]:
            break
    check(seen == [1, 0], f"{seen}")
    stream.cancel()
    check(leaf.call(function, b"again")[0] == b"again", "from zero it does not come back")


def health(leaf):
    for service in ("", "leaf", "worker"):
        reply, _ = leaf.ask("/grpc.health.v1.Health/Check", field(1, service) if service else b"")
        check(first(reply, 1, 0) == 1, f"{service}: {reply!r}")
    code, _, _ = leaf.refused("/grpc.health.v1.Health/Check", field(1, "nothing"))
    check(code == grpc.StatusCode.NOT_FOUND, f"{code}")
    watch = leaf.stream("/grpc.health.v1.Health/Watch", b"")
    check(first(next(iter(watch)), 1, 0) == 1, "the watch begins with something else")
    watch.cancel()


def case_8_database(leaf, database):
    def ask(method, body):
        connection = http.client.HTTPConnection(database, timeout=PATIENCE)
        connection.request(method, "/", body=body)
        response = connection.getresponse()
        return response.status, response.read().decode()

    posted = {"image_tag": "hyperfaas-echo:latest", "config": {"mem_limit": 268435456, "cpu_quota": 50000, "cpu_period": 100000,
                                                               "timeout": 10, "max_concurrency": 500}}
    status, text = ask("POST", json.dumps(posted))
    check(status == 201, f"{status} {text}")
    function = json.loads(text)["function_id"]
    status, text = ask("GET", function)
    check(status == 200 and json.loads(text) == posted, f"{status} {text}")
    check(leaf.call(function, b"x")[0] == b"x", "the leaf does not know it")
    check(ask("GET", str(uuid.uuid4())) == (404, "Not Found\n"), "an unknown one was found")
    check(ask("POST", "{") == (400, "Invalid JSON\n"), "half a message was taken")
    check(ask("DELETE", function) == (405, "Method Not Allowed\n"), "another method was taken")


def case_6_worker(leaf, worker_address):
    """As a leaf drives a worker. The functions are made by the leaf's own API."""
    worker = Leaf(worker_address)
    function = leaf.create("hyperfaas-echo:latest", timeout=4)  # Idle for less on a machine that does much else, too.
    path = "/controller.Controller/"
    streams = [worker.stream(path + "Status", field(1, "todo")) for _ in range(3)]
    for stream in streams:
        stream.initial_metadata()  # From here on it listens.
    reply, _ = worker.ask(path + "Start", identity(function))
    instance = first(first(reply, 1), 1).decode()
    check(len(instance) == 12 and first(reply, 2) and first(reply, 3).startswith(b"hyperfaas-echo"), f"{reply!r}")
    call = field(1, 5) + field(2, identity(function)) + field(3, b"Hello World!") + field(4, identity(function))
    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(lambda _: worker.ask(path + "Call", call), range(300)))
    for reply, trailers in replies:
        check(first(reply, 1, 0) == 5 and first(reply, 2) == b"Hello World!", f"{reply!r}")
        check(first(first(reply, 4), 1).decode() == instance, f"{reply!r}")
        check(int(trailers["functionprocessingtime"]) >= 0 and "callqueuedtimestamp" in trailers, f"{trailers}")
    second = first(first(worker.ask(path + "Start", identity(function))[0], 1), 1).decode()
    check(first(worker.ask(path + "Stop", identity(second))[0], 1).decode() == second, "another was stopped")
    code, _, _ = worker.refused(path + "Stop", identity(second))
    check(code == grpc.StatusCode.NOT_FOUND, f"{code}")
    for method in ("Start", "Call"):
        unknown = str(uuid.uuid4())
        code, _, _ = worker.refused(path + method, identity(unknown) if method == "Start" else field(4, identity(unknown)))
        check(code == grpc.StatusCode.NOT_FOUND, f"{method}: {code}")
    start, timeout, stop = 3, 2, 4
    wanted = [(start, instance), (start, second), (stop, second), (timeout, instance)]
    for stream in streams:
        heard = []
        while len(heard) < len(wanted):
            event = next(stream)
            check(first(first(event, 5), 1).decode() == function and first(first(event, 6), 1, 0) > 10**9, f"{event!r}")
            heard.append((first(event, 3, 0), first(first(event, 1), 1).decode()))
        check(heard == wanted, f"{heard} instead of {wanted}")
        stream.cancel()
    reply, _ = worker.ask(path + "Metrics", field(1, "todo"))
    check(len(reply) >= 18, f"{reply!r}")  # Two doubles at least.


def case_9_containers(leaf, address):
    function = leaf.create("hyperfaas-contained:latest", memory=64 << 20, concurrency=16)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda i: leaf.call(function, b"%d" % i)[0], range(64)))
    check(answers == [b"%d" % i for i in range(64)], f"{answers}")
    # By its own method: as it is, with what follows it.
    own = Leaf(address, authority=function)
    reply, _ = own.ask("/function.FunctionService/Call", field(1, 9) + field(3, b"data"))
    check(first(reply, 1, 0) == 9 and first(reply, 2) == b"data" and first(reply, 4), f"{reply!r}")
    code, words, _ = own.refused("/function.FunctionService/Call", b"\xff\xff")
    check((code, words) == (grpc.StatusCode.INVALID_ARGUMENT, "the message is no CallRequest"), f"{code} {words}")


def case_9_idle_end(leaf):
    """Four times: calls at once to a function that has ended by itself, and its end as a leaf hears of it."""
    function = leaf.create("hyperfaas-brief:latest", memory=64 << 20, concurrency=16)
    check(leaf.call(function, b"id")[0].decode() == function, "FUNCTION_ID is another's")
    path = "/controller.Controller/"
    stream = leaf.stream(path + "Status", field(1, "leaf"))
    stream.initial_metadata()
    call = field(2, identity(function)) + field(3, b"x") + field(4, identity(function))
    for _ in range(4):
        instance = first(first(leaf.ask(path + "Start", identity(function))[0], 1), 1).decode()
        with ThreadPoolExecutor(16) as pool:
            replies = [reply for reply, _ in pool.map(lambda _: leaf.ask(path + "Call", call), range(16))]
        check(all(first(reply, 2) == b"x" for reply in replies), f"{replies}")
        check(all(first(first(reply, 4), 1).decode() == instance for reply in replies), f"{replies}")
        heard = [(first(event, 3, 0), first(event, 4, 0), first(first(event, 1), 1).decode()) for event in (next(stream), next(stream))]
        check(heard == [(3, 0, instance), (2, 0, instance)], f"{heard} instead of START and TIMEOUT of {instance}")
    stream.cancel()


def case_9_signals(leaf, address):
    for name, said in (("signal", "0 5 <nil>"), ("silent", "silent")):
        own = Leaf(address, authority=leaf.create(f"hyperfaas-{name}:latest", memory=64 << 20, concurrency=16))
        with ThreadPoolExecutor(16) as pool:
            replies = [reply for reply, _ in pool.map(lambda _, own=own: own.ask("/my.Own/Method", field(1, "x")), range(16))]
        check(all(first(reply, 1).decode() == f"{said} /my.Own/Method 8" for reply in replies), f"{replies}")


def keys(leaf):
    code, words, _ = leaf.refused("/leaf.Leaf/CreateFunction", create("hyperfaas-echo:latest"))
    check(code == grpc.StatusCode.UNAUTHENTICATED and "key" in words, f"{code} {words}")


def main():
    address, suite, *more = sys.argv[1:]
    leaf = Leaf(address)
    if suite == "leaf":
        for case in (case_1_create_and_call, case_2_absent_fields, case_3_errors, case_4_cold_burst, case_11_newer_dialect, sizes,
                     health):
            case(leaf)
    elif suite == "upstream":
        case_10_authority(leaf, address)
        case_10_state(leaf)
    elif suite == "database":
        case_8_database(leaf, *more)
    elif suite == "worker":
        case_6_worker(leaf, *more)
    elif suite == "table":
        worker_table.run(leaf, check)
    elif suite == "contained":
        case_9_containers(leaf, address)
    elif suite == "brief":
        case_9_idle_end(leaf)
    elif suite == "signal":
        case_9_signals(leaf, address)
    elif hasattr(elsewhere, suite):
        getattr(elsewhere, suite)(leaf, check, *([more] if suite == "workers" else more))
    elif suite == "keys":
        keys(leaf)
    elif suite == "create":
        print(leaf.create("hyperfaas-echo:latest"))
    elif suite == "call":
        check(leaf.call(more[0], b"after")[0] == b"after", "it is not the same any more")
    else:
        raise SystemExit(f"client.py: there is no suite {suite}")


if __name__ == "__main__":
    main()
