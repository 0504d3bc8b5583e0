"""Container functions that end, hang, grow, multiply, and look for what is not theirs; and images that are none."""
import gzip
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading

from harness import Place, Server, Skip, expect, expect_error, new_folder, poll, run_tool
from containers.left import Containers  # (Beside the folders of the tests, which harness has made known.)

SOURCE = pathlib.Path(__file__).resolve().parents[1] / "containers" / "server.c"
LIMITS = "?runtime=container&timeout=5s&memory=32MiB&output=1MiB&log=64KiB&tmp=4MiB"
_server = None
_containers = {}  # By the folder of their server.


def make_place():
    return Place("--records-max=1000", "--records-bytes=8MiB", "--containers-max=6")


def program():
    """A static server that does what its calls say."""
    global _server
    if os.geteuid() != 0 or not shutil.which("runc"):
        raise Skip("it takes root and runc")
    if not shutil.which("cc"):
        raise Skip("there is no C compiler")
    if _server is None:
        with tempfile.TemporaryDirectory() as folder:
            made = pathlib.Path(folder) / "server"
            run_tool("cc", "-O2", "-static", "-pthread", SOURCE, "-o", made)
            _server = made.read_bytes()
    return _server


def tar(entries):
    """An archive of (name, content), or of (name, type, link, mode)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, *rest in entries:
            info = tarfile.TarInfo(name)
            if len(rest) == 1:
                info.size, info.mode = len(rest[0]), 0o755
                archive.addfile(info, io.BytesIO(rest[0]))
            else:
                info.type, info.linkname, info.mode = rest
                archive.addfile(info)
    return out.getvalue()


def image(*layers, command=("/server",), config=None):
    config = config or {"os": "linux", "config": {"Entrypoint": list(command)}}
    files = [("config.json", json.dumps(config).encode())]
    files += [(f"layer{i}.tar", layer) for i, layer in enumerate(layers)]
    manifest = [{"Config": "config.json", "Layers": [f"layer{i}.tar" for i in range(len(layers))]}]
    return tar([("manifest.json", json.dumps(manifest).encode()), *files])


def server_image(*command):
    return image(tar([("server", program())]), command=("/server", *command))


def deploy(server, name, content, query=LIMITS):
    return server.request("PUT", f"/v1/functions/hostile/c-{name}{query}", content,
                          {"Content-Type": "application/x-tar"}, timeout=300)


def states(server):
    """What there is of the containers of that server."""
    folder = str(server.folder)
    return _containers.setdefault(folder, Containers(folder)).left()


def no_container_is_left(server):
    def wrong():
        left = states(server)
        return f"there is {left}" if left else None
    poll("containers", wrong, timeout=20)


class function:
    """A function while it is there; nothing of it is left behind."""

    def __init__(self, server, name, content=None, query=LIMITS, alone=True):
        self.server, self.name, self.content, self.query, self.alone = server, name, content, query, alone

    def __enter__(self):
        reply = deploy(self.server, self.name, self.content or server_image(), self.query)
        expect(reply.status in (200, 201), f"{self.name} could not be deployed: {reply}")
        return self

    def call(self, path="/echo", body=b"", headers=None, timeout=30):
        return self.server.request("POST", f"/function/hostile/c-{self.name}{path}", body, headers, timeout)

    def text(self, path):
        reply = self.call(path)
        expect(reply.status == 200, f"{self.name}{path}: {reply}")
        return reply.body.decode()

    def __exit__(self, *_):
        states(self.server)  # So that they are known by name.
        self.server.request("DELETE", f"/v1/functions/hostile/c-{self.name}")
        for _ in range(24):  # Each core lets go of it when it hears of that: with its next call.
            self.server.call("neighbour/echo", b"x")
        if not self.alone:
            return
        no_container_is_left(self.server)


def still_answers(one):
    reply = one.call("/echo", b"again")
    expect(reply.status == 200 and reply.body == b"again", f"the function is dead: {reply}")


def test_images_that_are_none(server):
    program()
    for words, content in {"no tar": b"hello" * 1000, "empty": b"", "gunzip": gzip.compress(server_image()),
                           "made for": image(b"", config={"os": "plan9", "architecture": "x"}),
                           "does not say what it runs": tar([("bin/x", b"x")])}.items():
        reply = deploy(server, "none", content)
        if words == "empty":
            expect(reply.status in (400, 422), f"{reply}")
        else:
            expect_error(reply, 422, "refused", words)


def test_layers_that_lead_out(server):
    program()
    mark = pathlib.Path("/tmp/canopy-hostile-escaped")
    mark.unlink(missing_ok=True)
    link = (tarfile.SYMTYPE, "/tmp", 0o777)
    dots = (tarfile.SYMTYPE, "../../../../../../tmp", 0o777)
    for name, layers, refused in [
            ("dots", [tar([("../../../../../tmp/canopy-hostile-escaped", b"x")])], True),
            ("link", [tar([("out", *link)]), tar([("out/canopy-hostile-escaped", b"x")])], False),
            ("up", [tar([("out", *dots)]), tar([("out/canopy-hostile-escaped", b"x")])], False),
            ("hard", [tar([("etc/shadow", tarfile.LNKTYPE, "../../etc/shadow", 0o644)])], True),
            ("hidden", [tar([("out", *link)]), tar([("out/.wh.canopy-hostile-kept", b"")])], False)]:
        kept = pathlib.Path("/tmp/canopy-hostile-kept")
        kept.write_text("x")
        reply = deploy(server, name, image(tar([("server", program())]), *layers))
        expect(not mark.exists(), f"{name} has written outside")
        expect(kept.exists(), f"{name} has removed what is outside")
        kept.unlink()
        if refused:
            expect_error(reply, 422, "refused", "leaves the archive")
        server.request("DELETE", f"/v1/functions/hostile/c-{name}")


def test_folders_without_end(server):
    """Paths that name thousands of folders, in an archive of some kilobytes."""
    program()
    deep = "/".join("n" * 1990)
    layer = gzip.compress(tar([(f"{i}/{deep}", b"") for i in range(100)]))
    reply = deploy(server, "folders", image(tar([("server", program())]), layer))
    expect_error(reply, 422, "refused", "deep")
    link = [("a/" * 100 + "b", tarfile.DIRTYPE, "", 0o755), ("l", tarfile.SYMTYPE, "a/" * 100 + "b", 0o777)]
    further = [("l/" + "a/" * 200 + "b", tarfile.DIRTYPE, "", 0o755)]
    reply = deploy(server, "folders", image(tar([("server", program())]), tar(link), tar(further)))
    expect_error(reply, 422, "refused", "deep")


def test_devices(server):
    program()
    reply = deploy(server, "device", image(tar([("sda", tarfile.BLKTYPE, "", 0o666)])))
    expect_error(reply, 422, "refused", "device")


def test_archives_that_grow(server):
    program()
    zeros = tar([("zeros", b"\0" * (64 << 20))])
    layer = gzip.compress(zeros)
    reply = deploy(server, "bomb", image(*[layer] * 40))  # 2.5 GiB out of 2.5 MiB.
    expect_error(reply, 413, "too_large", "larger")
    many = gzip.compress(tar([(f"f{i}", b"") for i in range(10_000)]))
    reply = deploy(server, "files", image(*[many] * 21))  # 210,000 where 200,000 may be.
    expect_error(reply, 413, "too_large", "files")


def test_odd_settings(server):
    content = server_image()
    for setting, words in {"container=concurrency: 0": "concurrency", "container=cpu: 0": "cores",
                           "container=instances: 0": "instances", "container=contract: soap": "contract",
                           "container=nonsense: 1": "nonsense", "memory=1MiB": "memory", "fetch=*": "network",
                           "container=[": "container"}.items():
        key, value = setting.split("=", 1)
        query = f"{LIMITS}&{key}={value.replace(' ', '%20').replace('[', '%5B')}"
        if key == "memory":
            query = query.replace("memory=32MiB&", "")
        reply = deploy(server, "odd", content, query)
        expect(reply.status in (400, 422), f"{setting}: {reply}")
        expect(words in reply.json()["error"]["message"], f"{setting}: {reply}")


def test_without_any_settings(server):
    with function(server, "plain", query="") as one:
        still_answers(one)


def test_a_program_that_is_not_there(server):
    with function(server, "nowhere", image(tar([("server", program())]), command=("/nowhere",))) as one:
        for _ in range(3):
            expect_error(one.call(), 502, "died", "nowhere")


def test_one_that_ends_at_once(server):
    with function(server, "quits", server_image("quit", "3")) as one:
        for _ in range(5):
            expect_error(one.call(), 502, "died", "status 3", "I quit")


def test_one_that_never_listens(server):
    query = LIMITS + "&container=start:%20500ms"
    with function(server, "deaf", server_image("deaf"), query) as one:
        for _ in range(2):
            expect_error(one.call(), 502, "died", "did not listen", "500ms")


def test_one_that_listens_late(server):
    with function(server, "late", server_image("late", "700")) as one:
        still_answers(one)


def test_ends_under_its_calls(server):
    with function(server, "ends") as one:
        still_answers(one)
        expect_error(one.call("/exit/7"), 502, "died", "status 7")
        still_answers(one)
        expect_error(one.call("/close"), 502, "died", "closed")
        expect_error(one.call("/uneven"), 502, "died", "HTTP")
        still_answers(one)


def test_memory_bomb(server):
    with function(server, "memory") as one:
        expect_error(one.call("/memory"), 502, "limit", "32MiB")
        still_answers(one)


def test_fork_bomb(server):
    query = LIMITS + "&container=processes:%2016"
    with function(server, "forks", query=query) as one:
        count = int(one.text("/forks"))
        expect(0 < count < 17, f"{count} processes")


def test_more_processes_than_the_machine_has(server):
    with function(server, "greedy", query=LIMITS + "&container=processes:%20100000") as one:
        still_answers(one)
        limits = [pathlib.Path(place) / "pids.max" for place in states(server) if place.startswith("/sys/")]
        granted = [int(limit.read_text()) for limit in limits if limit.exists()]
        most = int(pathlib.Path("/proc/sys/kernel/pid_max").read_text()) // 8
        expect(granted and max(granted) <= most, f"it may have {granted} of {8 * most} processes")


def test_hangs_and_loops(server):
    for name in ("hang", "loop"):
        for settings in ("", "&container=concurrency:%201"):
            with function(server, name, query=LIMITS.replace("timeout=5s", "timeout=1s") + settings) as one:
                expect_error(one.call(f"/{name}"), 504, "deadline")
                still_answers(one)


def test_floods(server):
    with function(server, "floods", query=LIMITS.replace("timeout=5s", "timeout=2s")) as one:
        expect_error(one.call("/flood"), 504, "deadline")
        reply = one.call("/echo", b"x" * (2 << 20))
        expect_error(reply, 502, "limit", "1MiB")
        still_answers(one)


def test_walls(server):
    host, port = server.address
    with function(server, "walls") as one:
        for path in ("server", "etc/x", "x", "proc/sys/kernel/hostname", "sys/x"):
            expect(one.text(f"/write/{path}") != "done", f"it writes /{path}")
        expect(one.text("/write/tmp/x") == "done", "it has no /tmp")
        expect(one.text(f"/connect/{host}/{port}") != "done", "it reaches the server")
        expect(one.text("/connect/192.0.2.1/80") == "Network is unreachable", "it has a network")
        for hidden in ("kcore", "kallsyms", "keys", "cmdline", "interrupts"):
            text = one.text(f"/read/proc/{hidden}")
            expect(text in ("", "Permission denied", "No such file or directory"), f"it reads /proc/{hidden}: {text[:100]!r}")
        expect(not set(one.text("/read/proc").split()) & {str(server.pid)}, "it sees the server")
        status = one.text("/status")
        for line in ("Uid:\t65534\t", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1",
                     "Seccomp:\t2"):
            expect(line in status, f"{line!r} is not in {status}")
        folder = str(pathlib.Path(server.folder).resolve())
        expect("No such file" in one.text(f"/read{folder}"), "it sees the server's data")
        if os.uname().machine == "x86_64":  # ptrace, mount, unshare, setns, bpf, keyctl, perf_event_open
            for number in (101, 165, 272, 308, 321, 250, 298):
                expect(one.text(f"/call/{number}") == "1", f"system call {number} is not refused")


def test_tmp_is_bounded_and_private(server):
    with function(server, "tmp") as one, function(server, "tmp-other", alone=False) as other:
        expect(one.text("/write/tmp/secret") == "done", "it has no /tmp")
        expect("secret" not in other.text("/read/tmp"), "another function sees its /tmp")


def test_what_a_function_left_is_gone_with_it(server):
    with function(server, "left") as one:
        expect(one.text("/write/tmp/secret") == "done", "it has no /tmp")
        reply = server.request("DELETE", "/v1/functions/hostile/c-left")
        expect(reply.status == 200, f"{reply}")
        reply = deploy(server, "left", server_image())
        expect(reply.status == 201, f"{reply}")
        expect("secret" not in one.text("/read/tmp"), "the next function of the name sees what was left")


def test_secrets_that_change(server):
    with function(server, "secrets") as one:
        place = "/v1/secrets/hostile/WORD?function=c-secrets"
        for value in ("first", "second", None):
            reply = server.request("PUT", place, value) if value else server.request("DELETE", place)
            expect(reply.status in (200, 201), f"{reply}")
            seen = {one.text("/env/WORD") for _ in range(12)}
            expect(seen == {value or "(none)"}, f"after {value!r} its calls see {seen}")


def test_answers_that_lie(server):
    """However a function's own server answers, the next call has the next answer."""
    good = b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok"
    with function(server, "liar") as one:
        for answer, status in [(good + good.replace(b"ok", b"no"), 200), (good + b"behind it", 200),
                               (good.replace(b"h: 2", b"h: 2\r\nContent-Length: 3"), 502),
                               (good.replace(b"h: 2", b"h: 2\r\nTransfer-Encoding: chunked"), 502),
                               (good.replace(b"h: 2", b"h: -2"), 502), (good.replace(b"200", b"101"), 502),
                               (good.replace(b"200", b"999"), 424), (b"HTTP/1.1 100 Go\r\n\r\n" * 20 + good, 502),
                               (b"HTTP/1.1 200 Fine\r\n" + b"a: b\r\n" * 50_000 + b"Content-Length: 0\r\n\r\n", 502),
                               (good.replace(b"Fine", b"Fine\r\nX: a\rSet-Cookie: b"), 502)]:
            reply = one.call("/say", answer)
            expect(reply.status == status, f"{answer[:60]!r}: {reply}")
            expect("Set-Cookie" not in reply.headers, f"{answer[:60]!r}: {reply.headers}")
            still_answers(one)


