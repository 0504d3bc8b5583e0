"""The native API, as far as somebody needs it who deploys and calls functions."""
from __future__ import annotations

import json
import os
import ssl
import time
import urllib.parse
import uuid
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Union

from .errors import CallCancelled, CanopyError, error_from
from .transport import Response, Transport, read_error

Body = Any  # Bytes and text as they are, None for nothing; anything else as its JSON.
ENDED = ("COMPLETED", "FAILED", "CANCELLED")
BATCH_MAX = 1000  # Calls of one request; the server's.
_types = {".wasm": "application/wasm", ".js": "text/javascript", ".mjs": "text/javascript", ".py": "text/x-python"}


class Reply(NamedTuple):
    """What a function answered."""
    status: int
    headers: Mapping[str, str]  # Names in lower case.
    body: bytes
    call: str  # The call's id.

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


def path_of(name: str) -> str:
    """demo/hello; `hello` alone is in the namespace default."""
    space, _, function = name.rpartition("/")
    return f"{urllib.parse.quote(space or 'default', safe='')}/{urllib.parse.quote(function, safe='')}"


def _bytes(body: Union[bytes, str, None]) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _input(body: Body, headers: Dict[str, str]) -> bytes:
    """What is sent for `body`; of JSON, `headers` say so where they say nothing else."""
    if body is None or isinstance(body, (bytes, bytearray, memoryview, str)):
        return _bytes(body)
    try:
        text = json.dumps(body)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the body of a call is bytes, text or what JSON takes, and {type(body).__name__} is none "
                        f"of these: {error}") from None
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    return text.encode()


class Task:
    """A durable call: it is on the server's disk, and runs until it has an end."""

    def __init__(self, client: "Client", call: str) -> None:
        self.client, self.id = client, call

    def __repr__(self) -> str:
        return f"Task({self.id})"

    def record(self) -> Dict[str, Any]:
        return self.client.transport.ask("GET", f"/v1/calls/{self.id}").json()

    def done(self) -> bool:
        return self.record()["state"] in ENDED

    def wait(self, timeout: Optional[float] = None) -> Dict[str, Any]:
        """Its record once it has ended; raises TimeoutError where that takes longer than `timeout` seconds."""
        return self.client.wait(self.id, timeout)

    def result(self, timeout: Optional[float] = None) -> Reply:
        """What the function answered; raises CallFailed or CallCancelled where it has no answer."""
        self.wait(timeout)
        return self.client.result(self.id)

    def logs(self) -> str:
        return self.client.transport.ask("GET", f"/v1/calls/{self.id}/logs").body.decode("utf-8", "replace")

    def cancel(self) -> bool:
        """False where it had ended already."""
        response = self.client.transport.request("DELETE", f"/v1/calls/{self.id}")
        if response.status == 409:
            return False
        if response.status >= 400:
            raise read_error(response)
        return True


