"""Clients that speak HTTP/2, and do with it what it was not made for."""
import socket
import struct
import threading

from harness import Failure, Place, expect, wat

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
CALM = 11  # ENHANCE_YOUR_CALM
# :method POST, :scheme http, :path /function/neighbour/echo, :authority x
ECHO = b"\x83\x86\x44\x18/function/neighbour/echo\x41\x01x"


def make_place():
    return Place("--head-timeout=400ms", "--body-timeout=400ms", "--write-timeout=1s", "--idle-timeout=30s",
                 "--client-rate=64KiB")


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return data


def read_frames(connection):
    """(kind, flags, stream, payload), until the server closes. It may not leave one waiting."""
    while True:
        try:
            head = read_exactly(connection, 9)
            payload = head and read_exactly(connection, int.from_bytes(head[:3], "big"))
        except TimeoutError:
            raise Failure("the server says nothing more, and does not close") from None
        except OSError:
            return
        if payload is None:
            return
        yield head[3], head[4], int.from_bytes(head[5:], "big"), payload


def said_goodbye(server, data):
    """Why the server says that it closes, after `data`; nothing where it just closes."""
    with server.connect(10) as connection:
        try:
            connection.sendall(PREFACE + data)
        except OSError:
            pass  # It has closed already.
        reasons = [int.from_bytes(payload[4:8], "big") for kind, _, _, payload in read_frames(connection) if kind == GOAWAY]
        return reasons[-1] if reasons else None


def bodies(connection, count):
    """The body of each of `count` streams."""
    found, ended = {}, set()
    for kind, flags, stream, payload in read_frames(connection):
        if kind == DATA:
            found[stream] = found.get(stream, b"") + payload
        if stream and (kind == RST or flags & END_STREAM and kind in (DATA, HEADERS)):
            ended.add(stream)
        if len(ended) == count:
            return found
    raise AssertionError(f"{len(ended)} of {count} streams ended")


def test_it_works_at_all(server):
    with server.connect() as connection:
        requests = b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, ECHO) + frame(DATA, END_STREAM, 2 * i + 1, b"%d" % i)
                            for i in range(50))
        connection.sendall(PREFACE + frame(SETTINGS) + requests)
        expect(bodies(connection, 50) == {2 * i + 1: b"%d" % i for i in range(50)}, "an echo is of another stream")


def test_rubbish_behind_the_preface(server):
    for rubbish in (b"\0" * 100, b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", frame(DATA, 0, 0, b"x"), frame(SETTINGS, 0, 1),
                    frame(SETTINGS) + frame(HEADERS, END_HEADERS, 2, ECHO), frame(SETTINGS) + frame(WINDOW, 0, 0, b"\0\0\0\0"),
                    frame(SETTINGS) + frame(HEADERS, END_HEADERS, 1, b"\x40"), frame(SETTINGS) + b"\xff\xff\xff" + b"\0" * 6):
        said_goodbye(server, rubbish)  # Whatever it says.


def test_requests_that_are_none(server):
    """Heads without what they need, in capitals, or with what HTTP/2 forbids: reset, and the next one is answered."""
    bad = (b"\x83\x86", b"\x82\x86\x84\x00\x01A\x01b", b"\x82\x86\x84\x00\x0aconnection\x05close",
           b"\x82\x82\x86\x84", b"\x82\x86\x84\x00\x07:status\x03200")
    with server.connect() as connection:
        heads = b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, head) for i, head in enumerate(bad))
        last = 2 * len(bad) + 1
        connection.sendall(PREFACE + frame(SETTINGS) + heads + frame(HEADERS, END_HEADERS, last, ECHO) +
                           frame(DATA, END_STREAM, last, b"still here"))
        expect(bodies(connection, len(bad) + 1) == {last: b"still here"}, "one that is none was answered")


def test_streams_opened_and_reset(server):
    """The rapid reset: what is begun for nobody has an end, and so has the connection."""
    streams = b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, ECHO) + frame(RST, 0, 2 * i + 1, b"\0\0\0\x08")
                       for i in range(30000))
    for _ in range(3):
        said_goodbye(server, frame(SETTINGS) + streams + frame(GOAWAY, 0, 0, b"\0" * 8))


