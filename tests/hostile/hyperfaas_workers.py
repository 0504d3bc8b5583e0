"""Workers of HyperFaaS that answer what no worker would, or nothing, or without end; and a leaf over them that goes on."""
import contextlib
import socket
import struct
import threading
import time

import harness
from harness import Place, Server, expect, poll
from http2 import CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST, SETTINGS, frame, read_exactly, read_frames
from hyperfaas import CREATE, EXHAUSTED, INTERNAL, OK, SCHEDULE, call, field, head, message, statuses, wide

LATE, UNAVAILABLE = "4", "14"
RESPONSE_STATUS = b"\x88" + b"\0\x0ccontent-type\x10application/grpc"
TIMEOUT = b"\x18\x02"  # The event of an instance that had no call for a while.


def literal(name, value):
    """A header that no table has, of any size."""
    def sized(text):
        if len(text) < 127:
            return bytes([len(text)]) + text
        size, rest = b"\x7f", len(text) - 127
        while rest > 127:
            size, rest = size + bytes([rest & 127 | 128]), rest >> 7
        return size + bytes([rest]) + text
    return b"\0" + sized(name) + sized(value)


class Line:
    """One connection of the leaf's."""

    def __init__(self, connection):
        self.socket, self.lock = connection, threading.Lock()

    def send(self, data):
        with self.lock:
            try:
                self.socket.sendall(data)
                return True
            except OSError:
                return False  # The leaf has had enough.

    def begin(self, stream):
        self.send(frame(HEADERS, END_HEADERS, stream, RESPONSE_STATUS))

    def end(self, stream, status=b"0", words=b""):
        self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, literal(b"grpc-status", status) + literal(b"grpc-message", words)))

    def answer(self, stream, body, status=b"0", words=b""):
        self.begin(stream)
        if body is not None:
            self.send(frame(DATA, 0, stream, message(body)))
        self.end(stream, status, words)

    def flood(self, data):
        def work():
            while self.send(data):
                pass
        threading.Thread(target=work, daemon=True).start()


