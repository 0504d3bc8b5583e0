"""A concurrent.futures.Executor whose work runs on a Canopy server, as durable calls.

    submit() ─▶ outbox ─ sender: as many as there are, one request ─▶ server
    futures  ◀─ readers: the result of each ◀─ watcher: one stream of what has ended ◀─┘

Each call has an idempotency key from the start, so a request that broke off is sent again without running twice.
With a journal, work that was under way when the process died is found again by reload().
"""
from __future__ import annotations

import collections
import concurrent.futures
import os
import queue
import threading
import time
import uuid
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Union

from .client import BATCH_MAX, Client, Reply
from .errors import CallCancelled, CanopyError, Unreachable
from .journal import Journal
from .source import Function, ensure_deployed

BATCH_BYTES_MAX = 512 * 1024  # Of inputs; a larger one goes alone.
READERS = 4
EARLY_MAX = 100_000  # Ends that came before the answer that names their call.
SWEEP = 20.0  # Seconds; then what is under way is asked for, in case news of it were lost.


class CallFuture(concurrent.futures.Future):  # type: ignore[type-arg]
    """A future of one durable call. cancel() ends the call wherever it is, unless it has an end already."""

    def __init__(self, executor: "Executor", entry: Dict[str, Any], decode: Callable[[Reply], Any]) -> None:
        super().__init__()
        self.call = ""  # Its id, once the server has it.
        self.key: str = entry["key"]
        self._is_finished = False  # Guarded by the executor's lock.
        self._executor, self._entry, self._decode = executor, entry, decode

    def cancel(self) -> bool:
        if not super().cancel():
            return False
        self.set_running_or_notify_cancel()
        self._executor._on_cancelled(self)
        return True


