"""FaaS Builders' API: pickles that run code wherever they are read, and what is no pickle at all."""
import base64
import json
import pathlib
import shutil
import struct
import time

from harness import REPLY_TIMEOUT, Failure, Place, Skip, expect, new_folder, only_long

JSON = {"Content-Type": "application/json"}
INVALID = "Invalid function payload: "
ENDED = "the process ended while it imported the function"


def make_place():
    folder = new_folder("path")
    (folder / "dill.py").write_text("from pickle import *\n")  # As much of dill as these pickles need.
    folder.chmod(0o755)
    return Place("--builders=on", f"--python-path={folder}", "--builders-time-limit=3s", "--records-max=1000",
                 "--records-bytes=8MiB")


def text(code):
    data = code.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def running(code, value=b"cbuiltins\nlen\n"):
    """A pickle that runs `code` when it is read, and then is `value`."""
    return b"\x80\x02cbuiltins\nexec\n" + text(code) + b"\x85R0" + value + b"."


def encoded(pickle):
    return base64.encodebytes(pickle).decode()


def ask(server, path, **body):
    return server.request("POST", path, json.dumps(body), JSON, timeout=120)


def register(server, payload):
    if not shutil.which("python3"):
        raise Skip("python3 is not installed")
    return ask(server, "/register_function", name="hostile", payload=payload)


def refused(server, payload):
    """The detail of the refusal."""
    reply = register(server, payload)
    expect(reply.status == 400, f"{reply}")
    detail = reply.json()["detail"]
    expect(detail.startswith(INVALID), f"{reply}")
    return detail.removeprefix(INVALID)


def finished(server, task):
    deadline = time.monotonic() + REPLY_TIMEOUT
    while time.monotonic() < deadline:
        reply = server.request("GET", f"/result/{task}")
        if reply.status != 200 or reply.json()["status"] in ("COMPLETED", "FAILED"):
            return reply
        time.sleep(0.05)
    raise Failure(f"task {task} has not ended")


def run(server, pickle, *payloads):
    """What became of a task of that function for each payload; the function is gone then."""
    reply = register(server, encoded(pickle))
    expect(reply.status == 200, f"{reply}")
    function = reply.json()["function_id"]
    replies = []
    try:
        for payload in payloads:
            reply = ask(server, "/execute_function", function_id=function, payload=payload)
            expect(reply.status == 200, f"{reply}")
            replies.append(finished(server, reply.json()["task_id"]))
        return replies
    finally:  # Its warmed processes end when their cores hear of that: with their next calls.
        server.request("DELETE", f"/v1/functions/builders/{function}")
        for _ in range(24):
            server.call("neighbour/echo", b"x")


def failure(reply):
    """The text that a failed task's result is."""
    answer = reply.json()
    expect(answer["status"] == "FAILED", f"{reply}")
    pickle = base64.b64decode(answer["result"])
    expect(pickle.startswith(b"\x80\x04\x95") and pickle.endswith(b"\x94."), f"{reply}")
    return pickle[11:].decode(errors="replace")


def looking_around(server):
    data = str(pathlib.Path(server.folder).resolve())
    host, port = server.address
    return ("import os, socket\nfound = []\n"
            f"for path in ({data!r}, '/etc/shadow', '/home', '/run', '/var', '/proc/1/root{data}'):\n"
            "  if os.path.exists(path): found.append(path)\n"
            "for path in ('/function', '/site', '/path/0', '/usr', '/canopy'):\n"
            "  try: open(path + '/x', 'w').close(); found.append(path)\n"
            "  except OSError: pass\n"
            f"try: socket.create_connection(({host!r}, {port}), timeout=2); found.append('the server')\n"
            "except OSError: pass\n"
            "raise Exception(str(found))")


def test_registration_runs_code_behind_walls(server):
    expect(refused(server, encoded(running(looking_around(server)))) == "[]", "it sees something")


def test_arguments_run_code_behind_walls(server):
    words = failure(run(server, b"\x80\x02cbuiltins\nlen\n.", encoded(running(looking_around(server))))[0])
    expect("due to []" in words, f"it sees something: {words}")


def test_registration_that_ends_its_process(server):
    for code in ("import os\nos._exit(0)", "import os\nos.kill(os.getppid(), 9)\nos._exit(1)",
                 "import ctypes\nctypes.string_at(1)", "raise SystemExit(3)"):
        words = refused(server, encoded(running(code)))
        expect(ENDED in words or words == "3", f"{code}: {words}")


def test_registration_that_takes_all(server):
    for code in ("import os\nwhile True: os.fork()", "a = []\nwhile True: a.append(b'x' * (1 << 24))",
                 "a = []\nwhile True: a.append(open('/dev/null'))",
                 "f = open('/tmp/f', 'wb')\nwhile True: f.write(b'x' * (1 << 20))"):
        words = refused(server, encoded(running(code)))
        expect(len(words) < 2000, f"{code}: {words}")


@only_long
def test_registration_without_end(server):
    words = refused(server, encoded(running("while True: pass")))
    expect("took longer than" in words, words)


def test_packets_of_its_own(server):
    for packet in (b"", b"x", b"\xff" * 100, struct.pack("<I", 1) + struct.pack("<I", 1 << 31),
                   struct.pack("<II", 1, 6) + b"failed", struct.pack("<II", 1, 5) + b"ended"):
        words = refused(server, encoded(running(f"import os\nos.write(3, {packet!r})\nos._exit(0)")))
        expect(words != "", "no word")


