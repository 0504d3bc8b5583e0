"""Strangers at the port where workers join, and workers that have joined and mean no good."""
import hashlib
import hmac
import json
import os
import pathlib
import random
import re
import socket
import struct
import threading
import time

from harness import Place, expect, expect_error, guest, poll

KINDS = {name: 1 + at for at, name in enumerate(
    "setup hello define forget open data log cancel end refuse goaway ping pong challenge join line welcome ask want "
    "piece offer warm tree".split())}
VERSION = 2  # Of the frames.


def make_place():
    return Place("--node-listen=127.0.0.1:0", "--worker-silence=2s")


def port_of(server):
    return int(re.search(r"^workers\s+join at 127\.0\.0\.1:(\d+)", server.start_lines, re.M)[1])


def varint(number):
    out = b""
    while True:
        out += bytes([number & 0x7f | (0x80 if number > 0x7f else 0)])
        number >>= 7
        if not number:
            return out


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(body):
    """Those of a Protobuf message that are numbers or bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(body):
        key = number()
        if key & 7 == 0:
            found[key >> 3] = number()
        elif key & 7 == 1:
            found[key >> 3] = body[at:at + 8]
            at += 8
        else:
            size = number()
            found[key >> 3] = body[at:at + size]
            at += size
    return found


def frame(kind, body=b"", call=0, flags=0):
    return struct.pack("<IBBQ", 10 + len(body), KINDS.get(kind, kind), flags, call) + body


class Line:
    """A connection to the port, which has been challenged."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", port_of(server)), timeout=30)
        self.bytes = b""
        self.nonce = fields(self.read("challenge")[1])[2]

    def send(self, kind, body=b"", call=0, flags=0):
        self.socket.sendall(frame(kind, body, call, flags))

    def next(self):
        """(kind, body, call) of the next frame; None at the end."""
        try:
            while len(self.bytes) < 14 or len(self.bytes) < 4 + struct.unpack("<I", self.bytes[:4])[0]:
                piece = self.socket.recv(65536)
                if not piece:
                    return None
                self.bytes += piece
        except OSError:  # It broke, or was closed by another thread.
            return None
        size, kind, _, call = struct.unpack("<IBBQ", self.bytes[:14])
        body, self.bytes = self.bytes[14:4 + size], self.bytes[4 + size:]
        return next(name for name, number in KINDS.items() if number == kind), body, call

    def read(self, kind):
        while (got := self.next()) is not None:
            if got[0] == kind:
                return got
        raise AssertionError(f"the connection ended before a {kind}")

    def ended(self):
        while self.next() is not None:
            pass
        self.socket.close()


def prove(secret, what, gateway, worker, rest=b""):
    return hmac.new(secret, what + b"\n" + gateway + worker + rest, hashlib.sha256).digest()


class Worker:
    """One that has joined by the rules, with a line to each core. What it does then is the test's."""

    def __init__(self, server, name, slots=8, token=None, cores=True, balancer=False, walls=b""):
        token = token or (pathlib.Path(server.folder) / "node.token").read_bytes().strip()
        self.control = Line(server)
        own = os.urandom(32)
        self.control.send("join", join_body(self.control.nonce, own, name, slots, token, balancer, walls))
        welcome = fields(self.control.read("welcome")[1])
        expect(welcome[4] == prove(token, b"canopy welcome", self.control.nonce, own), "the server's proof is wrong")
        self.number = welcome[1]
        key = prove(token, b"canopy lines", self.control.nonce, own)
        self.lines = []
        for core in range(welcome[2] if cores else 0):
            line = Line(server)
            proof = prove(key, b"canopy line", line.nonce, bytes(32), str(core).encode())
            line.send("line", field(1, self.number) + field(2, core) + field(3, proof))
            line.read("welcome")
            line.send("hello", field(1, VERSION) + field(2, slots) + field(3, 1))
            if core == 0:
                line.send("ask", call=slots)
            self.lines.append(line)
        self.alive = True
        threading.Thread(target=self.answer_pings, daemon=True).start()

    def answer_pings(self):
        while self.alive and (got := self.control.next()):
            if got[0] == "ping" and self.alive:
                try:
                    self.control.send("pong")
                except OSError:
                    return

    def serve(self, reply):
        """Has each call on each line answered by reply(line, call)."""
        def work(line):
            while got := line.next():
                if got[0] == "open":
                    try:
                        reply(line, got[2])
                    except OSError:
                        return
        for line in self.lines:
            threading.Thread(target=work, args=(line,), daemon=True).start()

    def leave(self):
        self.alive = False
        for line in [self.control, *self.lines]:
            line.socket.close()


