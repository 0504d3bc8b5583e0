"""Balancers and workers that know the token and mean no good, and a parent that means none to its workers."""
import hashlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

import harness
from harness import Place, expect, guest, new_folder, poll
from nodes import KINDS, VERSION, Line, Worker, everybody, field, fields, frame, join_body, port_of, prove, varint, workers

TOKEN = b"0123456789abcdef0123456789abcdef"


def make_place():
    return Place("--node-listen=127.0.0.1:0", "--worker-silence=2s")


def rules(server, functions):
    reply = server.request("PUT", "/v1/dispatch", json.dumps({"functions": functions}).encode(), {"Content-Type": "application/json"})
    expect(reply.status == 200, f"{reply}")


def offer(number, slots, runtimes=(b"wasm",)):
    body = b"".join(field(1, runtime) for runtime in runtimes)
    return frame("offer", body, number << 32 | slots)


def below(*names):
    return b"".join(field(1, field(1, name)) for name in names)


def flood(line, data, times):
    """Sends it so often, or until the other side has had enough."""
    try:
        for _ in range(times):
            line.socket.sendall(data)
    except OSError:
        pass


def resident(server):
    return server.gauges()["rss"]


def ready(server, name):
    poll(f"{name} is ready", lambda: None if everybody(server).get(name) == "ready" else everybody(server))


def gone(server, name):
    poll(f"{name} is gone", lambda: None if everybody(server).get(name) == "gone" else everybody(server))


def samples(server):
    """The names and labels of what /metrics has, each as often as it is there."""
    lines = server.request("GET", "/metrics").body.decode().splitlines()
    return [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]


def test_offers_without_end(server):
    """Each is news, and none makes the server do more than it can."""
    liar = Worker(server, b"liar", slots=0, balancer=True)
    ready(server, "liar")
    before = resident(server)
    for burst in range(20):
        line = liar.lines[burst % len(liar.lines)]
        flood(line, b"".join(offer(burst * 10_000 + number + 1, number % 9) for number in range(10_000)), 1)
    expect(server.request("GET", "/healthz").status == 200, "it is not healthy")
    expect(resident(server) < before + (64 << 20), f"{resident(server) - before >> 20} MiB wait to be looked at")
    liar.leave()
    gone(server, "liar")


def test_asks_without_end(server):
    """A call waits for the only place, and whoever has it says without end that there is one more."""
    server.deployed("asked/echo", guest("echo.wat"))
    rules(server, {"asked/echo": "push"})
    worker = Worker(server, b"eager", slots=1)
    held = []
    worker.serve(lambda line, call: held.append((line, call)))
    ready(server, "eager")
    answers = []
    calls = [threading.Thread(target=lambda: answers.append(server.call("asked/echo", b"x", {"X-Canopy-Timeout": "20s"}))) for _ in range(2)]
    for call in calls:
        call.start()
    poll("it has a call", lambda: None if held else "nothing came")
    before = resident(server)
    for _ in range(3):
        for line in worker.lines:
            flood(line, frame("ask", call=1) * 20_000 + frame("refuse", call=77) * 20_000, 1)
    expect(server.request("GET", "/healthz").status == 200, "it is not healthy")
    expect(resident(server) < before + (64 << 20), f"{resident(server) - before >> 20} MiB wait to be looked at")
    worker.leave()
    rules(server, {"asked/echo": None})
    for call in calls:
        call.join()
    expect(len(answers) == 2, f"{len(answers)} answers")


def test_lists_of_what_is_loaded_without_end(server):
    liar = Worker(server, b"liar", slots=4, balancer=True)
    ready(server, "liar")
    for _ in range(40):
        keys = os.urandom(8 * 8000)
        body = b"\x0a" + varint(len(keys)) + keys
        gone_again = b"\x12" + varint(len(keys)) + keys
        flood(liar.lines[0], frame("warm", body) + frame("warm", gone_again), 1)
    expect(server.call("neighbour/echo", b"still here").body == b"still here", "the echo is wrong")
    liar.leave()
    gone(server, "liar")


def test_nonsense_is_one_line_in_the_log(server):
    before = server.words().count("\n")
    for kind, body in (("setup", b""), ("offer", b"\xff"), ("warm", b"\xff"), ("hello", b"\xff")):
        worker = Worker(server, b"babbler")
        ready(server, "babbler")
        flood(worker.lines[0], frame(kind, body) * 5000, 1)
        gone(server, "babbler")
        worker.leave()
    lines = server.words().count("\n") - before
    expect(lines < 40, f"{lines} lines were written")


def test_names_are_counted_once(server):
    """Who scrapes the metrics refuses all of them where one is there twice."""
    first = Worker(server, b"one", slots=0, balancer=True)
    ready(server, "one")
    first.control.send("tree", below(b"w", b"w"))
    gone(server, "one")
    first.leave()
    second = Worker(server, b"two", slots=0, balancer=True)
    ready(server, "two")
    second.control.send("tree", below(b"w", b"w/x", b"x"))
    poll("who is below is shown", lambda: None if "two/w/x" in everybody(server) else everybody(server))
    for _ in range(3):  # Ends and comes back: one of them is shown.
        Worker(server, b"comes").leave()
        gone(server, "comes")
    found = samples(server)
    doubles = sorted({one for one in found if found.count(one) > 1})
    expect(not doubles, f"twice in /metrics: {doubles}")
    second.leave()
    gone(server, "two")


