#!/usr/bin/env python3
"""A client of FaaS Builders' API, with dill as the course's clients have it.

  client.py URL SUITE [WORD]      WORD is what a task that succeeded is called; COMPLETED if it is not said

The suite `course` does what the course's public tests do, with functions that travel by reference; `own` what FaaS
Builders' own tests do, with functions that travel by value; the others are described where they stand. Those two run
all their tests at once. Ends with 0 where all of it held."""
import codecs
import concurrent.futures
import functools
import json
import math
import random
import sys
import time
import traceback
import uuid

import dill

from faas import (STATES, WORD, deserialize, fails, finish, register, request, result_of, same, serialize, start, status_of,
                  submit, succeeds)

# -- what the course's public tests do

def course_refuses_a_payload_that_is_none():
    status, _ = request("POST", "/register_function", {"name": "hello", "payload": "payload"})
    assert status in (500, 400), status


def course_registers():
    import by_reference
    assert len(serialize(by_reference.double)) < 100, "it travels by value"
    register(by_reference.double, "double")


def course_executes():
    import by_reference
    task = start(register(by_reference.double, "hello"), 2)
    assert status_of(task) in STATES


def course_goes_there_and_back():
    import by_reference
    function = register(by_reference.double, "double")
    number = random.randint(0, 10000)
    task = start(function, number)
    for _ in range(20):
        status, result = result_of(task)  # Each answer is 200.
        if status in ("COMPLETED", "FAILED"):
            same(deserialize(result), number * 2)
            break
        time.sleep(0.01)
    same(finish(task), (WORD, number * 2))
    same(succeeds(by_reference.greet, "you", greeting="Good day"), "Good day, you!")


# -- what FaaS Builders' own tests do beside that

def own_knows_no_other_function():
    for identifier in ("00000000-0000-0000-0000-000000000000", str(uuid.uuid4())):
        status, answer = request("POST", "/execute_function", {"function_id": identifier, "payload": serialize(((), {}))})
        same((status, answer), (404, {"detail": "Function not found"}))


def own_refuses_a_payload_that_is_none():
    course_refuses_a_payload_that_is_none()


def own_registers():
    register(lambda number: number * 2, "double")


def own_executes():
    assert status_of(start(register(lambda number: number * 2), 2)) in STATES


def own_goes_there_and_back():
    number = random.randint(0, 10000)
    same(succeeds(lambda value: value * 2, number), number * 2)


def own_task_of_three_seconds():
    def slow(first, second):
        import time
        time.sleep(3)
        return first * second
    task = start(register(slow), 2, 3)
    seen = set()
    while (status := status_of(task)) not in (WORD, "FAILED"):
        seen.add(status)
        status, result = result_of(task)  # It may have ended in between.
        assert status == WORD or result == "", (status, result)
        time.sleep(0.05)
    assert seen and seen <= {"QUEUED", "RUNNING"}, seen
    same(finish(task), (WORD, 6))


def own_twenty_tasks_at_once():
    function = register(lambda number: number * 2)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        tasks = list(pool.map(lambda number: start(function, number), range(20)))
    same(len(set(tasks)), 20)
    for number, task in enumerate(tasks):
        same(finish(task), (WORD, number * 2))


def own_failure():
    def divide(number):
        return number / 0
    same(fails(divide, 1), "FailedFunctionError: Failed task execution due to division by zero")


def own_task_past_its_time():
    def endless():
        import time
        while True:
            time.sleep(1)
    same(fails(endless), "WorkerFailure: Task execution timed out")


# -- failures as objects: --builders-failures=exceptions

def exceptions_of_the_library():
    def bad():
        raise ValueError("bad", 7)
    error = fails(bad)
    assert isinstance(error, ValueError) and error.args == ("bad", 7), repr(error)


def exceptions_of_the_client():
    class OwnError(Exception):
        def __init__(self, code):
            super().__init__(f"code {code}")
            self.code = code

        def __reduce__(self):
            return OwnError, (self.code,)

    def bad():
        raise OwnError(9)
    error = fails(bad)
    assert type(error).__name__ == "OwnError" and error.code == 9, repr(error)


def exceptions_that_cannot_come_back():
    class Stubborn(Exception):
        def __init__(self, first, second):
            super().__init__("stubborn")

    def bad():
        raise Stubborn(1, 2)
    same(fails(bad), "FailedFunctionError: Failed task execution due to stubborn")


def exceptions_of_time():
    def endless():
        while True:
            pass
    error = fails(endless)
    assert isinstance(error, TimeoutError) and str(error) == "WorkerFailure: Task execution timed out", repr(error)


# -- what functions and values may be

TABLE = {"one": 1}


def helper(number):
    return number + TABLE["one"]


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __call__(self, factor):
        return type(self)(self.x * factor, self.y * factor)


def values_of_every_kind():
    for value in (None, True, -1, 2**70, 1.5, math.inf, "text \u00e9\0", b"\x00\xff", [1, (2, {3})], {"a": range(3)},
                  "x" * 300_000):
        same(succeeds(lambda given: given, value), value)


def values_of_the_clients_classes():
    point = succeeds(lambda p, q: (p.x + q.x, p.y + q.y), Point(1, 2), Point(3, 4))
    same(point, (4, 6))
    moved = succeeds(Point(1, 2), 3)
    same((moved.x, moved.y), (3, 6))


def values_around_functions():
    factor = 7
    same(succeeds(lambda number: number * factor, 6), 42)
    same(finish(start(register(helper, recurse=True), 1)), (WORD, 2))  # With the globals that it needs.
    same(succeeds(functools.partial(pow, 2), 10), 1024)
    same(succeeds(math.sqrt, 9), 3.0)
    same(succeeds(lambda: (lambda number: number + 1)(1)), 2)
    same(succeeds(lambda *args, **kwargs: (args, kwargs), 1, 2, three=3), ((1, 2), {"three": 3}))
    same(succeeds(lambda: (lambda number: number + 1))(1), 2)


