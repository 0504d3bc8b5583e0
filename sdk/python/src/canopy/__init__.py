"""A client of Canopy, with nothing but the standard library.

    from canopy import Client, Executor, function

    Client().invoke("demo/hello", b"you").text

    @function("demo/add")
    def add(a, b):
        return a + b

    with Executor() as executor:
        print(executor.submit(add, 1, 2).result())
        print(list(executor.map(add, range(100), range(100))))

Both take the address from CANOPY_URL and the key from CANOPY_KEY where none is given.
"""
from .client import Client, Reply, Task
from .errors import CallCancelled, CallFailed, CanopyError, Unreachable
from .executor import CallFuture, Executor
from .source import Function, function

__all__ = ["CallCancelled", "CallFailed", "CallFuture", "CanopyError", "Client", "Executor", "Function", "Reply", "Task",
           "Unreachable", "function"]