def test_a_forest(server):
    """Many balancers, each of which says that all it may is below it."""
    names = [f"n{number:04d}".encode() for number in range(4096)]
    liars = [Worker(server, b"liar-%d" % number, slots=0, balancer=True) for number in range(12)]
    for liar in liars:
        liar.control.send("tree", below(*names))
    poll("they are shown", lambda: None if any("/" in name for name in everybody(server)) else "none is")
    shown = everybody(server)
    expect(len(shown) < 4200, f"{len(shown)} are shown")
    for liar in liars:
        liar.leave()
    poll("they are gone", lambda: "some are there" if any("/" in name for name in everybody(server)) else None)


def test_joining_again_and_again(server):
    for number in range(150):
        Worker(server, b"flood-%d" % number, cores=False).leave()
    poll("they are gone", lambda: None if set(everybody(server).values()) <= {"gone", "ready"} else everybody(server))
    poll("few are remembered", lambda: None if len(everybody(server)) <= 80 else len(everybody(server)))
    owner = Worker(server, b"owner")
    ready(server, "owner")
    thief = Line(server)
    token = (pathlib.Path(server.folder) / "node.token").read_bytes().strip()
    thief.send("join", join_body(thief.nonce, os.urandom(32), b"owner", 8, token))
    kind, words, _ = thief.next()
    expect(kind == "goaway" and b"is here" in words, f"{kind}: {words}")
    thief.ended()
    expect(everybody(server)["owner"] == "ready", f"{everybody(server)}")
    owner.leave()
    gone(server, "owner")


def test_a_worker_that_refuses_all(server):
    """It has always the least to do, and keeps no call from the others."""
    server.deployed("refused/echo", guest("echo.wat"))
    rules(server, {"refused/echo": "push"})
    refused = []

    def refuse(line, call):
        refused.append(call)
        line.send("refuse", call=call)

    hostile, honest = Worker(server, b"a-refuses"), Worker(server, b"b-answers", slots=1)
    hostile.serve(refuse)
    honest.serve(lambda line, call: line.send("end", field(1, 400) + field(4, b"mine"), call, 1))
    ready(server, "a-refuses")
    ready(server, "b-answers")
    for _ in range(10):
        reply = server.call("refused/echo", b"x", {"X-Canopy-Timeout": "10s"})
        expect(reply.status == 200 and reply.body == b"mine", f"{reply}")
    expect(len(refused) < 100, f"it was asked {len(refused)} times for 10 calls")
    for worker in (hostile, honest):
        worker.leave()
    rules(server, {"refused/echo": None})
    gone(server, "b-answers")


def test_answers_to_what_was_not_asked(server):
    server.deployed("twice/echo", guest("echo.wat"))
    rules(server, {"twice/echo": "push"})
    worker = Worker(server, b"twice")

    def reply(line, call):
        for number in (call + 1, call, call, call, call - 1):
            line.send("data", b"before", number)
            line.send("end", field(1, 400) + field(4, b"after"), number, 1)

    worker.serve(reply)
    ready(server, "twice")
    for _ in range(5):
        answer = server.call("twice/echo", b"x")
        expect(answer.status == 200 and answer.body == b"beforeafter", f"{answer}")
    def counts():
        return [node["running"] for node in server.request("GET", "/v1/nodes").json()["nodes"] if node["name"] == "twice"]

    poll("it has no calls", lambda: None if counts() == [0] else counts())
    worker.leave()
    rules(server, {"twice/echo": None})
    gone(server, "twice")


class Parent:
    """What `canopy node` joins: it knows the token, and what it says then is the test's."""

    def __init__(self, token=TOKEN, welcome=None, lines=1):
        self.token, self.welcome, self.line_count = token, welcome, lines
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(harness.START_TIMEOUT)
        self.port = self.listener.getsockname()[1]

    def accept(self):
        connection, _ = self.listener.accept()
        connection.settimeout(harness.START_TIMEOUT)
        line = Line.__new__(Line)
        line.socket, line.bytes, line.nonce = connection, b"", os.urandom(32)
        line.send("challenge", field(1, VERSION) + field(2, line.nonce))
        return line

    def join(self):
        """The first connection, whose worker is welcome."""
        line = self.accept()
        join = fields(line.read("join")[1])
        body = field(1, 1) + field(2, self.line_count) + field(3, 2 * 10**10)  # Ten seconds, as sint64.
        if self.welcome is not None:
            body = self.welcome
        line.send("welcome", body + field(4, prove(self.token, b"canopy welcome", line.nonce, join[6])))
        threading.Thread(target=self.keep, args=(line,), daemon=True).start()
        return line

    def keep(self, line):
        try:
            while True:
                line.send("ping")
                time.sleep(0.25)
        except OSError:
            pass

    def core(self):
        line = self.accept()
        line.read("line")
        line.send("welcome")
        line.read("hello")
        return line

    def close(self):
        self.listener.close()


