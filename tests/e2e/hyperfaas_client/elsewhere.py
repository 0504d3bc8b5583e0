"""Suites of client.py for functions that run on workers of HyperFaaS: what is sent to stock_worker.py through our leaf."""
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from messages import schedule

IMAGE = "hyperfaas-elsewhere:latest"
CALLERS = 16


def call_all(leaf, function, data):
    with ThreadPoolExecutor(64) as pool:
        return list(pool.map(lambda one: leaf.call(function, one)[0], data))


def workers(leaf, check, ports):
    """Nothing fails: not the first calls, not with two workers, not when instances end by themselves."""
    function = leaf.create(IMAGE)
    data = [b"%d" % i for i in range(64)]
    check(call_all(leaf, function, data) == data, "the first calls of a function")
    # The leaf may find the second one later than the first; what has room already stays where it is.
    seen, end = set(), time.monotonic() + 60
    while seen != {port.encode() for port in ports}:
        check(time.monotonic() < end, f"calls went to {seen} alone")
        seen = set(call_all(leaf, leaf.create(IMAGE, concurrency=1), [b"where"] * 100))
    # Each ends after a second without a call. Calls come as that happens, and at once.
    ends = threading.Event()
    for pause in (1.0, 1.05, 1.1, 1.15, 1.2):
        ends.wait(pause)
        check(call_all(leaf, function, data) == data, "after its instances had ended")
    code, words, _ = leaf.refused("/leaf.Leaf/ScheduleCall", schedule(function, b"crash"))
    check(code != grpc.StatusCode.OK and words, f"{code}")
    check(leaf.call(function, b"on")[0] == b"on", "a crash has ended it for good")


def killed(leaf, check, pid):
    """Of each caller one call may be lost: the one that was there."""
    function = leaf.create(IMAGE, concurrency=2)
    begun, is_over = threading.Semaphore(0), threading.Event()
    failures, answers = [], []

    def go_on(caller):
        while not is_over.is_set():
            try:
                answers.append(leaf.call(function, b"rest" if len(answers) % 4 == 0 else b"%d" % caller)[0])
                begun.release()
            except grpc.RpcError as error:
                failures.append((caller, error.code(), error.details()))

    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(go_on, caller) for caller in range(CALLERS)]
        for _ in range(200):
            begun.acquire()
        os.kill(int(pid), signal.SIGKILL)
        for _ in range(500):
            begun.acquire()
        is_over.set()
        for one in callers:
            one.result()
    check(len({caller for caller, _, _ in failures}) == len(failures), f"a caller lost more than one call: {failures}")
    data = [b"%d" % i for i in range(200)]
    check(call_all(leaf, function, data) == data, "it still fails")
    print(function)


def on(leaf, check, function, where):
    """At the first attempt, and all of them."""
    check(leaf.call(function, b"who")[0] == where.encode(), "the first call went elsewhere")
    data = [b"%d" % i for i in range(64)]
    check(call_all(leaf, function, data) == data, "calls after the first")


def made(leaf, check):
    function = leaf.create(IMAGE)
    check(leaf.call(function, b"x")[0] == b"x", "its first call")
    print(function)


def nobody(leaf, check, function):
    def refused(_):
        return leaf.refused("/leaf.Leaf/ScheduleCall", schedule(function, b"x"))[:2]

    # The first one may have been under way to one that was just being found lost.
    code, words = refused(0)
    check(code == grpc.StatusCode.UNAVAILABLE, f"{code} {words}")
    with ThreadPoolExecutor(14) as pool:
        for code, words in pool.map(refused, range(14)):
            check(code == grpc.StatusCode.UNAVAILABLE and "--hyperfaas-workers" in words, f"{code} {words}")


def hung(leaf, check, function, where):
    """A few calls are lost with a worker that says nothing any more; then the other one has all."""
    for _ in range(20):
        try:
            if leaf.call(function, b"who")[0] == where.encode():
                break
        except grpc.RpcError as error:
            check(error.code() != grpc.StatusCode.DEADLINE_EXCEEDED, f"{error}")
    on(leaf, check, function, where)
