"""What HyperFaaS's own integration table asks of a worker, and what follows from it: many instances, and a listener that comes back."""
import base64
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from messages import field, first, identity

PATH = "/controller.Controller/"
CALL_TIME = 120  # For one call, on a machine that does much else, too.
INSTANCES, CALLS = 50, 100
START, STOP = 3, 4


def start(leaf, function):
    return first(first(leaf.ask(PATH + "Start", identity(function))[0], 1), 1).decode()


def call(leaf, function, data, instance=""):
    message = field(2, identity(instance or function)) + field(3, data) + field(4, identity(function))
    reply, _ = leaf.ask(PATH + "Call", message, timeout=CALL_TIME)
    return first(reply, 2), first(first(reply, 4), 1).decode()


def stop(leaf, instance):
    return first(leaf.ask(PATH + "Stop", identity(instance))[0], 1).decode()


def follow(leaf, node):
    stream = leaf.stream(PATH + "Status", field(1, node))
    stream.initial_metadata()  # From here on it listens.
    return stream


def hear(stream, function, count):
    """The next so many events of that function, as (what, instance)."""
    heard = []
    while len(heard) < count:
        event = next(stream)
        if first(first(event, 5), 1).decode() == function:
            heard.append((first(event, 3, 0), first(first(event, 1), 1).decode()))
    return heard


def outputs(leaf, check):
    for tag, data, expected in (("hyperfaas-hello:latest", b"whatever", b"SEVMTE8gV09STEQh"),
                                ("hyperfaas-echo:latest", b"Hello World!", base64.b64encode(b"Hello World!"))):
        function = leaf.create(tag)
        instance = start(leaf, function)
        data, answered = call(leaf, function, data, instance)
        check(base64.b64encode(data) == expected and answered == instance, f"{tag}: {data!r} of {answered}, not {instance}")


def many_instances(leaf, check):
    """All that are started, at once, and all calls of theirs; each has as many as the others, and is heard of from start to end."""
    function = leaf.create("hyperfaas-echo:latest", timeout=600)
    stream = follow(leaf, "many")
    with ThreadPoolExecutor(CALLS) as pool:
        instances = list(pool.map(lambda _: start(leaf, function), range(INSTANCES)))
        check(len(set(instances)) == INSTANCES, f"{len(set(instances))} instances of {INSTANCES}")
        asked = [(b"%d" % i, instances[i % INSTANCES]) for i in range(INSTANCES * CALLS)]
        answers = list(pool.map(lambda one: call(leaf, function, *one), asked))
        stopped = list(pool.map(lambda instance: stop(leaf, instance), instances))
    check([data for data, _ in answers] == [data for data, _ in asked], "answers are missing, or others'")
    check(Counter(instance for _, instance in answers) == dict.fromkeys(instances, CALLS), "they did not take turns")
    check(stopped == instances, "others were stopped")
    heard = Counter(hear(stream, function, 2 * INSTANCES))
    check(heard == {(what, one): 1 for what in (START, STOP) for one in instances}, f"{heard}")
    stream.cancel()


def come_back(leaf, check):
    """A listener that was away hears what it missed, in order and once; one that is new hears nothing of that."""
    function = leaf.create("hyperfaas-echo:latest", timeout=600)
    stream = follow(leaf, "away")
    seen = start(leaf, function)
    check(hear(stream, function, 1) == [(START, seen)], "another was started")
    stream.cancel()
    for _ in range(3):  # The server knows that it left: what comes later over this connection is read later.
        leaf.ask("/grpc.health.v1.Health/Check", b"")
    missed = start(leaf, function)
    stop(leaf, missed)
    again, other = follow(leaf, "away"), follow(leaf, "new")
    stop(leaf, seen)
    heard = hear(again, function, 3)
    check(heard == [(START, missed), (STOP, missed), (STOP, seen)], f"{heard}")
    heard = hear(other, function, 1)
    check(heard == [(STOP, seen)], f"who was not there before heard {heard}")
    again.cancel()
    other.cancel()


def run(leaf, check):
    outputs(leaf, check)
    many_instances(leaf, check)
    come_back(leaf, check)
