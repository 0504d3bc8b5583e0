"""HTTP to one server: a connection for each thread, kept alive; every wait has an end."""
from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
import urllib.parse
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

from .errors import CanopyError, Unreachable, error_from

DEFAULT_URL = "http://127.0.0.1:8080"
LINE_BYTES_MAX = 16 * 1024 * 1024  # Of an event.
SILENCE_MAX = 40  # Seconds; a stream has a sign of life every 15.


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]  # Names in lower case.
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Unreachable(f"what answered is no Canopy: its body is not JSON ({error})", status=self.status) from None


class _Kept:
    """A thread's connection: closed when the thread, or the transport, is gone."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class Transport:
    def __init__(self, url: Optional[str] = None, key: Optional[str] = None, *, timeout: float = 30,
                 tls: Optional[ssl.SSLContext] = None) -> None:
        self.url = (url or os.environ.get("CANOPY_URL") or DEFAULT_URL).rstrip("/")
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is no address of a server; it is like {DEFAULT_URL}")
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path
        self._tls = tls or (ssl.create_default_context() if parts.scheme == "https" else None)
        self._key = os.environ.get("CANOPY_KEY", "") if key is None else key
        self.timeout = timeout
        self._local = threading.local()

    def request(self, method: str, target: str, body: bytes = b"", headers: Optional[Mapping[str, str]] = None, *,
                timeout: Optional[float] = None) -> Response:
        """Sends one request and reads all of the answer. A kept connection that the server has closed meanwhile is
        replaced, once, where nothing of the answer had come and the request may be sent twice."""
        wait = self.timeout if timeout is None else timeout
        kept = getattr(self._local, "kept", None)
        if kept is not None:
            try:
                return self._send(kept.connection, method, target, body, headers, wait)
            except (http.client.RemoteDisconnected, ConnectionError, http.client.CannotSendRequest) as error:
                self._drop()
                if not _may_repeat(method, headers):
                    raise Unreachable(f"{self.url} closed the connection: {error}") from error
        try:
            self._local.kept = _Kept(self._connect(wait))
            return self._send(self._local.kept.connection, method, target, body, headers, wait)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise Unreachable(f"{self.url} cannot be asked: {error or type(error).__name__}; does the server run, and is "
                              "that its address (CANOPY_URL)?") from error

    def ask(self, method: str, target: str, body: bytes = b"", headers: Optional[Mapping[str, str]] = None, *,
            timeout: Optional[float] = None) -> Response:
        """The same, where every status from 400 on is an error that is raised."""
        response = self.request(method, target, body, headers, timeout=timeout)
        if response.status >= 400:
            raise read_error(response)
        return response

    def events(self, target: str) -> Iterator[Tuple[str, Any]]:
        """Name and data of each event, as they come; the first is ("", None) when the stream stands. Ends when the
        server ends it; raises where nothing comes for SILENCE_MAX. Closing the generator closes the connection."""
        connection = self._connect(SILENCE_MAX)
        try:
            connection.request("GET", self._base + target, headers=self._headers({"Accept": "text/event-stream"}))
            answer = connection.getresponse()
            if answer.status != 200:
                raise read_error(_whole(answer))
            yield "", None
            name, data = "", []
            while True:
                line = answer.readline(LINE_BYTES_MAX)
                if not line:
                    return
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if text.startswith("event:"):
                    name = text[6:].strip()
                elif text.startswith("data:"):
                    data.append(text[5:].strip())
                elif not text and data:
                    yield name, json.loads("\n".join(data))
                    name, data = "", []
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"the events of {self.url} broke off: {error}") from error
        finally:
            connection.close()

    def close(self) -> None:
        """Closes this thread's connection; those of other threads go with them."""
        self._drop()

    def _connect(self, wait: float) -> http.client.HTTPConnection:
        if self._tls is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=wait)
        else:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=wait, context=self._tls)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _headers(self, headers: Optional[Mapping[str, str]]) -> Dict[str, str]:
        made = dict(headers or {})
        if self._key:
            made["Authorization"] = f"Bearer {self._key}"
        return made

    def _send(self, connection: http.client.HTTPConnection, method: str, target: str, body: bytes,
              headers: Optional[Mapping[str, str]], wait: float) -> Response:
        connection.sock.settimeout(wait)
        connection.request(method, self._base + target, body, self._headers(headers))
        return _whole(connection.getresponse())

    def _drop(self) -> None:
        self._local.kept = None


def _may_repeat(method: str, headers: Optional[Mapping[str, str]]) -> bool:
    return method in ("GET", "HEAD", "PUT", "DELETE") or "Idempotency-Key" in (headers or {})


def _whole(answer: http.client.HTTPResponse) -> Response:
    return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def read_error(response: Response) -> CanopyError:
    try:
        retry_after = float(response.headers.get("retry-after", ""))
    except ValueError:
        retry_after = None
    try:
        error = json.loads(response.body)["error"]
        if not isinstance(error, dict):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        return Unreachable(f"the server answered with status {response.status} and no word why; is its address right?",
                           status=response.status, retry_after=retry_after)
    return error_from(error, response.status, retry_after)