class Executor(concurrent.futures.Executor):
    """Threads: any. `patience` is how long, in seconds, a server that cannot be reached or is full is asked again
    before the work that waits for it fails."""

    def __init__(self, client: Optional[Client] = None, *, journal: "Union[str, os.PathLike[str], None]" = None,
                 retries: int = 0, timeout: Optional[float] = None, patience: float = 60, batch: int = 128) -> None:
        self.client = client or Client()
        self._retries, self._timeout, self._patience = retries, timeout, patience
        self._batch = max(1, min(batch, BATCH_MAX))
        self._journal = Journal(journal) if journal is not None else None
        self._lock = threading.Condition()
        self._outbox: Deque[CallFuture] = collections.deque()
        self._by_call: Dict[str, CallFuture] = {}
        self._early: "collections.OrderedDict[str, None]" = collections.OrderedDict()
        self._ended: "queue.SimpleQueue[Optional[CallFuture]]" = queue.SimpleQueue()
        self._open_count = 0
        self._is_shut = False
        self._functions: Dict[str, "Function[Any]"] = {}
        self._cancelled: Set[str] = set()
        self._threads: List[threading.Thread] = []

    # -- work

    def submit(self, fn: "Union[Function[Any], str, Callable[..., Any]]", /, *args: Any,  # type: ignore[override]
               **kwargs: Any) -> CallFuture:
        """`fn` is a @function, a plain Python function (which is made one, named after its source), or the name of one
        that is deployed in any language: that gets one argument as its input, and its Reply is the result."""
        if isinstance(fn, str):
            return self._submit_named(fn, *args, **kwargs)
        made = self._made(fn)
        ensure_deployed(made, self.client)
        return self._begin({"function": made.name, "input": made.encode(args, kwargs), "codec": made.codec,
                            "content_type": "application/json" if made.codec == "json" else "text/plain"}, made.decode)

    def _submit_named(self, name: str, body: "Union[str, bytes]" = "", /, **unknown: Any) -> CallFuture:
        if unknown:
            raise TypeError(f"{name} is known by name alone, so it takes its input and no keywords; "
                            f"{', '.join(unknown)} would go nowhere")
        try:
            text = body.decode() if isinstance(body, bytes) else body
        except UnicodeDecodeError:
            raise ValueError(f"what a batch hands to {name} is text; encode bytes as base64, or use Client.submit") from None
        return self._begin({"function": name, "input": text, "codec": "reply"}, lambda reply: reply)

    def reload(self) -> List[CallFuture]:
        """Futures of the work that the journal knows of and that this process has not asked for: what an earlier
        process left. With the same functions: results are decoded by those given to `adopt` before, by name; others
        come as Reply."""
        if self._journal is None:
            raise ValueError("there is no journal to reload from; say Executor(journal=\"work.journal\")")
        with self._lock:
            known = {future.key for future in self._by_call.values()} | {future.key for future in self._outbox}
        found = []
        for entry in self._journal.unfinished():
            if entry["key"] in known:
                continue
            made = self._functions.get(entry["function"])
            decode = made.decode if made is not None and made.codec == entry.get("codec") else (lambda reply: reply)
            found.append(self._begin(entry, decode, journalled=True))
        return found

    def adopt(self, *functions: "Function[Any]") -> None:
        """Names the functions whose results reload() is to decode."""
        for made in functions:
            self._functions[made.name] = made

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            self._is_shut = True
            open_futures = list(self._outbox) + list(self._by_call.values())
            self._lock.notify_all()
        if cancel_futures:
            for future in open_futures:
                future.cancel()
        if wait:
            with self._lock:
                while self._open_count > 0:
                    self._lock.wait(1)
                self._lock.notify_all()
            for _ in range(READERS):
                self._ended.put(None)
            for thread in self._threads:
                if thread.name != "canopy-watcher":  # It waits on a stream, and ends with the next sign of life.
                    thread.join(60)
            if self._journal is not None:
                self._journal.close()

    # -- inside

    def _made(self, fn: Any) -> "Function[Any]":
        if isinstance(fn, Function):
            made = fn
        else:
            with self._lock:
                made = next((known for known in self._functions.values() if known.target is fn), None)
            made = made or Function(fn)
        self._functions.setdefault(made.name, made)
        return made

    def _begin(self, entry: Dict[str, Any], decode: Callable[[Reply], Any], journalled: bool = False) -> CallFuture:
        entry.setdefault("key", uuid.uuid4().hex)
        future = CallFuture(self, entry, decode)
        with self._lock:
            if self._is_shut:
                raise RuntimeError("cannot submit after shutdown")
            self._start_threads()
            self._open_count += 1
        if self._journal is not None and not journalled:
            self._journal.begin(entry)
        with self._lock:
            self._outbox.append(future)
            self._lock.notify_all()
        return future

    def _start_threads(self) -> None:
        if self._threads:
            return
        works = [("canopy-watcher", self._watch), ("canopy-sender", self._send), ("canopy-sweeper", self._sweep)]
        works += [(f"canopy-reader-{i}", self._read) for i in range(READERS)]
        for name, work in works:
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _is_over(self) -> bool:
        return self._is_shut and self._open_count == 0

    def _finish(self, future: CallFuture, set_it: Callable[[], None]) -> None:
        """Once for each future; before those who wait for it hear of it, so that they find it ended."""
        with self._lock:
            self._by_call.pop(future.call, None)
            if future._is_finished:
                return
            future._is_finished = True
            self._open_count -= 1
        if self._journal is not None:
            self._journal.end(future.key)
        if not future.cancelled():
            try:
                set_it()
            except concurrent.futures.InvalidStateError:
                pass  # It was cancelled just now.
        with self._lock:
            self._lock.notify_all()

    def _on_cancelled(self, future: CallFuture) -> None:
        with self._lock:
            try:
                self._outbox.remove(future)
                sent = False
            except ValueError:
                sent = True
            call = future.call
        if sent and call:
            try:
                self.client.task(call).cancel()
            except CanopyError:
                pass  # It runs on, and nobody waits for it.
        if not sent or call:
            self._finish(future, lambda: None)
        # Else it is on its way: the sender sees that it was cancelled.

    # The sender takes what has gathered while the last request was under way.
    def _send(self) -> None:
        while True:
            with self._lock:
                while not self._outbox and not self._is_over():
                    self._lock.wait(1)
                if not self._outbox:
                    return
                batch = self._take_batch()
            self._send_batch(batch)

    def _take_batch(self) -> List[CallFuture]:
        name = self._outbox[0]._entry["function"]
        batch: List[CallFuture] = []
        size = 0
        while self._outbox and len(batch) < self._batch and self._outbox[0]._entry["function"] == name:
            size += len(self._outbox[0]._entry["input"])
            if batch and size > BATCH_BYTES_MAX:
                break
            batch.append(self._outbox.popleft())
        return batch

    def _send_batch(self, batch: List[CallFuture]) -> None:
        until = time.monotonic() + self._patience
        pause = 0.1
        while batch:
            calls = [self._call_of(future) for future in batch]
            try:
                answers = self.client.submit_many(batch[0]._entry["function"], calls)
            except CanopyError as error:
                answers = [error] * len(batch)
            again = []
            for future, answer in zip(batch, answers):
                if not isinstance(answer, CanopyError):
                    self._on_accepted(future, answer.id)
                elif _may_ask_again(answer) and time.monotonic() < until:
                    again.append(future)
                    pause = max(pause, min(answer.retry_after or 0, 5))
                else:
                    self._finish(future, lambda future=future, answer=answer: future.set_exception(answer))
            batch = again
            if batch:
                time.sleep(pause)
                pause = min(pause * 2, 5)

    def _call_of(self, future: CallFuture) -> Dict[str, Any]:
        entry = future._entry
        call = {"input": entry["input"], "idempotency_key": entry["key"]}
        if "content_type" in entry:
            call["content_type"] = entry["content_type"]
        if self._retries:
            call["retry"] = self._retries
        if self._timeout is not None:
            call["timeout"] = f"{int(self._timeout * 1000)}ms"
        return call

    def _on_accepted(self, future: CallFuture, call: str) -> None:
        with self._lock:
            future.call = call
            cancelled = future.cancelled()
            if not cancelled:
                self._by_call[call] = future
                if call in self._early:
                    del self._early[call]
                    self._ended.put(future)
        if cancelled:
            self._on_cancelled(future)

    # The watcher hears what has ended, of everything that the key may see.
    def _watch(self) -> None:
        pause = 0.1
        while not self._is_over():
            try:
                for name, data in self.client.transport.events("/v1/events"):
                    pause = 0.1
                    if name in ("", "lost"):
                        self._ask_all()
                    elif name == "call.ended":
                        self._on_ended(data.get("id", ""))
                    if self._is_over():
                        return
            except CanopyError as error:
                if error.status == 403:
                    return  # A caller's key may not: the sweeper asks.
            time.sleep(pause)
            pause = min(pause * 2, 5)

    def _on_ended(self, call: str) -> None:
        with self._lock:
            future = self._by_call.get(call)
            if future is None:
                self._early[call] = None
                if len(self._early) > EARLY_MAX:
                    self._early.popitem(last=False)
        if future is not None:
            self._ended.put(future)

    def _ask_all(self) -> None:
        with self._lock:
            futures = list(self._by_call.values())
        for future in futures:
            self._ended.put(future)

    def _sweep(self) -> None:
        due = time.monotonic() + 1  # Soon at first: without a stream this is all the news there is.
        while True:
            with self._lock:
                if self._is_over():
                    return
                self._lock.wait(0.5)
            if time.monotonic() < due:
                continue
            self._ask_all()
            streams = any(thread.name == "canopy-watcher" and thread.is_alive() for thread in self._threads)
            due = time.monotonic() + (SWEEP if streams else 1)

    def _read(self) -> None:
        while True:
            future = self._ended.get()
            if future is None:
                return
            if future.done():
                continue
            try:
                reply = self.client.result(future.call)
            except Unreachable:
                continue  # The sweeper asks again.
            except CanopyError as error:
                if error.status != 202:
                    self._finish(future, lambda error=error: future.set_exception(error))
                continue
            self._take(future, reply)

    def _take(self, future: CallFuture, reply: Reply) -> None:
        try:
            value = future._decode(reply)
        except BaseException as error:  # What the function raised is of any type.
            self._finish(future, lambda error=error: future.set_exception(error))
            return
        self._finish(future, lambda: future.set_result(value))


def _may_ask_again(error: CanopyError) -> bool:
    return isinstance(error, Unreachable) or error.status in (429, 502, 503, 507) or error.code in ("exhausted", "unavailable")
