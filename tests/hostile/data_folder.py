"""Disks that are full, read-only, damaged, of another time, or somebody else's."""
import contextlib
import os
import pathlib
import shutil
import subprocess

from harness import Server, Skip, expect, expect_error, guest, new_folder, processor_seconds
import harness


class Place:
    """Each test starts its own servers, so there is nothing around it to compare."""

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        pass

    def check(self, test):
        test()

    def processor_seconds(self):
        return processor_seconds()


def make_place():
    return Place()


@contextlib.contextmanager
def running(folder, *flags):
    server = Server(folder, *flags).started()
    try:
        yield server
    finally:
        server.stop()


def filled(count=3):
    """A data folder with functions in it."""
    folder = new_folder("filled")
    with running(folder) as server:
        for i in range(count):
            server.deployed(f"data/f{i}", guest("echo.wat"))
    return folder


def refuses(folder, *words):
    message = Server(folder).failed_to_start()
    for word in words:
        expect(str(word) in message, f"{word!r} was expected: {message}")
    expect(len(message.strip().splitlines()) == 1, f"one sentence was expected: {message}")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "lock"}


def answers(folder, count=3):
    with running(folder) as server:
        for i in range(count):
            reply = server.call(f"data/f{i}", b"here")
            expect(reply.status == 200 and reply.body == b"here", f"data/f{i}: {reply}")


def test_missing_is_made():
    folder = new_folder("missing") / "a" / "b c" / "\u0434\u0430\u043d\u043d\u044b\u0435"
    with running(folder) as server:
        server.deployed("data/f0", guest("echo.wat"))
    answers(folder, 1)


def test_a_file_instead_of_a_folder():
    path = new_folder("file") / "data"
    path.write_text("mine")
    refuses(path, path)
    refuses(path / "below", path)
    expect(path.read_text() == "mine", "the file was changed")


def test_functions_survive_a_kill():
    folder = new_folder("killed")
    server = Server(folder).started()
    for i in range(5):
        server.deployed(f"data/f{i}", guest("echo.wat"))
    server.kill()
    answers(folder, 5)


def test_a_second_process():
    folder = filled()
    with running(folder) as server:
        refuses(folder, folder, "in use", f"process {server.pid}", "--data")
        link = folder.parent / (folder.name + "-link")
        link.symlink_to(folder)
        refuses(link, "in use")
        expect(server.call("data/f0", b"x").body == b"x", "the first one was disturbed")
    answers(folder)


def test_a_corrupt_catalog():
    def garbage(data):
        return b"this was a catalog, and is none any more" * 100

    def torn(data):
        return data[:len(data) // 2]

    def zeroed_page(data):
        return data[:4096] + b"\0" * (len(data) - 4096)

    def flipped(data):
        return data[:100] + bytes(byte ^ 0x55 for byte in data[100:])

    for damage in (garbage, torn, zeroed_page, flipped):
        folder = filled()
        catalog = folder / "catalog.db"
        for extra in ("catalog.db-wal", "catalog.db-shm"):
            (folder / extra).unlink(missing_ok=True)
        catalog.write_bytes(damage(catalog.read_bytes()))
        before = contents(folder)
        refuses(folder, catalog)
        after = contents(folder)
        expect(after["catalog.db"] == before["catalog.db"], f"{damage.__name__}: the damaged file was changed")
        refuses(folder, catalog)  # Nor the second time.


def test_an_empty_catalog_beside_code():
    folder = filled()
    for extra in ("catalog.db-wal", "catalog.db-shm"):
        (folder / extra).unlink(missing_ok=True)
    (folder / "catalog.db").write_bytes(b"")
    refuses(folder, folder / "catalog.db")
    (folder / "catalog.db").unlink()
    refuses(folder, "catalog.db")


def test_odd_files_in_the_catalogs_place():
    for make in (os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)):
        folder = new_folder("odd")
        make(folder / "catalog.db")
        refuses(folder, folder / "catalog.db")


def test_a_newer_format():
    folder = filled()
    format = folder / "format"
    text = format.read_text()
    for newer in (f"{int(text) + 1}\n", "999\n"):
        format.write_text(newer)
        refuses(folder, format, newer.strip(), "newer")
        expect(format.read_text() == newer, "the format was changed")
    for damaged in ("", "one", "-1", "1" * 1000, "\0"):
        format.write_text(damaged)
        refuses(folder, format)
    format.write_text(text)
    answers(folder)