def test_answers_of_its_own(server):
    """What a task writes as its answer is no result where it is no pickle."""
    forged = b"R" + struct.pack("<IQ", 11, 5) + struct.pack("<II", 1, 3) + b"200" + b"<odd>"
    replies = run(server, b"\x80\x02cbuiltins\nexec\n.",
                  encoded(b"\x80\x02" + text(f"import os\nos.write(3, {forged!r})\nos._exit(0)") + b"\x85}\x86."))
    expect(replies[0].status == 500, f"{replies[0]}")
    expect(replies[0].json() == {"detail": "Error retrieving task result"}, f"{replies[0]}")


def test_tasks_without_end(server):
    code = text("import signal\nfor n in range(1, 65):\n  try: signal.signal(n, signal.SIG_IGN)\n  except Exception: pass\n"
                "while True: pass")
    replies = run(server, b"\x80\x02cbuiltins\nexec\n.", encoded(b"\x80\x02" + code + b"\x85}\x86."),
                  encoded(running("while True: pass")))
    for reply in replies:
        expect("WorkerFailure: Task execution timed out" in failure(reply), f"{reply}")


def test_what_is_no_pickle(server):
    for payload in ("payload", "=", "\0", "\u20ac" * 100, "A" * 1001, encoded(b"\x80"), encoded(b"\x80\x05"),
                    encoded(b"\x80\x04X\xff\xff\xff\xff."), encoded(b"\x80\x04\x8e" + b"\xff" * 8 + b"."),
                    encoded(b"\x80\x04" + b"(" * 1_000_000), encoded(b"\x80\x04" + b"]" * 1_000_000 + b"."),
                    encoded(b"\x80\x04" + b"N0" * 100 + b"."), encoded(b"\x80\x040."), encoded(b"\x80\x04h\x01."),
                    encoded(b"\x80\x04" + b"\x85" * 1000 + b"."), encoded(b"\x80\x04I" + b"9" * 10_000 + b"\n.")):
        expect(len(refused(server, payload)) < 2000, payload[:40])


def test_bodies_that_are_none(server):
    for body in (b"", b"{", b"[" * 100_000, b'{"name":' + b"[" * 1000, b"\xff\xfe", b'"\\ud800"', b"\0",
                 b'{"name":"\\ud800","payload":"x"}', b"{" + b'"a":1,' * 100_000 + b'"b":2}', b"1" * 100_000):
        for path in ("/register_function", "/execute_function"):
            reply = server.request("POST", path, body, JSON)
            expect(reply.status in (400, 422) and "detail" in reply.json(), f"{body[:40]!r}: {reply}")


def test_bodies_are_not_echoed(server):
    """An answer that nobody reads takes memory too: it does not grow with the body."""
    for body in (b'{"name":[' + b"1," * 500_000 + b"1]}", b'{"name":{"a":"' + b"x" * 1_000_000 + b'"},"payload":1}', b"x" * 1_000_000):
        for path, kind in (("/register_function", JSON), ("/execute_function", JSON), ("/register_function", {"Content-Type": "text/plain"})):
            reply = server.request("POST", path, body, kind)
            expect(reply.status == 422 and len(reply.body) < 100_000, f"{path}: {reply.status}, {len(reply.body)} bytes")


def test_exceptions_that_no_text_can_say(server):
    code = "raise ValueError('\\ud800')"
    words = failure(run(server, b"\x80\x02cbuiltins\nexec\n.", encoded(b"\x80\x02" + text(code) + b"\x85}\x86."))[0])
    expect("due to \\ud800" in words, words)


def test_arguments_that_fit_no_function(server):
    """The text of such a failure is Python's message alone, though no line of the function has run."""
    words = failure(run(server, b"\x80\x02cbuiltins\nlen\n.", encoded(b"\x80\x02K\x01K\x02\x86}\x86."))[0])
    expect("due to len() takes exactly one argument (2 given)" in words and "TypeError" not in words, words)


def test_ids_near_one_that_is_there(server):
    reply = register(server, encoded(b"\x80\x02cbuiltins\nlen\n."))
    function = reply.json()["function_id"]
    task = ask(server, "/execute_function", function_id=function, payload=encoded(b"\x80\x02]}\x86.")).json()["task_id"]
    finished(server, task)
    number = int(task.replace("-", ""), 16)
    for bit in range(128):
        reply = server.request("GET", f"/status/{number ^ 1 << bit:032x}")
        expect(reply.status == 404, f"bit {bit}: {reply}")
    server.request("DELETE", f"/v1/functions/builders/{function}")
    for _ in range(24):
        server.call("neighbour/echo", b"x")


def test_ids_that_are_none(server):
    for id in ("%00", "%ff", "0" * 10_000, "..%2f..%2fetc", "{}", "%e2%82%ac", "-" * 36):
        for path in ("/status/", "/result/"):
            reply = server.request("GET", path + id)
            expect(reply.status in (404, 422) and "detail" in reply.json(), f"{id}: {reply}")


def test_names_that_are_odd(server):
    reply = ask(server, "/register_function", name="a\0b", payload="gAJjYnVpbHRpbnMKbGVuCi4=")
    expect(reply.status == 400, f"{reply}")
    reply = ask(server, "/register_function", name="x" * 1_000_000, payload="gAJjYnVpbHRpbnMKbGVuCi4=")
    expect(reply.status == 400 and "1024 bytes" in reply.json()["detail"], f"{reply}")
