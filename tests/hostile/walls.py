"""Functions that look for a way out of their process, and what the kernel says of that meanwhile: /proc of the server
and of all that it starts."""
import json
import os
import pathlib
import platform
import pwd
import shutil

import harness
from harness import Place, Skip, expect
from python import answer, deployed

USER = "nobody"


class WalledPlace(Place):
    """A server that was started as root and is another; where this is not root, as whoever this is."""

    def __enter__(self):
        self.is_root = os.geteuid() == 0
        self.user = USER if self.is_root else pwd.getpwuid(os.geteuid()).pw_name
        for folder in (harness._work, harness._work.parent):  # Open to pass through, of those that are ours.
            if folder.name.startswith(("canopy-hostile-", "lane-")):
                folder.chmod(0o711)
        folder = harness.new_folder("data")
        if self.is_root:
            shutil.chown(folder, USER)
        flags = [f"--user={USER}"] if self.is_root else []
        self.server = harness.Server(folder, "--container-engine=off", *flags, *self.flags).started()
        self.server.user = self.user
        self.server.deployed("neighbour/echo", harness.guest("echo.wat"))
        for _ in range(16):
            harness.Neighbour(self.server).ask_many(20)
        return self

    def __exit__(self, *failure):
        self.server.stop()


def make_place():
    return WalledPlace("--records-max=1000", "--records-bytes=8MiB", "--wall-tasks=2000")


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {word: rest.strip() for word, _, rest in (line.partition(":") for line in lines)}


def expect_walls(server):
    """Of the server and all below it, as often as it is asked; how many were seen."""
    found = [server.pid]
    for one in found:
        try:
            is_now = status(one)
            if is_now["State"].startswith("Z"):
                continue
            for task in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
                found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue  # It has ended.
        number = str(pwd.getpwnam(server.user).pw_uid)
        expect(set(is_now["Uid"].split()) == {number}, f"{one} {is_now['Name']} runs as {is_now['Uid']}")
        expect(is_now["NoNewPrivs"] == "1" and is_now["Seccomp"] == "2", f"{one} {is_now['Name']} has lost a wall")
    expect(int(status(server.pid)["CapEff"], 16) == 0, f"the server has capabilities: {status(server.pid)['CapEff']}")
    return len(found)


def test_the_kernel_says_what_debug_state_says(server):
    walls = server.request("GET", "/debug/state").json()["walls"]
    kernel = status(server.pid)
    expect(walls["user"] == server.user and walls["capabilities"] == 0, f"{walls}")
    expect(walls["no_new_privileges"] and kernel["NoNewPrivs"] == "1", f"{walls} {kernel['NoNewPrivs']}")
    expect(walls["seccomp"].startswith("allow-list of ") and kernel["Seccomp"] == "2", f"{walls} {kernel['Seccomp']}")
    expect_walls(server)


def test_no_function_becomes_another_user(server):
    body = """told = []
for what in ("setuid(0)", "setgid(0)", "setresuid(0, 0, 0)", "setgroups([0])", "chroot('/')"):
    try:
        eval("os." + what)
        told.append(what)
    except OSError:
        pass
return [told, open("/proc/self/status").read()]"""
    with deployed(server, "user", body):
        reply = server.call("hostile/py-user", b"")
        expect(reply.status == 200, f"{reply}")
        told, text = reply.json()
        expect("NoNewPrivs:\t1" in text and "Seccomp:\t2" in text and "CapEff:\t0000000000000000" in text, f"{text}")
        expect(set(told) <= {"setuid(0)", "setgid(0)", "setresuid(0, 0, 0)"}, f"a function did {told}")
        expect(expect_walls(server) > 1, "no process of the function was looked at")


def test_a_function_that_looks_for_calls_finds_none(server):
    if platform.machine() != "x86_64":
        raise Skip("the numbers of these calls are another machine's")
    body = """libc = ctypes.CDLL(None, use_errno=True)
found = []
for number in (101, 175, 313, 169, 246, 310, 311, 321, 425, 323, 298, 304, 248, 250, 161, 172):
    ctypes.set_errno(0)
    if libc.syscall(number, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in (1, 38):
        found.append((number, ctypes.get_errno()))
return found"""
    expect(answer(server, "calls", body) in ("[]", "[]\n"), "a function made a call that nobody needs")
    expect_walls(server)


def test_a_function_makes_no_pair_of_sockets_of_odd_families(server):
    """Of families that socket() refuses, the kernel makes sockets here as well, or loads a module for it."""
    body = """libc = ctypes.CDLL(None, use_errno=True)
pair = (ctypes.c_int * 2)()
found = []
for family in (2, 15, 16, 17, 29, 30, 31, 38, 40, 41, 42, 43, 44):
    ctypes.set_errno(0)
    if libc.socketpair(family, 1, 0, pair) != -1 or ctypes.get_errno() != 97:
        found.append((family, ctypes.get_errno()))
return [found, libc.socketpair(1, 1, 0, pair)]"""
    expect(answer(server, "pairs", body).strip() == "[[], 0]", "a function made sockets that it may not make")


def test_a_function_sees_certificates_and_no_keys(server):
    """Which lie beside them, and the server's user may read them: it answers in TLS with one."""
    found = answer(server, "keys", "return os.listdir('/etc/ssl') if os.path.exists('/etc/ssl') else []")
    expect(set(json.loads(found)) <= {"certs", "cert.pem", "openssl.cnf"}, f"a function sees in /etc/ssl {found}")


def test_no_number_leaves_the_server_root(server):
    if os.geteuid() != 0:
        raise Skip("only root becomes another")
    for number in ("4294967295", "0", "00"):
        said = harness.Server(harness.new_folder("data"), f"--user={number}").failed_to_start()
        expect(f"--user={number}" in said, f"{said}")


def test_a_start_that_would_give_away_what_is_not_its_own_is_refused(server):
    if os.geteuid() != 0:
        raise Skip("only root has something to give away")
    for folder, words in (("/etc", "/etc is not of that user"), (harness.new_folder("of-root"), "is not of that user")):
        before = os.stat(folder)
        said = harness.Server(folder, f"--user={USER}").failed_to_start()
        expect(words in said and "chown -R" in said, f"--data={folder}: {said}")
        after = os.stat(folder)
        expect((before.st_uid, before.st_mode) == (after.st_uid, after.st_mode), f"{folder} has changed")