def join_body(gateway, own, name, slots, token, balancer=False, walls=b""):
    proof = prove(token, b"canopy join", gateway, own, name)
    return field(1, name) + field(2, os.urandom(32)) + field(3, slots) + field(4, b"wasm") + field(5, 1) + \
        field(6, own) + field(7, proof) + field(8, b"hostile") + (field(9, 1) if balancer else b"") + (field(10, walls) if walls else b"")


def everybody(server):
    return {node["name"]: node["state"] for node in server.request("GET", "/v1/nodes").json()["nodes"]}


def workers(server):
    return {node["name"]: node["state"] for node in server.request("GET", "/v1/nodes").json()["nodes"]
            if node["role"] == "worker"}


def test_garbage(server):
    chance = random.Random(7)
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 4096,
                 b"\xff" * 4096, bytes(chance.randrange(256) for _ in range(65536)),
                 frame("join", b"\xff" * 100), frame("join"), frame("line", b"\x08"), frame("hello"), frame("ask", call=5),
                 frame("end", call=1), frame("want", field(1, b"a" * 64)), frame(200, b"?"), frame("pong") * 1000):
        line = Line(server)
        line.socket.sendall(data)
        line.ended()
    expect(workers(server) == {}, f"a stranger is shown as a worker: {workers(server)}")


def test_large_frames(server):
    for size in (17 << 10, 1 << 20, 0x7fffffff, 0xffffffff):
        line = Line(server)
        line.socket.sendall(struct.pack("<IBBQ", size, KINDS["join"], 0, 0) + b"x" * 1000)
        line.ended()


def test_tokens_that_are_none(server):
    token = (pathlib.Path(server.folder) / "node.token").read_bytes().strip()
    for wrong in (b"", b"f" * 64, token[:-1], token + b"0"):
        line = Line(server)
        line.send("join", join_body(line.nonce, os.urandom(32), b"thief", 8, wrong))
        kind, words, _ = line.next()
        expect(kind == "goaway" and b"join token" in words and token not in words, f"{kind}: {words}")
        line.ended()
    # A proof that was seen on another connection.
    first, second, own = Line(server), Line(server), os.urandom(32)
    body = join_body(first.nonce, own, b"thief", 8, token)
    second.send("join", body)
    expect(second.next()[0] == "goaway", "a proof counts on another connection")
    second.ended()
    first.socket.close()
    # Names and numbers that are none, with the right token.
    for name, slots in ((b"../../etc", 8), (b'a"b', 8), (b"", 8), (b"x" * 64, 8), (b"ok", 0), (b"ok", 1 << 31)):
        line = Line(server)
        line.send("join", join_body(line.nonce, os.urandom(32), name, slots, token))
        expect(line.next()[0] == "goaway", f"{name} with {slots} slots is let in")
        line.ended()
    expect(workers(server) == {}, f"{workers(server)}")


def test_those_who_wait(server):
    """Silent, slow and half-open connections: none is waited for long, and a worker comes through the crowd."""
    silent = [Line(server) for _ in range(8)]
    slow = Line(server)
    half = Line(server)
    half.socket.shutdown(socket.SHUT_WR)
    half.ended()
    began = time.monotonic()
    stop = threading.Event()

    def drip():
        for byte in frame("join", b"x" * 10_000):
            if stop.wait(0.05):
                return
            try:
                slow.socket.sendall(bytes([byte]))
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    crowd = []
    for _ in range(500):
        crowd.append(socket.create_connection(("127.0.0.1", port_of(server)), timeout=30))
    worker = Worker(server, b"through")
    poll("a worker comes through a crowd", lambda: None if workers(server).get("through") == "ready" else workers(server))
    worker.leave()
    for line in [*silent, slow]:
        line.ended()
    stop.set()
    dripping.join()
    for one in crowd:
        one.close()
    expect(time.monotonic() - began < 60, "they were waited for too long")


def test_lines_of_others(server):
    worker = Worker(server, b"owner")
    for number, core in ((worker.number, 0), (worker.number, 4096), (worker.number + 1, 0), (0, 0)):
        line = Line(server)
        line.send("line", field(1, number) + field(2, core) + field(3, os.urandom(32)))
        expect(line.next()[0] == "goaway", "a line without its proof is taken")
        line.ended()
    worker.leave()