def test_a_head_without_end(server):
    head = frame(SETTINGS) + frame(HEADERS, 0, 1, ECHO)
    more = b"".join(frame(CONTINUATION, 0, 1, b"\x00\x01a\x7f\x81\x0f" + b"a" * 2000) for _ in range(2000))
    said_goodbye(server, head + more)


def test_bodies_of_which_more_never_comes(server):
    with server.connect() as connection:
        connection.sendall(PREFACE + frame(SETTINGS) +
                           b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, ECHO) + frame(DATA, 0, 2 * i + 1, b"x") for i in range(100)))
        answers = bodies(connection, 100)
        expect(all(b"slow_client" in body for body in answers.values()), f"{list(answers.values())[:3]}")


def test_answers_that_nobody_takes(server):
    """A window of nothing, and many answers: they are forgotten in time, and their memory is given back."""
    server.deployed("victim/flood", wat("""(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 2) (data (i32.const 65536) "\\00\\00\\00\\00\\00\\00\\01\\00")
      (func (export "_start") (local $i i32)
        (loop $again
          (drop (call $write (i32.const 1) (i32.const 65536) (i32.const 1) (i32.const 65544)))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))))"""))
    expect(len(server.call("victim/flood").body) == 512 * 1024, "it floods too little")
    head = b"\x82\x86\x44\x16/function/victim/flood\x41\x01x"
    with server.connect() as connection:
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0") +
                           b"".join(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, head) for i in range(96)))
        ended = set()
        for kind, _, stream, _ in read_frames(connection):
            if kind == RST:
                ended.add(stream)
            if len(ended) == 96:
                break
        expect(len(ended) == 96, f"{len(ended)} of 96 streams were given up")


def test_resets_that_are_not_read(server):
    """Each request without what it needs is answered by a reset; whoever reads none of them is cut off in time."""
    count = 3_000_000
    numbers = b"".join(struct.pack(">I", 2 * i + 1) for i in range(count))
    requests = bytearray(11 * count)
    for at, byte in enumerate((0, 0, 2, HEADERS, END_HEADERS | END_STREAM)):
        requests[at::11] = bytes([byte]) * count
    for at in range(4):
        requests[5 + at::11] = numbers[at::4]
    requests[9::11], requests[10::11] = b"\x83" * count, b"\x86" * count
    with server.connect(20, receive_buffer=4096) as connection:
        connection.sendall(PREFACE + frame(SETTINGS))
        try:
            connection.sendall(requests)
        except OSError:
            return
        raise AssertionError("the server has taken all of it, and what it has to say to that")


def test_uploads_that_trickle(server):
    """They never stop, and are too slow to come to an end: refused, and their room is free again."""
    with server.connect() as connection:
        connection.sendall(PREFACE + frame(SETTINGS))
        heads = b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, ECHO) for i in range(20))
        connection.sendall(heads)
        ended = threading.Event()

        def trickle():
            pieces = b"".join(frame(DATA, 0, 2 * i + 1, b"x" * 1024) for i in range(20))
            try:
                while not ended.wait(0.1):  # 10 KiB a second, each.
                    connection.sendall(pieces)
            except OSError:
                pass
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            answers = bodies(connection, 20)
        finally:
            ended.set()
            thread.join()
        expect(all(b"slower than" in body for body in answers.values()), f"{list(answers.values())[:3]}")


def test_pings_that_are_not_read(server):
    with server.connect(10) as connection:
        pings = frame(PING, 0, 0, b"12345678") * 10000
        try:
            connection.sendall(PREFACE + frame(SETTINGS))
            for _ in range(50):
                connection.sendall(pings)
        except OSError:
            pass  # It has had enough.
        for _ in read_frames(connection):
            pass


def test_a_thousand_idle_connections(server):
    connections = []
    for _ in range(1000):
        connection = server.connect()
        connection.sendall(PREFACE + frame(SETTINGS))
        connections.append(connection)
    expect(server.call("neighbour/echo", b"hi").body == b"hi", "the neighbour's echo is wrong")
    for connection in connections:
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
