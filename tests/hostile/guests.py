"""Functions that use all they can get, and reach for what they must not have."""
import hashlib
import pathlib
import re
import time

from harness import Place, expect, expect_error, guest, wat

KINDS = "?timeout=1s&memory=16MiB&output=1MiB&log=64KiB&tmp=1MiB&open_files=16"


def make_place():
    return Place("--records-max=1000", "--records-bytes=8MiB", "--compile-timeout=5s")


def abuse(server, word):
    server.deployed("guests/abuse", guest("abuse.c"), KINDS)
    return server.call("guests/abuse", word.encode())


def says(reply, *lines):
    expect(reply.status == 200, f"{reply}")
    for line in lines:
        expect(line.encode() in reply.body, f"{line!r} was expected: {reply}")


def test_loop(server):
    expect_error(abuse(server, "loop"), 504, "deadline", "while it ran", "timeout")


def test_many_loops(server):
    import threading
    abuse(server, "nothing")
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(server.call("guests/abuse", b"loop"))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for reply in replies:
        expect_error(reply, 504, "deadline")


def test_long_instructions(server):
    """Each is one instruction over nearly 1 GiB, which takes seconds where it is done in one piece."""
    for name, body in (("fill", "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3f000000))"),
                       ("copy", "(memory.copy (i32.const 4) (i32.const 0) (i32.const 0x3efffff0))"),
                       ("back", "(memory.copy (i32.const 0) (i32.const 4) (i32.const 0x3efffff0))")):
        server.deployed(f"guests/{name}", wat(f"""(module (memory (export "memory") 0x3f00)
          (func (export "_start") (loop $l {body} (br $l))))"""), "?timeout=1s&memory=1GiB")
        expect_error(server.call(f"guests/{name}"), 504, "deadline", "while it ran")
    far = wat("""(module (memory (export "memory") 1) (func $far (export "_start")
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3f000000))))""")
    server.deployed("guests/far", far)
    expect_error(server.call("guests/far"), 502, "died", "out of bounds", "memory.fill", "far")


def test_sleep(server):
    expect_error(abuse(server, "sleep"), 504, "deadline", "while it waited", "timeout")


def test_recurse(server):
    expect_error(abuse(server, "recurse"), 502, "died", "stack overflow", "recurse")
    deep = wat('(module (memory (export "memory") 1) (func $deep (export "_start") (call $deep)))')
    server.deployed("guests/deep", deep)
    expect_error(server.call("guests/deep"), 502, "died", "stack overflow", "deep")


def test_allocate_without_end(server):
    says(abuse(server, "memory"), "refused at pages 2")
    reply = abuse(server, "memory")
    expect(int(reply.headers["X-Memory-Bytes"]) <= 16 << 20, f"it had {reply.headers['X-Memory-Bytes']} bytes")


def test_grow_tables(server):
    module = wat("""(module (import "canopy" "output_write" (func $out (param i32 i32))) (memory (export "memory") 1)
      (table $t 1 funcref)
      (func (export "_start") (loop $more
        (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
        (i32.store (i32.const 0) (table.size $t)) (call $out (i32.const 0) (i32.const 4))))""")
    server.deployed("guests/table", module)
    reply = server.call("guests/table")
    size = int.from_bytes(reply.body, "little")
    expect(reply.status == 200 and 90000 < size <= 100000, f"a table of {size} elements: {reply}")


def test_flood_output(server):
    for word in ("output", "stdout"):
        expect_error(abuse(server, word), 502, "limit", "output limit of 1MiB", "manifest")


def test_flood_logs(server):
    for word in ("logs", "lines"):
        reply = abuse(server, word)
        says(reply, "done")
        log = server.log_of(reply)
        expect(log.status == 200 and len(log.body) < 96 << 10, f"{log.status}, {len(log.body)} bytes of log")
        id = reply.headers["X-Call-Id"]
        record = server.request("GET", f"/v1/calls/{id}").json()
        expect(record["log_dropped_bytes"] > 1 << 20, f"{record}")


def test_open_many_files(server):
    reply = abuse(server, "open")
    says(reply, "errno is EMFILE 1")
    count = int(re.search(rb"open files (\d+)", reply.body)[1])
    expect(count <= 16, f"{count} files of 16 were opened")


def test_write_tmp_without_end(server):
    reply = abuse(server, "write")
    says(reply, "errno is ENOSPC 1", "a hole of 1 TiB -1")
    size = int(re.search(rb"written (\d+)", reply.body)[1])
    expect(1 << 19 < size <= 1 << 20, f"{size} bytes of 1 MiB were written")
    says(abuse(server, "list /tmp"))
    expect(b"large" not in abuse(server, "list /tmp").body, "the file is still there in the next call")


