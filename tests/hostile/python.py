"""Functions in Python that multiply, grow, hide, and look for what is not theirs."""
import contextlib
import os
import pathlib
import shutil
import socket
import threading

from harness import Place, Skip, alone, expect, expect_error, poll

LIMITS = "?timeout=20s&memory=64MiB&output=1MiB&log=64KiB&tmp=4MiB"
SHORT = LIMITS.replace("20s", "2s")  # For what does not end before.


def make_place():
    return Place("--records-max=1000", "--records-bytes=8MiB")


@contextlib.contextmanager
def deployed(server, name, body, query=LIMITS):
    if not shutil.which("python3"):
        raise Skip("python3 is not installed")
    source = "import ctypes, os, signal, socket, subprocess, sys, threading, time\ncount = 0\ndef handle(request):\n"
    source += "".join(f"    {line}\n" for line in body.splitlines())
    reply = server.request("PUT", f"/v1/functions/hostile/py-{name}{query}", source.encode(),
                           {"Content-Type": "text/x-python"}, timeout=120)
    expect(reply.status in (200, 201), f"{name} could not be deployed: {reply}")
    try:
        yield
    finally:  # Its warmed process ends with it, when the core that it is on hears of that: with its next call.
        server.request("DELETE", f"/v1/functions/hostile/py-{name}")
        for _ in range(24):
            server.call("neighbour/echo", b"x")


def called(server, name, body, query=LIMITS):
    with deployed(server, name, body, query):
        return server.call(f"hostile/py-{name}", b"")


def answer(server, name, body, query=LIMITS):
    reply = called(server, name, body, query)
    expect(reply.status == 200, f"{name}: {reply}")
    return reply.body.decode()


def marked_processes(mark):
    """Processes of this machine that were started with that word."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def test_results_that_json_cannot_say(server):
    for value in ("float('nan')", "[1, {'a': float('-inf')}]"):
        expect_error(called(server, "nan", f"return {value}"), 424, "function_failed", "NaN", "JSON")
    expect(answer(server, "number", "return [1.5, 'NaN']") == '[1.5, "NaN"]', "what is like it is refused")


def test_fork_bomb(server):
    expect_error(called(server, "forks", "while True: os.fork()"), 502, "limit", "threads and processes")


def test_thread_bomb(server):
    body = "while True: threading.Thread(target=time.sleep, args=[60], daemon=True).start()"
    expect_error(called(server, "threads", body), 502, "limit", "threads and processes")


def test_memory_bombs(server):
    for name, body in {"list": "a = []\nwhile True: a.append(b'x' * (1 << 20))",
                       "string": "a = 'x'\nwhile True: a += a",
                       "shared": "import mmap\na = []\nwhile True: a.append(mmap.mmap(-1, 1 << 20))"}.items():
        expect_error(called(server, f"memory-{name}", body), 502, "limit", "64MiB")


def has_control_groups():
    """Whether a server that runs as this user may make a group that counts memory."""
    return any(os.access(folder, os.W_OK) for folder in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup/cgroup.subtree_control"))


def test_memory_of_many_processes(server):
    """Each has half of what one may have, and all hold it at once: six would be three times too much."""
    if not has_control_groups():
        raise Skip("no control group can be made here")
    body = ("children = []\n"
            "for _ in range(6):\n"
            "  r, w = os.pipe()\n"
            "  children.append(os.fork())\n"
            "  if children[-1] == 0:\n"
            "    a = b'x' * (32 << 20)\n"
            "    os.write(w, b'x')\n"
            "    time.sleep(60)\n"
            "  os.close(w)\n"
            "  os.read(r, 1)\n"
            "return sum(os.waitpid(child, os.WNOHANG)[0] == 0 for child in children)")
    with deployed(server, "many", body), deployed(server, "beside-many", "return len(bytearray(48 << 20))"):
        for _ in range(4):
            reply = server.call("hostile/py-many", b"")
            if reply.status == 200:
                expect(int(reply.body) < 6, f"six processes live and hold 32 MiB each where 64 MiB is the limit: {reply}")
            else:
                expect_error(reply, 502, "limit", "64MiB")
            reply = server.call("hostile/py-beside-many", b"")
            expect(reply.status == 200 and int(reply.body) == 48 << 20, f"its neighbour: {reply}")


def test_groups_cannot_be_left(server):
    """Nor seen, nor made: what is counted of a call stays counted."""
    found = answer(server, "groups", """