def test_members_that_babble(server):
    """Frames that make no sense, from who may send some: the sender goes, or nothing happens."""
    for data in (frame("hello", b"\xff"), frame(99), frame("want", field(1, b"../../etc/passwd")),
                 frame("want", field(1, b"a" * 64)) * 100, frame("join", b"x"), b"\xff" * 4096):
        worker = Worker(server, b"babbler")
        worker.control.socket.sendall(data)
        poll("it is cut off", lambda: None if workers(server).get("babbler") == "gone" else workers(server))
        worker.leave()
    worker = Worker(server, b"babbler")
    for line in worker.lines:
        line.send("ask", call=(1 << 64) - 1)
        line.send("hello", field(1, VERSION) + field(2, 0xffffffff))
        for kind in ("end", "data", "log", "refuse", "pong", "open", "define", "offer", "warm", "tree", "hello"):
            for call in (0, 1, 1 << 63):
                try:
                    line.send(kind, os.urandom(50), call, 255)
                except OSError:
                    break
    poll("it is cut off", lambda: None if workers(server).get("babbler") == "gone" else workers(server))
    expect(server.call("neighbour/echo", b"still here").body == b"still here", "the echo is wrong")
    worker.leave()


def test_balancers_that_lie(server):
    """Of what they offer and of who is below them: what cannot be is not believed, and what has no end is cut off."""
    def below(name):
        return field(1, field(1, name))

    for body in (b"\xff", below(b"../x"), below(b"a\x1b[2J"), below(b"a//b"), below(b"/".join([b"a"] * 17)), below(b"a") * 4097):
        worker = Worker(server, b"liar", slots=0, balancer=True)
        worker.control.send("tree", body)
        poll("it is cut off", lambda: None if everybody(server).get("liar", "gone") == "gone" else everybody(server))
        worker.leave()
    for kind, number, slots, body in (("offer", 1, 1_000_001, field(1, b"wasm")), ("offer", 2, 5, field(1, b"no name")),
                                      ("offer", 3, 1 << 31, b""), ("offer", 3, 5, field(1, b"a") * 17), ("offer", 4, 5, b"\xff"), ("warm", 0, 0, b"\xff"),
                                      ("warm", 0, 0, b"\x0a" + varint(8 * 9000) + os.urandom(8 * 9000))):
        worker = Worker(server, b"liar", slots=0, balancer=True)
        poll("it is ready", lambda: None if everybody(server).get("liar") == "ready" else everybody(server))
        worker.lines[0].send(kind, body, number << 32 | slots)
        poll("it is cut off", lambda: None if everybody(server).get("liar") == "gone" else everybody(server))
        worker.leave()
    liar = Worker(server, b"liar", slots=0, balancer=True)
    poll("it is ready", lambda: None if everybody(server).get("liar") == "ready" else everybody(server))
    for line in liar.lines:
        for number, slots in ((0xffffffff, 7), (5, 9)):
            line.send("offer", b"", number << 32 | slots)
    liar.control.send("tree", below(b"one") + below(b"one/two"))
    poll("those below it are shown", lambda: None if "liar/one/two" in everybody(server) else everybody(server))
    slots = [node["slots"] for node in server.request("GET", "/v1/nodes").json()["nodes"] if node["name"] == "liar"]
    expect(slots == [7], f"of its offers {slots} was believed: what is older than the last is no news")
    expect(server.call("neighbour/echo", b"still here").body == b"still here", "the echo is wrong")
    liar.leave()


def test_members_that_answer_wrongly(server):
    """Calls of one function go to workers that mean no good; each gets an answer that is no worse than an error."""
    server.deployed("evil/echo", guest("echo.wat"))
    rules = server.request("PUT", "/v1/dispatch", json.dumps({"functions": {"evil/echo": "push"}}).encode(),
                           {"Content-Type": "application/json"})
    expect(rules.status == 200, f"{rules}")

    def header(name, value):
        return field(3, field(1, name) + field(2, value))

    def large(line, call):
        for _ in range(200):
            line.send("data", b"x" * 65536, call)
        line.send("end", field(1, 400), call)

    def large_end(line, call):
        for _ in range(3):
            line.send("data", b"x" * (3 << 20), call)
        line.send("end", field(1, 400) + field(4, b"x" * (4_000_000)), call)

    wrongs = [(large, (500,), "internal"), (large_end, (500,), "internal"),
              (lambda line, call: line.send("end", b"\xff\xff", call), (500,), "internal"),
              (lambda line, call: line.send("end", field(1, 7 << 1), call), range(400, 600), None),
              (lambda line, call: line.send("end", field(1, 400) + header(b"X-A\r\nX-B: c", b"d"), call), range(200, 600), None),
              (lambda line, call: line.send("end", field(1, 400) + header(b"X-A", b"d\r\nX-B: c"), call), range(200, 600), None),
              (lambda line, call: line.send("end", field(1, 400) + field(10, field(1, 99)), call), (500,), "internal"),
              *[(lambda line, call, code=code: line.send("end", field(1, 400) + field(10, field(1, code) + field(2, b"who?")), call),
                 (500,), "internal") for code in (1, 2, 3, 4, 5, 6, 10)],  # What is about a client, and no run's.
              (lambda line, call: line.socket.close(), (502,), "died"),
              (lambda line, call: line.socket.sendall(b"\xff" * 100), (502,), "died"),
              (lambda line, call: None, (504,), "deadline")]
    for at, (wrong, statuses, code) in enumerate(wrongs):
        worker = Worker(server, b"evil-%d" % at)
        worker.serve(wrong)
        poll("it is ready", lambda: None if workers(server).get(f"evil-{at}") == "ready" else workers(server))
        reply = server.call("evil/echo", b"hello", {"X-Canopy-Timeout": "1s"})
        expect(reply.status in statuses, f"answer {at}: {reply.status} {reply.body[:500]}")
        if code:
            expect_error(reply, reply.status, code)
        expect("X-B" not in reply.headers, f"answer {at} has split a header: {reply.headers}")
        worker.leave()
        poll("it is gone", lambda: None if workers(server).get(f"evil-{at}") == "gone" else workers(server))
    server.request("PUT", "/v1/dispatch", b'{"functions": {"evil/echo": null}}', {"Content-Type": "application/json"})
    expect(server.call("evil/echo", b"home").body == b"home", "the echo is wrong")


