# One task as other platforms have it: a function and its arguments come as bytes, and its result goes as bytes. It says how
# long that took, in nanoseconds. As a program it is a Python without anything around it, which waits for its tasks, too:
# `task.py` takes them from its input; `task.py COUNT` does so many without a pause.
import sys
import time

import dill


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


fib.__module__ = "__main__"  # So that it goes by value, as from a client's own program.
FUNCTION = dill.dumps(fib, protocol=4, recurse=True)


def handle(request):
    body = request.body
    began = time.perf_counter_ns()
    size = int.from_bytes(body[:4], "little")
    function = dill.loads(body[4 : 4 + size])
    args, kwargs = dill.loads(body[4 + size :])
    dill.dumps(function(*args, **kwargs), protocol=4)
    return str(time.perf_counter_ns() - began)


def task(*args, **kwargs):
    return len(FUNCTION).to_bytes(4, "little") + FUNCTION + dill.dumps((args, kwargs), protocol=4)


class Request:
    def __init__(self, body):
        self.body = body


def serve():
    while size := int.from_bytes(sys.stdin.buffer.read(4), "little"):
        print(handle(Request(sys.stdin.buffer.read(size))), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        serve()
    else:
        times = sorted(int(handle(Request(task(10)))) for _ in range(int(sys.argv[1])))
        print(times[len(times) // 2])
