"""Clients that wait for their calls, and what each was answered."""
import dataclasses
import json
import threading
import time

from ledger import Ledger, submit_until
from server import check, wait_until


@dataclasses.dataclass
class Failed:
    """A call that was not answered as it should."""
    begun: float
    ended: float
    status: int  # 0: the connection broke.
    code: str
    message: str


class Callers:
    """Until the `with` is over: `count` clients that ask for each of `functions` (name: (input, output)) in turn, each call
    on a connection of its own; and beside them clients of durable calls of storm/echo, with a ledger."""

    def __init__(self, server, functions, count, seed, durable=2, pause=0.02):
        self.server, self.functions = server, functions
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.begun = self.good = self.wrong = 0
        self.failed = []
        self.ledger = Ledger()
        self.threads = [threading.Thread(target=self.ask_until, args=(number,), daemon=True) for number in range(count)]
        self.threads += [threading.Thread(target=submit_until, args=(self.stop, server, self.ledger, number, seed, pause, 60),
                                          daemon=True) for number in range(durable)]

    def ask_until(self, number):
        names = list(self.functions)
        while not self.stop.is_set():
            number += 1
            self.ask(names[number % len(names)])

    def ask(self, name):
        """One call; whether it went well."""
        body, wanted = self.functions[name]
        with self.lock:
            self.begun += 1
        begun = time.monotonic()
        try:
            status, answer = self.server.ask("POST", f"/function/{name}", body=body, patience=60)
        except OSError as error:
            status, answer = 0, json.dumps({"error": {"code": "broken", "message": str(error)}}).encode()
        ended = time.monotonic()
        good = status == 200 and answer == wanted
        with self.lock:
            if good:
                self.good += 1
            elif status == 200:
                self.wrong += 1
            else:
                self.failed.append(read_failure(begun, ended, status, answer))
        return good

    def more(self, count):
        """Waits until so many more have begun, and been answered well."""
        wanted = self.good + count
        wait_until(f"{count} more calls were answered well", lambda: self.good >= wanted)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more(10)
        return self

    def __exit__(self, kind, *_):
        self.stop.set()
        if kind is not None:
            return  # What failed first is what is told.
        for thread in self.threads:
            thread.join(timeout=120)
            check(not thread.is_alive(), "a client still waits for its call after two minutes")
        check(self.ledger.errors == 0, f"{self.ledger.errors} connections broke, and the server lived: "
              f"{self.ledger.last_error}")

    def reasons(self):
        """How many failed, by their reason."""
        counts = {}
        for one in self.failed:
            counts[f"{one.status} {one.code}"] = counts.get(f"{one.status} {one.code}", 0) + 1
        return ", ".join(f"{count} with {reason}" for reason, count in sorted(counts.items())) or "0"


def read_failure(begun, ended, status, answer):
    try:
        error = json.loads(answer)["error"]
        return Failed(begun, ended, status, error["code"], error["message"])
    except (ValueError, KeyError, TypeError):
        return Failed(begun, ended, status, "none", answer[:200].decode(errors="replace"))