def test_a_worker_that_falls_silent(server):
    server.deployed("silent/echo", guest("echo.wat"))
    server.request("PUT", "/v1/dispatch", b'{"functions": {"silent/echo": "pull"}}', {"Content-Type": "application/json"})
    worker = Worker(server, b"silent")
    held = []
    worker.serve(lambda line, call: held.append((line, call)))
    poll("it is ready", lambda: None if workers(server).get("silent") == "ready" else workers(server))
    answers = []
    call = threading.Thread(target=lambda: answers.append(
        server.call("silent/echo", b"hello", {"X-Canopy-Timeout": "60s"})))
    call.start()
    poll("it has the call", lambda: None if held else "nothing came")
    worker.alive = False  # It answers no ping, and its connections stay open.
    call.join()
    expect_error(answers[0], 502, "died", "says nothing for 2s")
    line, number = held[0]
    try:  # Too late.
        line.send("end", field(1, 400) + field(4, b"late"), number)
    except OSError:
        pass
    expect(workers(server).get("silent") == "gone", f"{workers(server)}")
    worker.leave()
    server.request("PUT", "/v1/dispatch", b'{"functions": {"silent/echo": null}}', {"Content-Type": "application/json"})


def test_rules_that_are_none(server):
    for body, status in ((b"", 400), (b"{", 400), (b'{"mode": "sideways"}', 400), (b'{"mode": 1}', 400), (b"[]", 400),
                         (b'{"mood": "push"}', 400), (b'{"functions": {"a b": "push"}}', 400),
                         (b'{"functions": {"a/b": 1}}', 400), (b'{"functions": []}', 400),
                         (json.dumps({"functions": {f"a/b{i}": "push" for i in range(1001)}}).encode(), 400)):
        reply = server.request("PUT", "/v1/dispatch", body, {"Content-Type": "application/json"})
        expect(reply.status == status, f"{body[:80]}: {reply}")
    expect(server.request("GET", "/v1/dispatch").json()["mode"] == "local", "the rules have changed")


def test_walls_that_are_lies(server):
    """What it says of itself is told to administrators as text, and changes nothing of what this server says of itself."""
    own = server.request("GET", "/debug/state").json()["walls"]
    evil = (b"\x1b[31m\0\n\r\xff\"\\" * 40)[:300]
    lies = field(1, evil) + field(4, evil) + field(5, 2**63) + field(6, 2**64 - 1) + field(7, evil)
    worker = Worker(server, b"liar", walls=lies)
    state = server.request("GET", "/debug/state")
    expect(not any(byte < 32 and byte != 10 for byte in state.body), f"control characters: {state.body[:2000]}")
    told = next(one for one in state.json()["workers"] if one["name"] == "liar")["walls"]
    expect(told["user"].startswith("\x1b[31m") and told["memory"]["held"], f"{told}")
    expect(state.json()["walls"] == own, "this server's own walls are others now")
    expect("\x1b" not in server.words(), "the server's log has control characters")
    worker.leave()
    for number in (1, 4, 7):
        line = Line(server)
        token = (pathlib.Path(server.folder) / "node.token").read_bytes().strip()
        line.send("join", join_body(line.nonce, os.urandom(32), b"boaster", 8, token, walls=field(number, b"x" * 301)))
        line.ended()
    expect("boaster" not in everybody(server), "a text that is too long was taken")