def test_lost_and_damaged_code():
    folder = filled(1)
    code = [path for path in (folder / "code").rglob("*") if path.is_file()]
    expect(len(code) == 1, f"{code}")
    shutil.rmtree(folder / "compiled")
    answers(folder, 1)  # It is compiled anew.
    for path in (folder / "compiled").rglob("*.cwasm"):
        path.write_bytes(path.read_bytes()[:100])
    with running(folder) as server:  # Damaged compiled code: made anew, or said; never run.
        reply = server.call("data/f0", b"here")
        expect(reply.status == 200 and reply.body == b"here", f"half a compiled file: {reply}")
    shutil.rmtree(folder / "compiled")
    code[0].chmod(0o600)
    code[0].unlink()
    with running(folder) as server:
        reply = server.call("data/f0", b"here")
        expect(reply.status in (500, 503), f"{reply}")
        expect_error(reply, reply.status, reply.json()["error"]["code"])
        server.deployed("data/other", guest("echo.wat"))


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root may mount")


@contextlib.contextmanager
def mounted(options):
    need_root()
    folder = new_folder("mounted")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if made.returncode != 0:
        raise Skip(f"mounting is not allowed here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def test_read_only():
    with mounted("size=16m") as folder:
        inside = folder / "data"
        shutil.copytree(filled(), inside)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        refuses(inside, inside, "Read-only file system")
        refuses(folder / "new", "Read-only file system")
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        answers(inside)


def test_missing_rights():
    if os.geteuid() == 0:
        raise Skip("root has all rights")
    folder = filled()
    folder.chmod(0o500)
    try:
        refuses(folder, folder)
    finally:
        folder.chmod(0o700)


def fill(folder):
    """Until not a byte more goes in."""
    with open(folder / "filler", "wb", buffering=0) as file:
        for size in (1 << 16, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                pass


def test_full_disk():
    with mounted("size=4m") as folder:
        inside = folder / "data"
        with running(inside) as server:
            server.deployed("data/f0", guest("echo.wat"))
            expect(server.call("data/f0", b"x").body == b"x", "it does not answer")
            fill(folder)
            for _ in range(3):
                reply = server.deploy("data/f1", guest("echo.wat").replace(b"canopy_handle", b"canopy_handle") + b"\0\5\4full")
                expect_error(reply, 503, "unavailable")
            large = guest("echo.wat") + b"\0\xff\xff\x7f\4full" + b"\0" * ((1 << 21) - 7)
            expect(server.deploy("data/f2", large).status in (422, 503), "a large module on a full disk")
            expect(server.call("data/f0", b"y").body == b"y", "calls stopped because the disk is full")
            expect_error(server.call("data/f1"), 404, "not_found")
            (folder / "filler").unlink()
            server.deployed("data/f1", guest("echo.wat"))
        answers(inside, 2)
        fill(folder)
        server = Server(inside)  # Starting on a full disk: it serves what is there, or says why not.
        if server.address:
            expect(server.call("data/f0", b"z").body == b"z", "it started, and does not answer")
            server.stop()
        else:
            expect("No space left" in server.failed_to_start(), server.words())
        (folder / "filler").unlink()
        answers(inside, 2)


def test_disk_full_from_the_start():
    with mounted("size=64k") as folder:
        fill(folder)
        server = Server(folder / "data")
        if server.address:
            server.stop()
            raise harness.Failure("it started on a disk without a free byte")
        expect("No space left" in server.failed_to_start(), server.words())


def test_bad_settings():
    for flags, words in ((["--listen=nowhere"], ["listen"]), (["--memory-max=lots"], ["memory-max", "lots"]),
                         (["--memry-max=1MiB"], ["memry-max", "memory-max"]), (["--config=/nonexistent"], ["/nonexistent"]),
                         (["--listen=0.0.0.0:0", "--auth=off"], ["insecure"]), (["--cores=-1"], ["cores"]),
                         (["--tls-cert=/nonexistent", "--tls-key=/nonexistent"], ["/nonexistent"])):
        server = Server(new_folder("settings"), *flags)
        message = server.failed_to_start()
        for word in words:
            expect(word in message, f"{flags}: {message}")