class Client:
    """Threads: any; each has a connection of its own."""

    def __init__(self, url: Optional[str] = None, key: Optional[str] = None, *, timeout: float = 30,
                 tls: Optional[ssl.SSLContext] = None) -> None:
        self.transport = Transport(url, key, timeout=timeout, tls=tls)

    # -- functions

    def deploy(self, name: str, source: Union[str, bytes, "os.PathLike[str]"], *, runtime: Optional[str] = None,
               **settings: Any) -> Dict[str, Any]:
        """Makes `source` the current version of the function: a path of one file (.py, .js, .wasm), or the source
        itself with its `runtime` ("python", "js", "wasm"). `settings` are those of a manifest: memory="64MiB",
        timeout="5s", concurrency=10, keep_warm=4, env={"A": "b"}."""
        content_types = {"python": "text/x-python", "js": "text/javascript", "wasm": "application/wasm", None: None}
        if runtime not in content_types:
            raise ValueError(f"runtime={runtime!r}: a source is of \"python\", \"js\" or \"wasm\"")
        content_type = content_types[runtime]
        if content_type is None or isinstance(source, os.PathLike):
            path = Path(source)  # type: ignore[arg-type]
            content_type = content_type or _types.get(path.suffix)
            if content_type is None:
                raise ValueError(f"{path} is none of {', '.join(_types)}; canopy deploy builds other sources")
            code = path.read_bytes()
        else:
            code = _bytes(source)
        query = [(key, str(value)) for key, value in settings.items() if key != "env" and value is not None]
        query += [("env", f"{key}={value}") for key, value in dict(settings.get("env") or {}).items()]
        target = f"/v1/functions/{path_of(name)}" + ("?" + urllib.parse.urlencode(query) if query else "")
        return self.transport.ask("PUT", target, code, {"Content-Type": content_type}, timeout=900).json()

    def function(self, name: str) -> Dict[str, Any]:
        return self.transport.ask("GET", f"/v1/functions/{path_of(name)}").json()

    def functions(self, namespace: str = "") -> List[Dict[str, Any]]:
        target = "/v1/functions" + (f"/{urllib.parse.quote(namespace, safe='')}" if namespace else "")
        found: List[Dict[str, Any]] = []
        after = ""
        while True:
            page = self.transport.ask("GET", target + (f"?after={urllib.parse.quote(after, safe='')}" if after else "")).json()
            found += page["functions"]
            after = page.get("next") or ""
            if not after:
                return found

    def remove(self, name: str) -> None:
        self.transport.ask("DELETE", f"/v1/functions/{path_of(name)}")

    # -- calls

    def invoke(self, name: str, body: Body = None, *, path: str = "", method: str = "POST",
               headers: Optional[Mapping[str, str]] = None, timeout: Optional[float] = None) -> Reply:
        """Calls the function and waits for its reply, whatever its status; raises CallFailed where it has none.
        `timeout` is the call's deadline, in seconds."""
        sent = dict(headers or {})
        if timeout is not None:
            sent["X-Canopy-Timeout"] = f"{timeout:g}"
        target = f"/function/{path_of(name)}" + (path if path.startswith("/") or not path else "/" + path)
        wait = None if timeout is None else timeout + 10
        response = self.transport.request(method, target, _input(body, sent), sent, timeout=wait)
        return _reply(response)

    def submit(self, name: str, body: Body = None, *, key: Optional[str] = None, retries: int = 0,
               timeout: Optional[float] = None, callback: Optional[str] = None,
               headers: Optional[Mapping[str, str]] = None) -> Task:
        """Queues a durable call: when this returns it is on the disk. `key` names an effect that happens once,
        however often it is asked for; without one there is one for this submit."""
        sent = dict(headers or {})
        sent["Idempotency-Key"] = key or uuid.uuid4().hex
        if retries:
            sent["X-Canopy-Retry"] = str(retries)
        if timeout is not None:
            sent["X-Canopy-Timeout"] = f"{timeout:g}"
        if callback:
            sent["X-Callback-Url"] = callback
        response = self.transport.ask("POST", f"/async-function/{path_of(name)}", _input(body, sent), sent)
        return Task(self, response.json()["id"])

    def submit_many(self, name: str, calls: Sequence[Mapping[str, Any]]) -> List[Union[Task, CanopyError]]:
        """Queues up to BATCH_MAX calls in one request: {"json": …} or {"input": "…"} each, with "timeout", "retry",
        "content_type" and "idempotency_key" where wanted. In their order: a Task, or why that one was not taken."""
        body = json.dumps({"calls": list(calls)}).encode()
        response = self.transport.ask("POST", f"/v1/functions/{path_of(name)}/calls", body,
                                      {"Content-Type": "application/json"})
        return [Task(self, one["id"]) if "id" in one else error_from(one["error"], response.status)
                for one in response.json()["calls"]]

    def task(self, call: str) -> Task:
        """One that is known by its id."""
        return Task(self, call)

    def wait(self, call: str, timeout: Optional[float] = None) -> Dict[str, Any]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = 20.0 if end is None else max(0.0, min(20.0, end - time.monotonic()))
            record = self.transport.ask("GET", f"/v1/calls/{call}?wait={int(left * 1000)}ms", timeout=left + 10).json()
            if record["state"] in ENDED:
                return record
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"the call {call} has not ended within {timeout:g} s; it goes on")

    def result(self, call: str) -> Reply:
        response = self.transport.request("GET", f"/v1/calls/{call}/result")
        if response.status == 202:
            raise CanopyError(f"the call {call} has not ended yet", code="conflict", status=202, call=call)
        return _reply(response)

    def calls(self, name: str = "", *, state: str = "", limit: int = 100) -> Iterable[Dict[str, Any]]:
        query = {"limit": str(limit)}
        if name:
            query["function"] = name if "/" in name else "default/" + name
        if state:
            query["state"] = state
        return self.transport.ask("GET", "/v1/calls?" + urllib.parse.urlencode(query)).json()["calls"]

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()


def _reply(response: Response) -> Reply:
    """The function's own reply; an error of the platform's, or of the call's end, is raised."""
    call = response.headers.get("x-call-id", "")
    if response.status >= 400 and response.headers.get("content-type", "").startswith("application/json"):
        error = read_error(response)
        # A function may answer with an error of another platform's as its own reply: that one names another call.
        if error.origin and (not call or not error.call or error.call == call):
            raise error
    if response.status == 499:
        raise CallCancelled("the call was cancelled", code="canceled", status=499, call=call)
    return Reply(response.status, response.headers, response.body, call)