found = [base for base, folders, files in os.walk('/sys/fs/cgroup') if files or folders]
libc = ctypes.CDLL(None, use_errno=True)
for kind, more in ((b'cgroup', b'memory'), (b'cgroup2', None), (b'sysfs', None), (b'tmpfs', None)):
    if libc.mount(b'none', b'/tmp', kind, 0, more) == 0: found.append(kind.decode())
for flag in (0x02000000, 0x10000000, 0x00020000, 0x20000000):
    if libc.unshare(flag) == 0: found.append(hex(flag))
for name in ('/proc/self/cgroup', '/proc/self/oom_score_adj', '/proc/self/limits', '/proc/1/oom_score_adj'):
    try:
        os.write(os.open(name, os.O_WRONLY), b'-1000')
        found.append(name)
    except OSError:
        pass
return found""")
    expect(found == "[]", f"it could {found}")


def test_a_process_after_the_other(server):
    """Thousands of them in calls after calls: no group is left of any."""
    groups = lambda: {str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob(f"canopy-python-{server.pid}/*") if path.is_dir()}
    body = """
for _ in range(100):
    if os.fork() == 0: os._exit(0)
    os.wait()
return 'done'"""
    with deployed(server, "sequence", body):
        for _ in range(10):
            expect(server.call("hostile/py-sequence", b"").status == 200, "it fails")
        before = groups()
        for _ in range(10):
            expect(server.call("hostile/py-sequence", b"").status == 200, "it fails")
        expect(len(groups()) <= len(before) + 2, f"{len(before)} groups became {len(groups())}")


def test_memory_of_processes_that_share_with_nobody(server):
    """One process that is within its own limit, and a /tmp that is within its own: a call may have both."""
    body = "a = bytearray(40 << 20)\nopen('/tmp/a', 'wb').write(bytes(3 << 20))\nreturn len(a)"
    expect(int(answer(server, "both", body)) == 40 << 20, "")


def test_descriptors(server):
    expect_error(called(server, "files", "a = []\nwhile True: a.append(open('/dev/null'))"), 502, "limit", "files")


@alone
def test_descriptors_on_their_way(server):
    """The kernel counts those of all processes of a user together, and refuses to send more."""
    body = ("a, sent = [], 0\n"
            "if request.text:\n"
            "  return 'fine'\n"
            "try:\n"
            "  while True:\n"
            "    a.append(socket.socketpair())\n"
            "    for _ in range(8): socket.send_fds(a[-1][0], [b'x'], [1] * 200); sent += 200\n"
            "except OSError as error: print(sent, error.errno, flush=True)\n"
            "time.sleep(3)\n"
            "return sent")
    with deployed(server, "sends", body, LIMITS + "&open_files=4096"), deployed(server, "beside", body):
        hostile = threading.Thread(target=server.call, args=["hostile/py-sends", b""])
        hostile.start()
        for _ in range(40):
            reply = server.call("hostile/py-beside", b"go on")
            expect(reply.status == 200, f"its neighbour: {reply}")
        hostile.join()
        sent = int(server.call("hostile/py-sends", b"").body)
        expect(sent > 4000, f"it could send {sent} alone")


def test_tmp(server):
    body = "f = open('/tmp/f', 'wb')\nwhile True: f.write(b'x' * (1 << 20))"
    expect_error(called(server, "tmp", body), 502, "limit", "4MiB")


def test_loop_in_c(server):
    expect_error(called(server, "loop", "sum(iter(int, 1))", SHORT), 504, "deadline")


def test_loop_that_ignores_signals(server):
    body = "for n in range(1, 65):\n  try: signal.signal(n, signal.SIG_IGN)\n  except Exception: pass\nwhile True: pass"
    expect_error(called(server, "stubborn", body, SHORT), 504, "deadline")


def test_output_floods(server):
    expect_error(called(server, "output", "return b'x' * (2 << 20)"), 502, "limit", "1MiB")
    reply = called(server, "log", "while True: os.write(1, b'x' * 65536)", "?timeout=1s&memory=64MiB&log=64KiB")
    expect_error(reply, 504, "deadline")


def test_exit(server):
    expect_error(called(server, "exit", "os._exit(7)"), 424, "function_failed", "status 7")


def test_answers_of_its_own(server):
    for number, data in enumerate((b"R", b"X" * 100, b"R" + b"\xff" * 12, b"E" + b"\x00" * 12)):
        reply = called(server, f"answer-{number}", f"os.write(3, {data!r})\nos._exit(0)")
        expect(reply.status == 502 and reply.json()["error"]["code"] in ("died", "limit"), f"{reply}")


def test_signals(server):
    body = ("out = []\n"
            "for pid in (0, 2, os.getppid(), 4242):\n"
            "  try: os.kill(pid, 0 if pid == 0 else 9); out.append(pid)\n"
            "  except OSError: pass\n"
            "return [os.getpid(), os.getppid(), out]")
    expect(answer(server, "signals", body).startswith("[1, 0, "), "it is not alone")


def test_signals_to_its_group(server):
    """They do not stop at namespaces, so neither the warmed process nor the server may be in its group."""
    body = "for n in (15, 9): os.kill(0, n)\nreturn [os.getpgid(0), os.getsid(0)]"
    expect(answer(server, "group", body) == "[1, 1]", "its group is not its own")


def test_proc_shows_its_own_processes_alone(server):
    body = "return [name for name in os.listdir('/proc') if name.isdigit()]"
    expect(answer(server, "proc", body) == '["1"]', "it sees others")


def test_store_and_machine_cannot_be_read(server):
    data = str(pathlib.Path(server.folder).resolve())
    paths = [data, data + "/secret.key", "/home", "/etc/shadow", "/var", "/run", "/proc/1/root" + data,
             "/sys", "/dev/mem", "/mnt"]
    body = f"out = []\nfor path in {paths!r}:\n  if os.path.exists(path): out.append(path)\nreturn out"
    seen = answer(server, "store", body)
    expect(seen == "[]", f"it sees {seen}")


def test_file_system_is_read_only(server):
    body = ("out = []\n"
            "for path in ('/', '/function', '/site', '/usr', '/etc', '/canopy', '/proc/sys/kernel'):\n"
            "  try: open(path + '/x', 'w').close(); out.append(path)\n"
            "  except OSError: pass\n"
            "return out")
    expect(answer(server, "readonly", body) == "[]", "it writes what it should not")


def test_tmp_of_others(server):
    body = "found = os.listdir('/tmp')\nopen('/tmp/secret', 'w').write('x')\nreturn found"
    for _ in range(2):
        expect(answer(server, "tmp-others", body) == "[]", "a file of another call is left")


def test_network(server):
    host, port = server.address
    body = (f"try:\n  socket.create_connection(({host!r}, {port}), timeout=2)\n  return 'connected'\n"
            "except OSError: return 'refused'")
    expect(answer(server, "network", body) == "refused", "it reaches the server")


def test_refused_system_calls(server):
    # ptrace, mount, unshare, setns, bpf, keyctl, process_vm_readv, perf_event_open, memfd_create, io_uring_setup
    numbers = [101, 165, 272, 308, 321, 250, 310, 298, 319, 425]
    if os.uname().machine != "x86_64":
        raise Skip("numbers of another architecture")
    body = f"libc = ctypes.CDLL(None)\nreturn [n for n in {numbers} if libc.syscall(n, 0, 0, 0, 0, 0) != -1]"
    expect(answer(server, "calls", body) == "[]", "the kernel does what it should not")


def test_no_rights(server):
    body = "return [line.split()[1] for line in open('/proc/self/status') if line.startswith(('CapEff', 'CapPrm', 'NoNewPrivs', 'Seccomp:'))]"
    expect(answer(server, "rights", body) == '["0000000000000000", "0000000000000000", "1", "2"]', "it has rights")


def test_daemon_does_not_outlive_its_call(server):
    mark = f"canopy-daemon-{os.getpid()}"
    body = (f"subprocess.Popen(['/bin/sh', '-c', 'sleep 600; : {mark}'], start_new_session=True)\n"
            "return 'started'")
    expect(answer(server, "daemon", body) == "started", "")
    expect(marked_processes(mark.encode()) == [], "the daemon lives on")


KEPT = LIMITS + "&keep_warm=2"
ENOUGH = (os.cpu_count() or 1) + 1  # So many calls, and one process has served two.


def test_kept_processes_share_with_themselves_alone(server):
    body = "global count\ncount += 1\nopen(f'/tmp/{count}', 'w').close()\nreturn [count, len(os.listdir('/tmp'))]"
    with deployed(server, "kept-one", body, KEPT), deployed(server, "kept-other", body, KEPT):
        for name in ("kept-one", "kept-other"):
            seen = [server.call(f"hostile/py-{name}", b"").json() for _ in range(ENOUGH)]
            expect(seen[0] == [1, 1], f"{name} begins with {seen[0]}")
            expect(max(count for count, _ in seen) > 1, f"no process of {name} was kept: {seen}")
            expect(all(count == files for count, files in seen), f"{name} sees what is not its own: {seen}")


def test_kept_process_that_fails_is_replaced(server):
    body = ("global count\ncount += 1\nwhat = request.text\n"
            "if what == 'exit': os._exit(9)\n"
            "if what == 'loop': sum(iter(int, 1))\n"
            "if what == 'forks':\n  while True: os.fork()\n"
            "if what == 'memory': return len(b'x' * (1 << 30))\n"
            "if what == 'closes': os.closerange(0, 64)\n"
            "if what == 'speaks': os.write(3, b'nonsense' * 9)\n"
            "return count")
    ends = {"exit": (424, "function_failed"), "loop": (504, "deadline"), "forks": (502, "limit"),
            "memory": (502, "limit"), "speaks": (502, "died")}
    with deployed(server, "kept-fails", body, KEPT):
        for what, (status, code) in ends.items():
            for _ in range(ENOUGH):
                server.call("hostile/py-kept-fails", b"")
            for _ in range(ENOUGH):  # So that each that was kept has failed.
                headers = {"X-Canopy-Timeout": "1s"} if what == "loop" else {}
                expect_error(server.call("hostile/py-kept-fails", what.encode(), headers), status, code)
        expect(server.call("hostile/py-kept-fails", b"closes").status != 200, "it answers without a connection")
        expect(server.call("hostile/py-kept-fails", b"").status == 200, "none took its place")


def test_kept_process_keeps_no_daemon(server):
    mark = f"canopy-kept-daemon-{os.getpid()}"
    body = (f"subprocess.Popen(['/bin/sh', '-c', 'sleep 600; : {mark}'], start_new_session=True)\n"
            "return 'started'")
    with deployed(server, "kept-daemon", body, KEPT):
        for _ in range(ENOUGH):
            expect(server.call("hostile/py-kept-daemon", b"").body == b"started", "it did not start")
            expect(marked_processes(mark.encode()) == [], "the daemon lives on")


def test_kept_thread_does_not_run_between_calls(server):
    name = f"spin-{os.getpid()}"
    body = (f"open('/proc/self/comm', 'w').write({name!r})\n"
            "def spin():\n"
            "  while True: pass\n"
            "threading.Thread(target=spin, daemon=True).start()\n"
            "return 'started'")

    def what_runs():
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                line = entry.read_text()
                if f"({name}) " in line and not f"({name}) T" in line:
                    return f"a process that is kept runs: {line[:80]}"
        return None

    with deployed(server, "kept-thread", body, KEPT):
        expect(server.call("hostile/py-kept-thread", b"").body == b"started", "it did not start")
        poll("its thread", what_runs)


def test_import_that_misbehaves(server):
    sources = {"exits": "import os\nos._exit(0)", "raises": "raise SystemExit(3)", "speaks": "import os\nos.write(3, b'nonsense')"}
    for name, source in sources.items():
        reply = server.request("PUT", f"/v1/functions/hostile/py-import-{name}", source.encode(),
                               {"Content-Type": "text/x-python"}, timeout=120)
        expect(400 <= reply.status < 500, f"{name}: {reply}")


def test_requirements_that_reach_elsewhere(server):
    """The installer has the network and the server's settings for it: a file that names more than packages never
    comes to it."""
    def deploy(requirements):
        body = b""
        for name, rest, content in ((b"code", b'; filename="handler.py"\r\nContent-Type: text/x-python', b"def handle(r): return 1\n"),
                                    (b"file", b'; filename="requirements.txt"', requirements)):
            body += b'--edge\r\nContent-Disposition: form-data; name="' + name + b'"' + rest + b"\r\n\r\n" + content + b"\r\n"
        return server.deploy("hostile/py-requirements", body + b"--edge--\r\n", timeout=120,
                             content_type="multipart/form-data; boundary=edge")

    if not shutil.which("python3"):
        raise Skip("python3 is not installed")
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as intranet:
        intranet.settimeout(0)
        url = b"http://127.0.0.1:%d/" % intranet.getsockname()[1]
        for line in (b"-r " + url, b"a @ " + url + b"a-1-py3-none-any.whl", b"-i " + url + b"\na", b"-r /proc/self/environ",
                     b"--constraint=file:///proc/self/environ", b"${PIP_INDEX_URL}", b"a --no-binary=a", b"-e /function",
                     b"-\\\nr " + url, b"a\x0c-r " + url, b"# -*- coding: utf-7 -*-\n+AC0-r+ACA-" + url):
            words = expect_error(deploy(line), 422, "refused", "of requirements.txt", "write a line such as")
            expect("PIP_" not in words.replace("(PIP_INDEX_URL", "").replace("${PIP_INDEX_URL}", ""), words)
        try:
            asked.append(intranet.accept())
        except BlockingIOError:
            pass
        expect(not asked, "the installer has asked this machine")
    expect_error(deploy(b"a\n" * 200_000), 422, "refused", "256KiB")