def test_a_million_tiny_files(server):
    reply = abuse(server, "many-files")
    says(reply, "errno is ENOSPC 1")
    count = int(re.search(rb"files (\d+)", reply.body)[1])
    expect(count < 1 << 14, f"{count} files in 1 MiB")


def test_read_the_host(server):
    secret = pathlib.Path(server.folder) / "secret"
    secret.write_text("the host's own")
    pid = server.pid
    for path in ("/etc/shadow", "../../etc/shadow", "/tmp/../../../etc/shadow", str(secret), "../" * 20 + str(secret),
                 f"/proc/{pid}/environ", "/proc/self/environ", "/dev/null", "/sys/kernel", "/root/.bashrc", "/bin/sh",
                 str(server.folder / "catalog.db"), "/etc/hostname", "//etc//shadow", "/./etc/./shadow"):
        reply = abuse(server, f"read {path}")
        expect(reply.status == 200 and reply.body.startswith(b"no "), f"{path}: {reply}")
    says(abuse(server, "read /etc/passwd"), "read: ")
    host = pathlib.Path("/etc/passwd").read_bytes()
    expect(abuse(server, "read /etc/passwd").body != b"read: " + host[:1000], "it reads the host's /etc/passwd")
    expect(b"proc" not in abuse(server, "list /").body, "it lists the host's root")


def test_symlinks(server):
    reply = abuse(server, "escape")
    expect(reply.status == 200 and reply.body == b"nothing", f"{reply}")


def test_trap_at_start(server):
    for body in ("unreachable", "(drop (i32.load (i32.const -1)))", "(drop (i32.div_s (i32.const 1) (i32.const 0)))"):
        server.deployed("guests/trap", wat(f'(module (memory (export "memory") 1) (func $first (export "_start") {body}))'))
        expect_error(server.call("guests/trap"), 502, "died", "trapped", "first")
    segment = wat('(module (memory (export "memory") 1) (data (i32.const 65536) "x") (func (export "_start")))')
    reply = server.deploy("guests/segment", segment)
    if reply.status == 201:
        reply = server.call("guests/segment")
        expect_error(reply, 502, "died", "out of bounds")
    else:
        expect_error(reply, 422, "refused")
    start = wat('(module (memory (export "memory") 1) (func $boot unreachable) (start $boot) (func (export "_start")))')
    reply = server.deploy("guests/boot", start)
    if reply.status == 201:
        expect_error(server.call("guests/boot"), 502, "died", "boot")
    else:
        expect_error(reply, 422, "refused", "boot")


def test_trap_in_init(server):
    for name in ("canopy_init", "_initialize"):
        module = wat(f'(module (memory (export "memory") 1) (func $begin (export "{name}") unreachable)'
                     '(func (export "canopy_handle") (result i32) i32.const 0))')
        expect_error(server.deploy("guests/init", module), 422, "refused", "unreachable", "begin")
    endless = wat('(module (memory (export "memory") 1) (func (export "canopy_init") (loop $l (br $l)))'
                  '(func (export "canopy_handle") (result i32) i32.const 0))')
    expect_error(server.deploy("guests/init", endless), 422, "refused", "5s")
    exits = wat('(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)'
                '(func (export "canopy_init") (call $exit (i32.const 0)))(func (export "canopy_handle") (result i32) i32.const 0))')
    expect_error(server.deploy("guests/init", exits), 422, "refused", "ended the program")
    expect_error(server.call("guests/init"), 404, "not_found")


def test_exit_codes(server):
    expect_error(abuse(server, "exit 3"), 424, "function_failed", "3")
    expect_error(abuse(server, "return 7"), 424, "function_failed", "7")
    expect(abuse(server, "exit 0").status == 200, "exit(0) is no failure")
    expect_error(abuse(server, "exit -1"), 424, "function_failed")
    expect_error(abuse(server, "abort"), 502, "died", "unreachable")
    expect_error(abuse(server, "null"), 502, "died", "out of bounds")


def test_pointers_outside_of_memory(server):
    reply = abuse(server, "pointers wasi")
    if reply.status == 200:
        for line in reply.body.decode().splitlines()[:-1]:
            expect(line.rsplit(" ", 1)[1] != "0", f"{line}: it was answered")
    else:
        expect_error(reply, 502, "died", "memory")
    for which in ("output", "output-far", "input", "header", "log"):
        expect_error(abuse(server, f"pointers {which}"), 502, "died", "outside of its memory")