class Worker:
    """Honest, but where `odd` has another way to answer one of its methods."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.odd, self.counts, self.lines, self.last = {}, {}, [], 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                line = Line(self.listener.accept()[0])
            except OSError:
                return
            self.lines.append(line)
            threading.Thread(target=self.serve, args=[line], daemon=True).start()

    def serve(self, line):
        bodies = {}
        try:
            read_exactly(line.socket, len(PREFACE))
            line.send(frame(SETTINGS))
            for kind, flags, stream, payload in read_frames(line.socket):
                if kind == SETTINGS and not flags & 1:
                    line.send(frame(SETTINGS, 1))
                if kind == DATA:
                    bodies[stream] = bodies.get(stream, b"") + payload
                if kind in (DATA, HEADERS) and flags & END_STREAM:
                    self.on_request(line, stream, bodies.pop(stream, b"")[5:])
        except OSError:
            pass
        line.socket.close()

    def on_request(self, line, stream, body):
        """Its headers are coded, so what it is asked is seen in the message."""
        method = ("health" if body == field(1, b"worker") else "status" if body[2:].startswith(b"canopy-") else
                  "start" if len(body) == 38 else "stop" if len(body) == 14 else "call")
        self.counts[method] = self.counts.get(method, 0) + 1
        self.odd.get(method, getattr(self, method))(line, stream, body)

    def health(self, line, stream, _):
        line.answer(stream, b"\x08\x01")

    def status(self, line, stream, _):
        line.begin(stream)
        self.tell = lambda event: line.send(frame(DATA, 0, stream, message(event)))

    def new_id(self):
        self.last += 1
        return b"%012x" % self.last

    def start(self, line, stream, _):
        line.answer(stream, field(1, field(1, self.new_id())))

    def stop(self, line, stream, body):
        line.answer(stream, body)

    def call(self, line, stream, _):
        line.answer(stream, field(2, b"hello"))

    def end_instance(self, number):
        self.tell(field(1, field(1, b"%012x" % number)) + TIMEOUT)

    def break_off(self):
        for line in self.lines:
            with contextlib.suppress(OSError):  # Some have ended.
                line.socket.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.break_off()


def flags_for(worker):
    return ["--hyperfaas=auto", "--hyperfaas-database=127.0.0.1:0", f"--hyperfaas-workers={worker.address}", "--python=off"]


class LeafPlace(Place):
    def __enter__(self):
        worker = Worker()
        self.flags = flags_for(worker)
        super().__enter__()
        self.server.worker = worker
        schedule(self.server, new_function(self.server))  # The connection to it is there from now on.
        return self

    def __exit__(self, *failure):
        super().__exit__(*failure)
        self.server.worker.close()

    def check(self, test):
        try:
            super().check(test)
        finally:
            self.server.worker.odd.clear()


def make_place():
    return LeafPlace()


def new_function(server, concurrency=0):
    """Of an image that only the worker has; its instances are stopped after a second without a call."""
    config = b"\x18\x01" + (b"\x20" + bytes([concurrency]) if concurrency else b"")
    with server.connect() as connection:
        body = message(wide(1, wide(1, b"elsewhere:latest")) + wide(2, config))
        connection.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, head(CREATE)) + frame(DATA, END_STREAM, 1, body))
        return next(payload[-36:] for kind, _, _, payload in read_frames(connection) if kind == DATA and payload)


def schedule(server, function, count=1, time_limit=b"20S"):
    return statuses(server, [(head(SCHEDULE, b"x", literal(b"grpc-timeout", time_limit)), [call(function)], True)] * count)


def is_honest_again(server):
    server.worker.odd.clear()
    function = new_function(server)
    poll("its worker is used again", lambda: None if schedule(server, function) == [OK] else "calls fail")


def answers(server, method, way, time_limit=b"5S"):
    server.worker.odd[method] = way
    said = schedule(server, new_function(server), 2, time_limit)
    is_honest_again(server)
    return said


def test_it_works_at_all(server):
    expect(schedule(server, new_function(server), 20) == [OK] * 20, "an honest call failed")


def test_answers_to_calls_that_are_none(server):
    def empty_headers(line, stream, _):
        line.begin(stream)
        line.send(frame(DATA, END_STREAM, stream, message(field(2, b"x"))))

    def large(line, stream, _):
        line.begin(stream)
        line.send(frame(DATA, 0, stream, b"\0\xff\xff\xff\xff"))
        line.flood(frame(DATA, 0, stream, b"x" * 16384))

    ways = {"garbage": (lambda line, stream, _: line.answer(stream, b"\xff" * 40), INTERNAL),
            "a status that is none": (lambda line, stream, _: line.answer(stream, field(2, b"x"), b"9" * 30), INTERNAL),
            "no status": (empty_headers, INTERNAL),
            "an error page": (lambda line, stream, _: line.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x8e")), INTERNAL),
            "no end": (large, EXHAUSTED),
            "nothing": (lambda line, stream, _: None, LATE),
            "refused each time": (lambda line, stream, _: line.send(frame(RST, 0, stream, struct.pack(">I", 7))), UNAVAILABLE),
            "unknown each time": (lambda line, stream, _: line.answer(stream, None, b"2", b"no instances available"), UNAVAILABLE)}
    for name, (way, status) in ways.items():
        said = answers(server, "call", way)
        expect(said == [status] * 2, f"{name}: {said} instead of {status}")


def test_words_with_control_characters(server):
    server.worker.odd["call"] = lambda line, stream, _: line.answer(stream, None, b"2", b"%1b%5b31m%00%0a%ff evil")
    function = new_function(server).decode()
    reply = server.call(f"hyperfaas/{function}", b"x")
    expect(reply.status >= 400 and b"\x1b" not in reply.body and b"\0" not in reply.body, f"{reply}")
    expect("\x1b" not in server.words(), "the server's log has control characters")
    is_honest_again(server)


def test_connections_that_go_wrong(server):
    def headers_without_end(line, stream, _):
        line.send(frame(HEADERS, 0, stream, b"\x88"))
        line.flood(frame(CONTINUATION, 0, stream, literal(b"x", b"v" * 4000)))

    def last_headers(line, stream, _):
        line.begin(stream)
        line.send(frame(HEADERS, END_STREAM, stream, literal(b"grpc-status", b"0")))
        for at in range(20):
            line.send(frame(CONTINUATION, END_HEADERS if at == 19 else 0, stream, literal(b"t", b"v" * 12000)))

    for name, way in {"pings": lambda line, stream, _: line.flood(frame(PING, 0, 0, b"x" * 8) * 1000),
                      "settings": lambda line, stream, _: line.flood(frame(SETTINGS) * 1000),
                      "empty pieces": lambda line, stream, _: (line.begin(stream), line.flood(frame(DATA, 0, stream) * 1000)),
                      "headers": headers_without_end, "trailers": last_headers,
                      "a push": lambda line, stream, _: line.send(frame(5, END_HEADERS, stream, struct.pack(">I", 2) + b"\x82\x86\x84")),
                      "no HTTP/2": lambda line, stream, _: line.send(b"HTTP/1.1 200 OK\r\n\r\n" * 100),
                      "its end": lambda line, stream, _: line.socket.shutdown(socket.SHUT_RDWR)}.items():
        said = answers(server, "call", way, b"2S")
        expect(set(said) <= {INTERNAL, UNAVAILABLE, LATE}, f"{name}: {said}")


def test_events_that_are_none(server):
    def told(data):
        def way(line, stream, body):
            server.worker.status(line, stream, body)
            line.send(frame(DATA, 0, stream, data))
        return way

    flood = message(field(1, field(1, b"nobody-knows")) + TIMEOUT) * 300
    for name, way in {"garbage": told(message(b"\xff" * 50)), "a giant one": told(b"\0\x7f\xff\xff\xff"), "an unknown kind": told(message(b"\x18\x63")),
                      "its end": lambda line, stream, _: (line.begin(stream), line.end(stream, b"13", b"%1b%00")),
                      "without end": lambda line, stream, _: (line.begin(stream), line.flood(frame(DATA, 0, stream, flood)))}.items():
        server.worker.odd["status"] = way
        server.worker.break_off()
        poll(f"{name} is told", lambda: None if schedule(server, new_function(server), 1, b"3S")[0] in (OK, UNAVAILABLE) else "no answer")
        server.worker.odd.clear()
        server.worker.break_off()  # One that only floods would be listened to for ever.
        is_honest_again(server)


def test_starts_that_are_none(server):
    ways = {"no id": lambda line, stream, _: line.answer(stream, b""),
            "a giant id": lambda line, stream, _: line.answer(stream, wide(1, wide(1, b"z" * 10000))),
            "garbage": lambda line, stream, _: line.answer(stream, b"\xff" * 9)}
    for name, way in ways.items():
        said = answers(server, "start", way)
        expect(said == [INTERNAL] * 2, f"{name}: {said}")


def test_an_instance_that_is_started_twice(server):
    """The same id for each: the second is none, and the server ends well with the first."""
    worker = Worker()
    other = Server(harness.new_folder("data"), *flags_for(worker)).started()
    try:
        worker.odd["start"] = lambda line, stream, _: line.answer(stream, field(1, field(1, b"a" * 12)))
        worker.odd["call"] = lambda line, stream, _: threading.Timer(0.3, line.answer, (stream, field(2, b"x"))).start()
        said = schedule(other, new_function(other, concurrency=1), 8)
        expect(OK in said and set(said) <= {OK, INTERNAL}, f"{said}")
        expect(other.stop() == 0, f"it did not end well: {other.words()[-2000:]}")
    finally:
        other.kill()
        worker.close()


def test_a_start_that_is_never_answered(server):
    """Nor does it hold the server when that is to end."""
    worker = Worker()
    other = Server(harness.new_folder("data"), *flags_for(worker)).started()
    try:
        worker.odd["start"] = lambda line, stream, _: None
        expect(schedule(other, new_function(other), 3, b"1S") == [LATE] * 3, "calls did not end in time")
        expect(other.stop() == 0, f"it did not end well: {other.words()[-2000:]}")
    finally:
        other.kill()
        worker.close()


def test_instances_that_come_and_go(server):
    """A worker leaves connections open for as long as the leaf does: one is closed with its instance."""
    function = new_function(server)
    begun, before = server.worker.last, server.count_descriptors()
    for _ in range(40):
        last = server.worker.last
        expect(schedule(server, function) == [OK], "a call failed")
        server.worker.end_instance(server.worker.last)
        if server.worker.last == last:
            time.sleep(0.02)  # It had not heard of the end.
    expect(server.worker.last - begun > 10, "no instances were started anew")
    poll("connections of instances that are gone are closed",
         lambda: None if server.count_descriptors() < before + 15 else f"{server.count_descriptors()} descriptors, {before} before")


def test_goodbyes_after_each_answer(server):
    def way(line, stream, _):
        line.answer(stream, field(2, b"x"))
        line.send(frame(GOAWAY, 0, 0, struct.pack(">II", stream, 0)))

    server.worker.odd["call"] = way
    function = new_function(server)
    before = server.count_descriptors()
    for _ in range(60):
        expect(schedule(server, function) == [OK], "a call failed")
    expect(server.count_descriptors() < before + 20, f"{server.count_descriptors()} descriptors, {before} before")
    is_honest_again(server)
