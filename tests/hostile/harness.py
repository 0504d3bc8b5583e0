"""What all groups share: a server of one's own, a client that can be as rude as it likes, a neighbour whose calls
must stay right, and the check that everything returned to where it was."""
import contextlib
import http.client
import json
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import interpreter  # noqa: E402  (They are beside the folders of the tests.)
from side_by_side import processor_seconds  # noqa: E402

http.client._MAXHEADERS = 20000
WAT_FLAGS = ("--enable-threads", "--enable-memory64", "--enable-multi-memory", "--debug-names")
GUESTS = pathlib.Path(__file__).resolve().parent / "guests"
START_TIMEOUT = 30
REPLY_TIMEOUT = 30
SETTLE_TIMEOUT = 10  # Less than what ends by itself would take.
RSS_MARGIN = 32 << 20
SANITIZERS = (b"__asan_init", b"__tsan_init")

program = None
is_long = False
is_sanitized = False  # Then it is slow, and keeps freed memory: what it says at the end is looked at instead.
_work = None
_kept = None  # What one group made for itself and is of use for the next: the interpreter of JavaScript.
_modules = {}


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def prepare(path, with_long):
    global program, is_long, is_sanitized, SETTLE_TIMEOUT, START_TIMEOUT, _work, _kept
    program, is_long = os.path.abspath(path), with_long
    content = pathlib.Path(program).read_bytes()
    is_sanitized = any(word in content for word in SANITIZERS)
    if is_sanitized:
        SETTLE_TIMEOUT = START_TIMEOUT = 60
    _work = pathlib.Path(tempfile.mkdtemp(prefix="canopy-hostile-"))
    _kept = new_folder("kept")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def clean_up():
    shutil.rmtree(_work, ignore_errors=True)


def begin_lane():
    """In each process that runs groups: a folder of its own below that of all."""
    global _work
    _work = new_folder("lane")


def new_folder(name):
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_work))


def expect(condition, words):
    if not condition:
        raise Failure(words)


def poll(what, until, timeout=None):
    """Asks `until` for the sentence of what is still wrong; None when it is right."""
    timeout = timeout or SETTLE_TIMEOUT
    deadline = time.monotonic() + timeout
    while True:
        wrong = until()
        if not wrong:
            return
        if time.monotonic() > deadline:
            raise Failure(f"{what}, after {timeout} s: {wrong}")
        time.sleep(0.05)