class Node:
    """`canopy node` below that parent."""

    def __init__(self, parent):
        self.folder = new_folder("node")
        harness.interpreter.share(harness._kept, self.folder)
        (self.folder / "token").write_bytes(TOKEN)
        self.errors = (self.folder / "errors").open("w+b")
        self.process = subprocess.Popen(
            [harness.program, "node", "--role=worker", f"--join=127.0.0.1:{parent.port}", f"--token-file={self.folder}/token", "--name=victim",
             f"--data={self.folder}/data", "--slots=4", "--container-engine=off", f"--python={sys.executable}"],
            stdout=subprocess.DEVNULL, stderr=self.errors, stdin=subprocess.DEVNULL)

    def words(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def alive(self):
        expect(self.process.poll() is None, f"the node is gone: {self.words()[-3000:]}")
        words = self.words()
        expect("Sanitizer" not in words and "runtime error:" not in words, f"a sanitizer found: {words[-20000:]}")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()


def defined(path=b"x.txt", digest=None, space=b"a", name=b"f", runtime=b"python", **numbers):
    code = digest or hashlib.sha256(b"def handle(x): return x\n").hexdigest().encode()
    body = field(1, space) + field(2, name) + field(3, 1) + field(4, code) + field(5, numbers.get("code_bytes", 24)) + field(6, runtime)
    body += field(9, field(1, path) + field(2, numbers.get("file_digest", code)) + field(3, numbers.get("file_bytes", 24)))
    for number, value in ((10, numbers.get("memory", 64 << 20)), (11, 2 * 10**10), (12, 9), (13, 1 << 20), (14, 1 << 16), (15, 1 << 20), (16, 64),
                          (17, 1000)):
        body += field(number, value)
    return body


def opened(function, left=2 * 10**10, waited=0, latest=0, size=0):
    """A call of it: its numbers are sint64, as Protobuf writes them."""
    return field(3, function) + field(4, 1) + field(5, waited) + field(6, left) + field(13, latest) + field(12, size)


def test_a_parent_that_means_no_good(server):
    """What it defines lies below its folder, and what it asks for is not more than there is."""
    parent = Parent()
    node = Node(parent)
    try:
        control = parent.join()
        line = parent.core()
        code = b"def handle(x): return x\n"

        def supply():
            while (got := control.next()) is not None:
                if got[0] == "want":
                    control.send("piece", code, got[2])

        threading.Thread(target=supply, daemon=True).start()
        for at, path in enumerate((b"../../../escaped", b"/tmp/escaped-" + os.urandom(4).hex().encode(), b"a/../../../../escaped", b"", b"a\0b")):
            line.send("define", defined(path), at + 1)
            line.send("open", opened(at + 1), at + 1)
            line.read("end")
        found = [str(one) for one in pathlib.Path(node.folder).rglob("*escaped*")]
        expect(not found, f"it wrote {found}")
        most = (1 << 64) - 1
        for at, odd in enumerate((defined(code_bytes=most, file_bytes=2, file_digest=b"b" * 64), defined(memory=most), defined(runtime=b"nothing"),
                                  defined(digest=b"../../etc/passwd"), defined(space=b"../x"), b"\xff" * 50)):
            line.send("define", odd, 100 + at)
            line.send("open", opened(100 + at), 100 + at)
            line.read("end")
        for at, times in enumerate(((most, most, most), (most - 1, most - 1, most - 1), (1, 1, 1))):
            line.send("open", opened(100 + at, *times), 200 + at)
        line.send("open", opened(101, size=most), 300)
        for _ in range(100):
            line.send("data", b"x" * 60_000, 300)
        line.send("forget", call=101)
        for kind in ("setup", "hello", "offer", "warm", "tree", "end", "refuse", "ask"):
            line.send(kind, b"\xff" * 20, 5)
        node.alive()
        control.socket.close()  # It joins again, by the rules.
        parent.join()
        parent.core()
        node.alive()
    finally:
        node.stop()
        parent.close()


@harness.only_long
def test_parents_that_are_none(server):
    """Without the token, or with a welcome that cannot be, nothing runs for it; the worker tries again."""
    for parent in (Parent(token=b"f" * 32), Parent(welcome=field(1, 1) + field(2, 0) + field(3, 20)),
                   Parent(welcome=field(1, 1) + field(2, 1 << 31) + field(3, 20)), Parent(welcome=field(1, 1) + field(2, 1) + field(3, 1))):
        node = Node(parent)
        try:
            for _ in range(2):
                line = parent.join()
                try:
                    while (got := line.next()) is not None:
                        expect(got[0] in ("pong", "ping", "join"), f"it answers with {got[0]}")
                finally:
                    line.socket.close()
            node.alive()
        finally:
            node.stop()
            parent.close()