def test_concurrency_is_kept(server):
    query = LIMITS + "&container=%7Bconcurrency:%201,%20instances:%201%7D"
    with function(server, "single", server_image("one"), query) as one:
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(one.call("/sleep/20"))) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(all(reply.status == 200 for reply in replies), f"{[str(r) for r in replies if r.status != 200]}")


def test_a_crowd_at_a_cold_function(server):
    with function(server, "crowd") as one:
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(one.call("/echo", b"hi"))) for _ in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        good = [reply for reply in replies if reply.status == 200 and reply.body == b"hi"]
        bad = [str(reply) for reply in replies if reply not in good]
        expect(len(good) == 64, f"{len(good)} of 64 answered; else {bad[:3]}")


def test_more_functions_than_there_is_room(server):
    names = [f"many-{i}" for i in range(9)]  # --containers-max=6
    opened = [function(server, name).__enter__() for name in names]
    try:
        for one in opened:
            still_answers(one)
    finally:
        for one in opened:
            server.request("DELETE", f"/v1/functions/hostile/c-{one.name}")
        opened[-1].__exit__()


def test_headers_are_not_torn(server):
    with function(server, "headers") as one:
        host, port = server.address
        with socket.create_connection((host, port), timeout=20) as connection:
            connection.sendall(b"POST /function/hostile/c-headers/echo HTTP/1.1\r\nHost: x\r\nX-Call-Id: forged\r\n"
                               b"Connection: close\r\nContent-Length: 2\r\n\r\nhi")
            text = b""
            while piece := connection.recv(65536):
                text += piece
        expect(text.startswith(b"HTTP/1.1 200") and text.endswith(b"hi"), f"{text[:300]!r}")
        expect(b"forged" not in text, f"{text[:300]!r}")


def test_killed_server_leaves_nothing(server):
    program()
    own = Server(new_folder("container-kill")).started()
    try:
        still_answers(function(own, "orphan").__enter__())
        expect(states(own), "there is no container")
    finally:
        own.kill()
    no_container_is_left(own)
