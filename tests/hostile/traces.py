"""Collectors of traces that hang, never stop, lie or go away; and clients whose traceparent is none."""
import json
import os
import socket
import threading

from harness import Place, expect, guest, only_long, poll

HEADER = "Authorization: Bearer of-the-collector"


class Collector:
    """What --otlp-endpoint names. `answer(connection)` is what it does once it has heard a request."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.bodies, self.asked, self.held = [], 0, []
        self.answer = self.good

    def start(self):
        """In the process that runs the tests: no thread goes with a fork."""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.hear, args=(connection,), daemon=True).start()

    def hear(self, connection):
        try:
            with connection.makefile("rb") as file:
                length = 0
                while (line := file.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                body = file.read(length)
            self.asked += 1
            self.answer(connection, body)
        except OSError:
            pass

    def good(self, connection, body):
        self.bodies.append(body)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.close()

    def spans(self):
        """Those it was told of, by the trace they are of."""
        found = {}
        for body in list(self.bodies):
            for span in json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"]:
                found.setdefault(span["traceId"], []).append(span)
        return found


collector = Collector()


def make_place():
    collector.start()
    return Place(f"--otlp-endpoint={collector.url}", f"--otlp-header={HEADER}", "--otlp-every=1")


def count(server, outcome):
    for line in server.request("GET", "/metrics").body.decode().splitlines():
        if line.startswith(f'canopy_traces_total{{outcome="{outcome}"}}'):
            return int(float(line.rsplit(" ", 1)[1]))
    return 0


def calls(server, times=20):
    for number in range(times):
        expect(server.call("neighbour/echo", b"%d" % number).body == b"%d" % number, "the echo is wrong")


def with_answer(server, answer, settled):
    """What `answer` does to the server while calls are made; then all is as it was."""
    asked = collector.asked
    collector.answer = answer
    try:
        calls(server)
        poll("the collector was asked", lambda: None if collector.asked > asked else "it was not", timeout=30)
        calls(server)
        poll("it is settled", lambda: settled(asked), timeout=60)
    finally:
        collector.answer = collector.good
        for held in collector.held:
            held.close()
        collector.held.clear()


def test_it_works_at_all(server):
    before = count(server, "exported")
    calls(server)
    poll("they are told of", lambda: None if count(server, "exported") >= before + 20 else count(server, "exported"), timeout=30)


def test_one_that_hangs(server):
    with_answer(server, lambda connection, body: collector.held.append(connection), lambda asked: None)


def test_one_that_answers_without_end(server):
    """Of its answer no more is read than an answer can be, and it is not asked for it again."""
    sent = []

    def endless(connection, body):
        total = 0
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        try:
            while total < 1 << 30:
                total += connection.send(b"x" * (1 << 20))
        finally:
            sent.append(total)
            connection.close()

    dropped = count(server, "dropped")
    with_answer(server, endless, lambda asked: None if sent and count(server, "dropped") > dropped else "not yet")
    expect(max(sent) < 64 << 20, f"{max(sent)} bytes were taken")


@only_long
def test_ones_that_answer_nonsense(server):
    for answer in (b"", b"\r\n\r\n", b"HTTP/1.1 200", b"\0" * 100_000, b"HTTP/1.1 99999999999 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000,
                   b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", b"HTTP/1.1 301 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"):
        def nonsense(connection, body):
            connection.sendall(answer)
            connection.close()

        with_answer(server, nonsense, lambda asked: None)


def test_traceparents_that_are_none(server):
    """None of them is passed on, and none ends up with the collector."""
    trace = os.urandom(16).hex()
    for odd in (f"00-{trace}-{'0' * 16}-01", f"00-{'0' * 32}-{'1' * 16}-01", f"ff-{trace}-{'1' * 16}-01", f"00-{trace.upper()}A-{'1' * 16}-01", "00", "-" * 54,
                f"00-{trace}-{'1' * 16}-01" + "-x" * 5000, f"00-{trace}-{'1' * 16}-0g", "00-\xe9" + trace, "'; drop table calls; --", "{\"traceId\": 1}"):
        reply = server.call("neighbour/echo", b"x", {"traceparent": odd.encode("latin1")})
        expect(reply.status in (200, 400, 431), f"{odd[:80]!r}: {reply}")
    good = os.urandom(16).hex()
    reply = server.call("neighbour/echo", b"x", {"traceparent": f"00-{good}-{'1' * 16}-01"})
    expect(reply.status == 200, f"{reply}")
    poll("the good one is told of", lambda: None if good in collector.spans() else "it is not", timeout=30)
    found = collector.spans()
    expect(trace not in found, f"a trace that is none: {found.get(trace)}")


def test_failures_of_odd_bytes(server):
    """A function's last words go to the collector as JSON, whatever bytes they are."""
    server.deployed("victim/trap", guest("echo.wat"), "?timeout=1ms&memory=65536")
    trace = os.urandom(16).hex()
    for path in ("", "/%ff%00%0d%0a", "/" + "%e2%98" * 300):
        server.call("victim/trap" + path, b"x", {"traceparent": f"00-{trace}-{'1' * 16}-01"})
    poll("they are told of", lambda: None if len(collector.spans().get(trace, [])) >= 9 else collector.spans().get(trace), timeout=30)
    for body in collector.bodies:
        body.decode()
    expect("of-the-collector" not in server.words(), "the collector's key is in the log")