def run_tool(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")


def wat(text):
    """The module of that text."""
    if text not in _modules:
        source, target = _work / "module.wat", _work / "module.wasm"
        source.write_text(text)
        run_tool("wat2wasm", *WAT_FLAGS, source, "-o", target)
        _modules[text] = target.read_bytes()
    return _modules[text]


def guest(name):
    """The module of guests/`name`: .wat by wat2wasm, .c by `canopy build`."""
    if name not in _modules:
        source, target = GUESTS / name, _work / (name + ".wasm")
        if name.endswith(".wat"):
            run_tool("wat2wasm", *WAT_FLAGS, source, "-o", target)
        else:
            run_tool(program, "build", source, "-o", target)
        _modules[name] = target.read_bytes()
    return _modules[name]


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __str__(self):
        return f"{self.status} {self.body[:2000]!r}"

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Failure(f"no JSON: {self}") from error


def expect_error(reply, status, code, *words):
    """An error of exactly that status and code, whose sentence has all `words`."""
    expect(reply.status == status, f"{status} was expected: {reply}")
    error = reply.json().get("error", {})
    expect(error.get("code") == code, f"code {code} was expected: {reply}")
    message = error.get("message", "")
    for word in words:
        expect(word in message, f"{word!r} was expected in the message: {reply}")
    lines = message.replace("\n", "").replace("\t", "")
    expect(all(c.isprintable() for c in lines), f"the message has control characters: {reply}")
    expect(len(message) < 16384, f"the message is {len(message)} characters long")
    return message


def read_reply(file, method="GET"):
    """The next reply of a connection, from a file made by makefile('rb'); None at its end."""
    line = file.readline(65537)
    if not line:
        return None
    parts = line.split(None, 2)
    expect(len(parts) >= 2 and parts[0] == b"HTTP/1.1" and parts[1].isdigit(), f"no status line: {line!r}")
    headers = http.client.parse_headers(file)
    status = int(parts[1])
    if status == 100:
        return read_reply(file, method)
    if method == "HEAD" or status in (204, 304):
        return Reply(status, headers, b"")
    if headers.get("Transfer-Encoding") == "chunked":
        body = b""
        while size := int(file.readline().split(b";")[0], 16):
            body += file.read(size)
            file.readline()
        file.readline()
        return Reply(status, headers, body)
    length = headers.get("Content-Length")
    return Reply(status, headers, file.read(int(length)) if length is not None else file.read())


class Server:
    """`canopy up` on a port of its own."""

    def __init__(self, folder, *flags, environment=None):
        self.folder = folder
        self.errors = tempfile.TemporaryFile(dir=_work)
        self.process = subprocess.Popen(
            [program, "up", "--listen=127.0.0.1:0", f"--data={folder}", *flags],
            stdout=subprocess.PIPE, stderr=self.errors, stdin=subprocess.DEVNULL, text=True,
            env=dict(os.environ, **(environment or {})))
        self.address = None
        watchdog = threading.Timer(START_TIMEOUT, self.process.kill)
        watchdog.start()
        self.start_lines = ""
        for line in self.process.stdout:
            self.start_lines += line
            if line.startswith("address"):
                host, port = line.split()[1].removeprefix("http://").rsplit(":", 1)
                self.address = (host, int(port))
            if line.startswith("ready"):
                break
        watchdog.cancel()
        if self.address is None:
            self.process.wait()
            self.process.stdout.close()

    pid = property(lambda self: self.process.pid)

    def words(self):
        """All it has said on standard error."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def check_words(self):
        """A sanitizer's finding ends nothing by itself: leaks are told at the end, undefined behaviour in passing."""
        words = self.words()
        expect("Sanitizer" not in words and "runtime error:" not in words, f"a sanitizer found: {words[-20000:]}")

    def failed_to_start(self):
        """Its words, where it did not start and ended with 1."""
        expect(self.address is None, "the server started")
        expect(self.process.returncode == 1, f"ended with {self.process.returncode}: {self.words()}")
        return self.words()

    def started(self):
        expect(self.address is not None, f"the server did not start: {self.words()}")
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failure("the server did not stop within 40 s of SIGTERM")
        self.process.stdout.close()
        self.check_words()
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.check_words()

    def connect(self, timeout=REPLY_TIMEOUT, receive_buffer=None):
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(timeout)
        connection.connect(self.address)
        return connection

    def request(self, method, target, body=None, headers=None, timeout=REPLY_TIMEOUT):
        """One request on a connection of its own, its target sent as it is."""
        connection = http.client.HTTPConnection(*self.address, timeout=timeout)
        connection._validate_path = lambda path: None
        connection._encode_request = lambda text: text.encode("utf-8", "surrogateescape")
        try:
            connection.request(method, target, body, {"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def raw(self, data, method="GET", timeout=REPLY_TIMEOUT):
        """Sends bytes and returns all replies until the server closes."""
        with self.connect(timeout) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It may close before it has read everything: the reply says why.
            replies = []
            with connection.makefile("rb") as file:
                while (reply := read_reply(file, method)) is not None:
                    replies.append(reply)
            return replies

    def deploy(self, name, module, query="", content_type="application/wasm", timeout=REPLY_TIMEOUT):
        return self.request("PUT", f"/v1/functions/{name}{query}", module, {"Content-Type": content_type}, timeout)

    def deployed(self, name, module, query=""):
        reply = self.deploy(name, module, query)
        expect(reply.status in (200, 201), f"deploying {name}: {reply}")

    def call(self, name, body=b"", headers=None, timeout=REPLY_TIMEOUT):
        return self.request("POST", f"/function/{name}", body, headers, timeout)

    def log_of(self, reply):
        """The log of a call, given its reply, as bytes."""
        id = reply.headers.get("X-Call-Id") or reply.json()["error"]["call"]
        return self.request("GET", f"/v1/calls/{id}/logs")

    def count_descriptors(self):
        """Without those of loaded modules, which the engine keeps open to map their images from."""
        count = 0
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                count += "/compiled/" not in os.readlink(f"/proc/{self.pid}/fd/{name}")
            except FileNotFoundError:
                pass  # Closed in the meantime.
        return count

    def gauges(self):
        cores = self.request("GET", "/debug/state").json()["cores"]
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        children = []
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            children += (task / "children").read_text().split()
        return {"calls": sum(core["calls_running"] for core in cores),
                "runnable": sum(core["turns_runnable"] for core in cores),
                "connections": sum(core["connections"] for core in cores),
                "descriptors": self.count_descriptors(),
                "processes": len(children),
                "rss": rss << 10}


class Neighbour:
    """Calls its own function all the time and compares every reply."""

    def __init__(self, server):
        self.server = server
        self.count = 0
        self.wrong = None
        self.worst = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def ask(self, connection, file):
        body = f"neighbour {self.count} ".encode() * (1 + self.count % 50)
        began = time.monotonic()
        connection.sendall(b"POST /function/neighbour/echo HTTP/1.1\r\nHost: n\r\nContent-Length: %d\r\n\r\n%s"
                           % (len(body), body))
        reply = read_reply(file)
        self.worst = max(self.worst, time.monotonic() - began)
        expect(reply is not None, "the neighbour's connection was closed")
        expect(reply.status == 200 and reply.body == body, f"the neighbour's call {self.count} was answered {reply}")
        self.count += 1

    def ask_many(self, count, until=lambda: False, pause=0.0):
        with self.server.connect() as connection, connection.makefile("rb") as file:
            for _ in range(count):
                self.ask(connection, file)
                if until():
                    return
                time.sleep(pause)

    def work(self):
        try:
            while not self.ended.is_set():  # A new connection now and then, so that every core has its turn.
                self.ask_many(50, self.ended.is_set, 0.005)
        except Exception as error:
            self.wrong = error

    def __enter__(self):
        self.ask_many(10)
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.ended.set()
        self.thread.join()
        if self.wrong and not failure[0]:
            raise Failure(f"the neighbour's calls went wrong meanwhile: {self.wrong}")


class Place:
    """A server with a neighbour on it, for the tests of one group."""

    def __init__(self, *flags):
        self.flags = flags

    def __enter__(self):
        folder = new_folder("data")
        interpreter.share(_kept, folder)
        self.server = Server(folder, *self.flags).started()
        self.server.deployed("neighbour/echo", guest("echo.wat"))
        for _ in range(16):  # So that both cores have loaded it, and memory is what it will be.
            Neighbour(self.server).ask_many(20)
        return self

    def __exit__(self, *failure):
        self.server.stop()
        if not interpreter.is_made(_kept) and interpreter.is_made(self.server.folder):
            made = new_folder("made")
            interpreter.share(self.server.folder, made)
            with contextlib.suppress(OSError):  # Another group was first.
                made.rename(_kept)

    def processor_seconds(self):
        return processor_seconds([self.server.pid])

    def check(self, test):
        before = self.baseline()
        with Neighbour(self.server) as neighbour:
            test(self.server)
            meanwhile = neighbour.count
            neighbour.thread.join(0.02)
        expect(meanwhile > 0, "the neighbour was never answered")
        Neighbour(self.server).ask_many(20)
        expect(self.server.process.poll() is None, f"the server is gone: {self.server.words()[-4000:]}")
        margin = getattr(test, "rss_margin", RSS_MARGIN)
        poll("not everything returned to where it was", lambda: self.difference(before, margin))

    def baseline(self):
        """What it is when nothing happens: seen twice, the memory apart."""
        last = [None]

        def still_moving():
            now = self.server.gauges()
            same = last[0] is not None and all(now[key] == last[0][key] for key in now if key != "rss")
            last[0] = now
            return None if same and now["calls"] == 0 and now["connections"] == 1 else f"{now}"

        poll("the server does not come to rest", still_moving)
        return last[0]

    def difference(self, before, margin):
        now = self.server.gauges()
        for key in ("calls", "runnable", "connections", "descriptors", "processes"):
            if now[key] > before[key]:
                return f"{key}: {now[key]}, and {before[key]} before"
        if now["rss"] > before["rss"] + margin and not is_sanitized:
            return f"resident memory: {now['rss'] >> 10} KiB, and {before['rss'] >> 10} KiB before"
        return None


def open_finding(words):
    """The test fails for a fault that is known and not repaired yet: it runs, and is shown and counted apart."""
    def mark(test):
        test.open_finding = words
        return test
    return mark


def only_long(test):
    test.only_long = True
    return test


def alone(test):
    """It compares times, or does harm to all processes of a user: it runs when the others have ended."""
    test.alone = True
    return test