# -- with --builders-keep-warm=0

def apart_tasks_leave_nothing():
    def count(seen=[]):
        seen.append(1)
        return len(seen)
    function = register(count)
    same([finish(start(function)) for _ in range(3)], [(WORD, 1)] * 3)


# -- what is wrong: a clear error each

DUE = "FailedFunctionError: Failed task execution due to "


def wrong_registration():
    def refusal(payload):
        status, answer = request("POST", "/register_function", {"name": "f", "payload": payload})
        same(status, 400)
        same(list(answer), ["detail"])
        return answer["detail"].removeprefix("Invalid function payload: ")
    good = dill.dumps(lambda: 1)
    same(refusal(serialize(7)), "400: Payload is not callable")
    same(refusal(codecs.encode(good[:-5], "base64").decode()), "pickle data was truncated")
    same(refusal(codecs.encode(b"\x80\x04\xff.", "base64").decode()), "invalid load key, '\\xff'.")
    same(refusal(codecs.encode(b"\x80\x04cno_such_module\nf\n.", "base64").decode()), "No module named 'no_such_module'")
    same(refusal("  "), "Name and payload must not be empty")
    assert "8MiB" in refusal(serialize(functools.partial(len, b"x" * (9 << 20)))), "nine megabytes"


def wrong_version():
    status, answer = request("POST", "/register_function",
                             {"name": "f", "payload": serialize(lambda: 1), "python_version": "2.7"})
    same(status, 400)
    assert "was serialised by Python 2.7" in answer["detail"], answer


def wrong_arguments():
    assert "missing 1 required positional argument" in fails(lambda number: number)
    assert "takes 0 positional arguments but 2 were given" in fails(lambda: 1, 2, 3)
    assert "unexpected keyword argument" in fails(lambda: 1, a=1)
    function = register(lambda number: number)
    for payload, words in (("payload", "Incorrect padding"), ("", "Ran out of input"),
                           (codecs.encode(b"\x80\x04\x95", "base64").decode(), "pickle"),
                           (serialize(1), "cannot unpack non-iterable int object"),
                           (serialize(((1,), {2: 3})), "keywords must be strings"),
                           (codecs.encode(b"\x80\x04cno_such_module\nf\n.", "base64").decode(), "no_such_module")):
        status, value = finish(submit(function, payload))
        same(status, "FAILED")
        assert value.startswith(DUE) and words in value, (payload, value)


def wrong_results():
    def generator():
        return (number for number in range(3))

    def large():
        return "x" * (9 << 20)

    def missing():
        import no_such_module

    assert "cannot pickle" in fails(generator)
    assert "output is larger than allowed" in fails(large)
    same(fails(missing), DUE + "No module named 'no_such_module'")


def wrong_ends():
    def leaves():
        import os
        os._exit(3)

    def crashes():
        import ctypes
        ctypes.string_at(1)

    def exits():
        raise SystemExit(4)

    same(fails(leaves), DUE + "its process ended with status 3 before it had answered")
    same(fails(crashes), "WorkerFailure: Worker failed during task execution")
    same(fails(exits), DUE + "its process ended with status 4 before it had answered")


def wrong_size():
    assert fails(lambda: bytearray(1 << 30)).startswith(DUE + "it needed more than the memory it may have")


# -- one long task that is left behind, for who restarts the server; and what became of it: `left TASK`

def leave():
    def slow(number):
        import time
        time.sleep(1)
        return number
    function = register(slow)
    print(json.dumps([start(function, number) for number in range(8)]))


def left(tasks):
    for number, task in enumerate(json.loads(tasks)):
        same(finish(task), (WORD, number))


# -- where tasks run, of servers and workers that have a module `where` each: `where NAME ...`

def where(*names):
    def name():
        import where
        return where.NAME
    function = register(name)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        tasks = list(pool.map(lambda _: start(function), range(20)))
    for task in tasks:
        status, value = finish(task)
        assert status == WORD and value in names, f"it {status} with {value}, and was to run on {names}"


# -- some tasks, and what FaaS Builders had in Redis of them in the end, for who looks there

def copied():
    def divide(first, second):
        return first / second

    def task(first, second, status):
        identifier = start(function, first, second=second)
        ended, result = finish(identifier)
        same(ended, status)
        return {"key": f"task:{identifier}", "message": serialize({"task_id": identifier}),
                "hash": {"function_id": function, "param_payload": serialize(((first,), {"second": second})),
                         "status": status, "result": serialize(result)}}
    function = register(divide, "divide")
    print(json.dumps({"tasks": [task(8, 2, WORD), task(1, 0, "FAILED"), task(9, 3, WORD)],
                      "function": {"key": f"function:{function}", "hash": {"name": "divide", "payload": serialize(divide)}}}))


def attempt(name, test):
    try:
        test()
        print(f"passed {name}\n", end="", flush=True)
        return True
    except Exception:
        print(f"failed {name}\n{traceback.format_exc()}\n", end="", flush=True)
        return False


def main():
    suite = sys.argv[2]
    if suite in ("leave", "left", "where", "copied"):
        return globals()[suite](*sys.argv[4:])
    tests = [(name, test) for name, test in globals().items() if name.startswith(suite + "_")]
    together = len(tests) if suite in ("course", "own") else 1
    with concurrent.futures.ThreadPoolExecutor(together or 1) as pool:
        passed = sum(pool.map(lambda named: attempt(*named), tests))
    print(f"{passed} passed, {len(tests) - passed} failed")
    return len(tests) - passed or not tests


sys.exit(main())