def test_statuses(server):
    for bad in (99, 100, 199, 600, 1000, 0, -1):
        reply = abuse(server, f"status {bad}")
        expect(reply.status == 200 and reply.body == b"status -1\n", f"{bad}: {reply}")
    for good in (200, 204, 205, 304, 404, 500, 599):
        reply = abuse(server, f"status {good}")
        expect(reply.status == good, f"{good}: {reply}")
    # It writes a body with each; what has none must not be followed by one, for it would be the next reply.
    requests = b"".join(b"POST /function/guests/abuse HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nstatus %d" % status
                        for status in (204, 205, 304, 200))
    replies = server.raw(requests)
    expect([reply.status for reply in replies] == [204, 205, 304, 200], f"{[str(reply) for reply in replies]}")
    expect([bool(reply.body) for reply in replies] == [False, False, False, True], f"{[str(reply) for reply in replies]}")


def test_ten_thousand_reply_headers(server):
    reply = abuse(server, "headers")
    says(reply, "set 100")
    expect(sum(name.startswith("X-Many-") for name in reply.headers) == 100, f"{len(reply.headers)} headers")


def test_header_injection(server):
    reply = abuse(server, "inject")
    lines = reply.body.decode().splitlines()
    expect(reply.status == 200 and len(lines) == 18, f"{reply}")
    for line in lines:
        expect(line.endswith(" -1"), f"{line}: it was set")
    expect("X-Injected" not in reply.headers and b"<html>" not in reply.body, f"{reply.headers}")


def test_output_that_is_no_text(server):
    reply = abuse(server, "bytes")
    expect(reply.status == 200 and reply.body == b"\xff\xfe\xc3\x28\0\x80", f"{reply}")
    expect(reply.headers["Content-Type"] == "application/octet-stream", f"{reply.headers}")


def test_log_with_control_characters(server):
    reply = abuse(server, "control")
    expect(reply.status == 200, f"{reply}")
    log = server.log_of(reply)
    expect(log.status == 200 and b"forged" in log.body, f"{log}")
    events = server.request("GET", f"/v1/calls/{reply.headers['X-Call-Id']}")
    events.json()
    expect("forged" not in server.words() or "\x1b" not in server.words(), "it writes into the server's own log")


def unfrozen(server, name, query):
    server.deployed(f"guests/{name}", guest(name + ".c"), query)
    reply = server.call(f"guests/{name}")
    expect(reply.status == 200, f"{reply}")
    return reply.body.decode().split()


def check_unfrozen(server, name):
    seen = [unfrozen(server, name, "?env=VALUE%3Done") for _ in range(20)]
    expect(len({each[0] for each in seen}) == 20, f"the same random bytes twice: {seen}")
    expect(len({each[1] for each in seen}) == 20, f"the time stands still: {seen}")
    expect(abs(float(seen[-1][1]) - time.time()) < 5, f"it thinks it is {seen[-1][1]}")
    expect(all(each[2] == "one" and each[3] == "998001" for each in seen), f"{seen}")
    expect(unfrozen(server, name, "?env=VALUE%3Dtwo")[2] == "two", "the environment is frozen")
    expect(unfrozen(server, name, "?env=OTHER%3D1")[2] == "-", "the environment of another version is seen")


def plan_of(server, name):
    """What the compiler wrote beside the module of a function without files."""
    function = server.request("GET", f"/v1/functions/guests/{name}").json()
    seen = f"{function['digest']}\n{function['limits']['memory_bytes']}\n"
    plans = list(pathlib.Path(server.folder).rglob(f"{hashlib.sha256(seen.encode()).hexdigest()}*.plan"))
    expect(len(plans) == 1, f"{len(plans)} plans of {name}")
    return plans[0].read_text()


def test_image_freezes_nothing(server):
    check_unfrozen(server, "unfrozen")
    expect("preinitialised 1" in plan_of(server, "unfrozen"), "it was not pre-initialised, so this proves nothing")


def test_unsound_init_is_not_frozen(server):
    check_unfrozen(server, "unfreezable")
    expect("preinitialised 0" in plan_of(server, "unfreezable"), "it was frozen")


def test_every_kind_a_hundred_times(server):
    """What one call leaves behind could be too little to see; what a hundred leave is not."""
    words = ["recurse", "memory", "output", "open", "write", "escape", "exit 3", "abort", "pointers output", "logs", "headers"]
    abuse(server, "nothing")
    for i in range(100):
        reply = server.call("guests/abuse", words[i % len(words)].encode())
        expect(reply.status in (200, 424, 502), f"{words[i % len(words)]}: {reply}")
