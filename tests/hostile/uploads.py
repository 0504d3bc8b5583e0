"""What is uploaded: modules that are none, or cannot run here, or take all time or memory to compile; names; sizes;
manifests."""
import functools
import os
import threading

from harness import Place, Server, Skip, expect, expect_error, guest, new_folder, poll, wat
import harness

GOOD = '(module (memory (export "memory") 1) (func (export "_start")))'
HEADER = b"\0asm\1\0\0\0"


def make_place():
    return Place("--compile-timeout=2s")


def leb(number):
    out = b""
    while True:
        byte, number = number & 0x7F, number >> 7
        out += bytes([byte | (0x80 if number else 0)])
        if not number:
            return out


def section(id, content):
    return bytes([id]) + leb(len(content)) + content


def vector(items):
    return leb(len(items)) + b"".join(items)


@functools.cache
def heavy_module(function_count=400, step_count=9000):
    """Functions in which a hundred values live all the time: slow to compile, quick to write."""
    steps = b"".join(b"\x20%c\x20%c\x6a\x20%c\x73\x22%c\x20%c\x6c\x21%c" % (
        i % 100, i * 7 % 100, i * 13 % 100, i * 31 % 100, i * 3 % 100, i * 17 % 100) for i in range(step_count))
    body = b"\x01\x64\x7f" + steps + b"\x0b"
    return (HEADER + section(1, vector([b"\x60\0\0"])) + section(3, vector([b"\0"] * function_count))
            + section(5, vector([b"\0\1"]))
            + section(7, vector([vector([b"_", b"s", b"t", b"a", b"r", b"t"]) + b"\0\0"]))
            + section(10, vector([leb(len(body)) + body] * function_count)))


def endless_module(local_count=1000, loop_count=5000):
    """82 KiB that take minutes to compile, since each loop may have changed each of the locals: the work grows with
    the product of the two numbers."""
    body = [b"\x01", leb(local_count), b"\x7f"]
    for i in range(loop_count):
        one, other = leb(i % local_count), leb(i * 7919 % local_count)
        body += [b"\x03\x40\x20", one, b"\x20", other, b"\x6a\x22", one, b"\x0d\0\x0b"]
    for i in range(local_count):
        body += [b"\x20", leb(i), b"\x20", leb((i + 1) % local_count), b"\x6a\x21", leb(i)]
    code = b"".join(body) + b"\x0b"
    return (HEADER + section(1, vector([b"\x60\0\0"])) + section(3, vector([b"\0"]))
            + section(7, vector([vector([b"_", b"s", b"t", b"a", b"r", b"t"]) + b"\0\0"]))
            + section(10, vector([leb(len(code)) + code])))


def refused(server, module, *words, query="", timeout=60):
    """The upload is refused, and what was deployed under that name before is still called."""
    server.deployed("uploads/same", guest("echo.wat"))
    message = expect_error(server.deploy("uploads/same", module, query, timeout=timeout), 422, "refused", *words)
    reply = server.call("uploads/same", b"still here")
    expect(reply.status == 200 and reply.body == b"still here", f"the version before is lost: {reply}")
    expect_error(server.deploy("uploads/new", module, query, timeout=timeout), 422, "refused", *words)
    expect_error(server.call("uploads/new"), 404, "not_found", "uploads/new")
    expect_error(server.request("GET", "/v1/functions/uploads/new"), 404, "not_found", "uploads/new")
    return message


def test_no_module(server):
    refused(server, b"", "empty")
    refused(server, b"#!/bin/sh\necho hello\n", "not a WebAssembly module", "script")
    refused(server, b"\x7fELF\2\1\1" + b"\0" * 60, "not a WebAssembly module", "ELF")
    refused(server, os.urandom(4096) + b"\xff", "not a WebAssembly module")


def test_truncated(server):
    module = guest("echo.wat")
    for size in range(1, 8):
        refused(server, module[:size], "WebAssembly")
    for size in (9, 20, len(module) // 2, len(module) - 1):
        refused(server, module[:size], "byte")


def test_damaged(server):
    """Any one byte changed: it may be another module, but never a server that fails."""
    module = guest("echo.wat")
    for at in range(8, len(module), 7):
        changed = module[:at] + bytes([module[at] ^ 0xFF]) + module[at + 1:]
        status = server.deploy("uploads/damaged", changed).status
        expect(status in (200, 201, 422), f"byte {at} changed: {status}")


def test_wrong_magic_or_version(server):
    refused(server, b"\0asx\1\0\0\0", "not a WebAssembly module")
    refused(server, b"\0asm\2\0\0\0" + guest("echo.wat")[8:], "version 2")


def test_component(server):
    refused(server, b"\0asm\x0d\0\1\0", "component")


def test_unknown_imports(server):
    imports = "".join(f'(import "env" "missing_{i}" (func))' for i in range(20))
    message = refused(server, wat(f'(module {imports} (import "other" "memory" (memory 1)) (func (export "_start")))'))
    for i in range(20):
        expect(f"env.missing_{i}" in message, f"missing_{i} is not listed: {message}")
    expect("other.memory" in message and "21" in message, message)
    refused(server, wat('(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32))) (memory 1)'
                        '(func (export "_start")))'), "fd_write")


def test_ten_thousand_unknown_imports(server):
    name = "n" * 300
    imports = "".join(f'(import "\\1b[31m{name}" "{name}{i}" (func))' for i in range(10000))
    refused(server, wat(f'(module {imports} (func (export "_start")))'), "10000", "more")


def test_no_entry_point(server):
    refused(server, wat('(module (memory (export "memory") 1) (func (export "other")))'), "no entry point", "other")
    refused(server, wat('(module (func (export "canopy_handle") (param i32 i32 i32)))'), "canopy_handle")
    refused(server, wat('(module (func (export "_start") (result f64) f64.const 1))'), "_start")


def test_three_gibibytes_of_memory(server):
    module = wat('(module (memory (export "memory") 49152) (func (export "_start")))')
    refused(server, module, "3GiB", "64MiB")
    reply = server.deploy("uploads/new", module, "?memory=3GiB")
    expect_error(reply, 400, "invalid", "3GiB", "1GiB")


def test_many_memories_and_tables(server):
    refused(server, wat('(module (memory 1) (memory 1) (func (export "_start")))'), "memor")
    refused(server, wat('(module (memory i64 1) (func (export "_start")))'), "64-bit")
    refused(server, wat('(module (memory 1 2 shared) (func (export "_start")))'), "shared")
    refused(server, wat('(module (table 4000000 funcref) (func (export "_start")))'), "4000000", "100000")


def test_compiles_for_minutes(server):
    message = expect_error(server.deploy("uploads/new", endless_module(), timeout=60), 422, "refused", "2s")
    expect("compile-timeout" in message, message)
    expect_error(server.call("uploads/new"), 404, "not_found")
    server.deployed("uploads/after", wat(GOOD))  # The compiler is free again.
    expect(server.call("uploads/after").status == 200, "a deploy after it does not work")


def test_client_leaves_while_it_compiles(server):
    module = heavy_module()
    with server.connect() as connection:
        connection.sendall(b"PUT /v1/functions/uploads/left HTTP/1.1\r\nHost: x\r\nContent-Type: application/wasm\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(module) + module)
    server.deployed("uploads/after", wat(GOOD))


def test_slow_modules_of_one_owner(server):
    """What somebody else deploys waits for one of them at most, and not for all."""
    module = heavy_module(function_count=100)
    ended = []

    def deploy(i):
        reply = server.deploy(f"slow/module{i}", module + section(0, b"\1x%d" % i), timeout=120)
        if reply.status != 201:  # Which a fast machine may do in time.
            expect_error(reply, 422, "refused")
        ended.append(i)

    threads = [threading.Thread(target=deploy, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    poll("they are not being compiled", lambda: None if server.gauges()["processes"] > 0 else "no compiler runs")
    server.deployed("others/hello", wat(GOOD[:-1] + " (func (drop (i32.const 77))))"))
    before = len(ended)
    for thread in threads:
        thread.join()
    expect(len(ended) == 8, f"{len(ended)} of 8 were answered as they should be")
    expect(before <= 5, f"hello waited for {before} of 8")


def test_compiler_out_of_memory(server):
    if harness.is_sanitized:
        raise Skip("a sanitizer takes more addresses than any limit of them, so there is none then")
    other = Server(new_folder("data"), "--compile-memory=64MiB", "--compile-timeout=30s").started()
    try:
        other.deployed("uploads/small", guest("echo.wat"))
        expect_error(other.deploy("uploads/heavy", heavy_module(), timeout=60), 422, "refused", "64MiB",
                     "compile-memory")
        other.deployed("uploads/small2", wat(GOOD))
        expect(other.call("uploads/small", b"x").body == b"x", "the small one does not answer")
    finally:
        other.stop()


def test_hundred_mebibytes_announced(server):
    size = 100 << 20
    with server.connect() as connection, connection.makefile("rb") as file:
        connection.sendall(b"PUT /v1/functions/uploads/large HTTP/1.1\r\nHost: x\r\nContent-Type: application/wasm\r\n"
                           b"Content-Length: %d\r\n\r\n" % size)
        expect_error(harness.read_reply(file), 413, "too_large", "100MiB", "64MiB")
    with server.connect() as connection, connection.makefile("rb") as file:
        connection.sendall(b"PUT /v1/functions/uploads/large HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                           b"Content-Length: %d\r\n\r\n" % size)
        line = file.readline()
        expect(b" 413 " in line, f"100-continue was answered {line!r}")
    expect_error(server.call("uploads/large"), 404, "not_found")


def test_hundred_mebibytes_in_chunks(server):
    piece = b"100000\r\n" + b"\0" * (1 << 20) + b"\r\n"
    with server.connect() as connection, connection.makefile("rb") as file:
        connection.sendall(b"PUT /v1/functions/uploads/large HTTP/1.1\r\nHost: x\r\nContent-Type: application/wasm\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(100):
                connection.sendall(piece)
        except OSError:
            pass  # It closed: the reply is there to be read.
        expect_error(harness.read_reply(file), 413, "too_large", "64MiB")


test_hundred_mebibytes_in_chunks.rss_margin = 48 << 20


def test_one_chunk_of_endless_size(server):
    for size in (b"ffffffffffffffff", b"10000000000000000", b"8000000000000000", b"-1", b"0x10", b""):
        replies = server.raw(b"PUT /v1/functions/uploads/large HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             + size + b"\r\nabc\r\n0\r\n\r\n")
        expect(len(replies) == 1 and replies[0].status in (400, 413), f"{size}: {[str(r) for r in replies]}")


NAMES = {
    "dots": ("/v1/functions/uploads/..", "/v1/functions/../../etc/passwd", "/v1/functions/uploads/a..b"),
    "slash": ("/v1/functions/uploads/a%2fb", "/v1/functions/uploads/%2e%2e%2f%2e%2e%2fetc", "/v1/functions//a",
              "/v1/functions/uploads/a%5cb"),
    "nul": ("/v1/functions/uploads/a%00", "/v1/functions/%00/a", "/v1/functions/uploads/%0a", "/v1/functions/uploads/%7f"),
    "long": ("/v1/functions/uploads/" + "a" * 300, "/v1/functions/" + "a" * 300 + "/a", "/v1/functions/uploads/" + "a" * 64),
    "scripts": ("/v1/functions/uploads/%D0%BF%D1%80", "/v1/functions/uploads/%E5%87%BD%E6%95%B0",
                "/v1/functions/uploads/%F0%9F%8C%B3", "/v1/functions/uploads/a%CC%81", "/v1/functions/uploads/%ff%fe"),
    "other": ("/v1/functions/uploads/%", "/v1/functions/uploads/%zz", "/v1/functions/uploads/-a", "/v1/functions/uploads/.a",
              "/v1/functions/uploads/a%20b", "/v1/functions/uploads/%25"),
}


def check_names(server, kind):
    before = server.request("GET", "/v1/functions").json()
    for target in NAMES[kind]:
        for method, path in (("PUT", target), ("GET", target), ("DELETE", target),
                             ("POST", target.replace("/v1/functions", "/function"))):
            reply = server.request(method, path, guest("echo.wat") if method != "GET" else None)
            status = reply.status
            expect(status in (400, 404), f"{method} {path}: {reply}")
            expect_error(reply, status, "invalid" if status == 400 else "not_found")
            if method == "PUT":
                expect(status == 400 or "/.." in path or "//" in path, f"{method} {path}: {reply}")
    expect(server.request("GET", "/v1/functions").json() == before, "a function of such a name was made")
    for _, folders, files in os.walk(server.folder):
        for name in folders + files:
            expect(all(c.isascii() and (c.isalnum() or c in ".-_") for c in name), f"a file {name!r} was made")


def test_names_with_dots(server):
    check_names(server, "dots")


def test_names_with_slashes(server):
    check_names(server, "slash")


def test_names_with_control_characters(server):
    check_names(server, "nul")


def test_names_of_300_characters(server):
    check_names(server, "long")
    reply = server.deploy("uploads/" + "a" * 300, guest("echo.wat"))
    expect_error(reply, 400, "invalid", "63")
    server.deployed("uploads/" + "a" * 63, guest("echo.wat"))


def test_names_of_other_scripts(server):
    check_names(server, "scripts")


def test_names_of_other_kinds(server):
    check_names(server, "other")


def test_raw_bytes_in_the_name(server):
    for name in (b"\0", b"\xd0\xbf", b"a b", b"a\tb", b"\x7f", b"\x1b[2J"):
        replies = server.raw(b"PUT /v1/functions/uploads/" + name + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        expect(len(replies) == 1 and replies[0].status == 400, f"{name}: {[str(r) for r in replies]}")


def multipart(*parts):
    body = b""
    for name, filename, content in parts:
        place = f'; filename="{filename}"' if filename is not None else ""
        body += f'--edge\r\nContent-Disposition: form-data; name="{name}"{place}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--edge--\r\n"


def deploy_parts(server, *parts):
    return server.deploy("uploads/parts", multipart(*parts), content_type="multipart/form-data; boundary=edge")


def test_files_that_no_call_would_see(server):
    for path, words in (("tmp", "a /tmp of its own"), ("tmp/x", "a /tmp of its own"), ("etc", "the folder /etc")):
        reply = deploy_parts(server, ("code", None, wat(GOOD)), ("file", path, b"hidden"))
        expect_error(reply, 400, "invalid", path, words)
    reply = deploy_parts(server, ("code", None, wat(GOOD)), ("file", "etc/hosts", b"127.0.0.1 me"), ("file", "a/tmp", b""))
    expect(reply.status in (200, 201), f"{reply}")


MANIFESTS = [
    (b"memory: 64MiB\n  timeout: 5s\n", "2:"),
    (b"memory: 64MiB\nmemry: 5s\n", "2:1"),
    (b"memory: 64MiB\ntimeout: soon\n", "2:10"),
    (b"{\"memory\": \"64MiB\",\n \"timeout\" \"5s\"}", "2:"),
    (b"env:\n  GOOD: yes\n  BAD=: x\n", "3:3"),
    (b"memory: [1, 2]\n", "1:9"),
    (b"memory: 64MiB\nmemory: 32MiB\n", "2:1"),
    (b"memory: 99999GiB\n", "1:9"),
    (b"\xff\xfe\x00", "1:1"),
    (b"a: &a [*a, *a]\n", "1:"),
    (b"memory: \"64\n", "1:9"),
    (b"[" * 10000, "1:"),
    (b"? " * 5000, "1:"),
]


def test_malformed_manifests(server):
    for text, place in MANIFESTS:
        reply = deploy_parts(server, ("manifest", "canopy.yaml", text), ("code", "x.wasm", guest("echo.wat")))
        expect(reply.status in (400, 413), f"{text[:40]!r}: {reply}")
        message = expect_error(reply, reply.status, "invalid" if reply.status == 400 else "too_large")
        expect(f"canopy.yaml:{place}" in message, f"{text[:40]!r}: no place {place} in {message!r}")


def test_manifest_bombs(server):
    laughs = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12))
    reply = deploy_parts(server, ("manifest", "canopy.yaml", laughs), ("code", "x.wasm", guest("echo.wat")))
    expect_error(reply, 400, "invalid", "canopy.yaml:1")
    reply = deploy_parts(server, ("manifest", "canopy.yaml", b"#" * (1 << 20)), ("code", "x.wasm", guest("echo.wat")))
    expect_error(reply, 413, "too_large", "256KiB")


def test_malformed_multipart(server):
    code = ("code", "x.wasm", guest("echo.wat"))
    expect_error(deploy_parts(server), 422, "refused", "code")
    expect_error(deploy_parts(server, code, code), 400, "invalid", "code")
    expect_error(deploy_parts(server, code, ("extra", None, b"")), 400, "invalid", "extra")
    for path in ("../x", "/etc/passwd", "a/../../b", "a//b", "", "a/./b", "x" * 2000):
        expect_error(deploy_parts(server, code, ("file", path, b"x")), 400, "invalid", "path")
    whole = multipart(code)
    for body in (whole[:-10], whole[2:], b"", b"--edge", whole.replace(b"edge--", b"egde--")):
        reply = server.deploy("uploads/parts", body, content_type="multipart/form-data; boundary=edge")
        expect(reply.status in (400, 422), f"{body[:40]!r}: {reply}")
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 100):
        expect_error(server.deploy("uploads/parts", whole, content_type=kind), 400, "invalid", "boundary")
    many = multipart(code, *[("file", f"f{i}", b"") for i in range(20000)])
    reply = server.deploy("uploads/parts", many, content_type="multipart/form-data; boundary=edge")
    expect(reply.status in (400, 413), f"20000 parts: {reply}")


def test_many_bad_uploads_at_once(server):
    replies = []

    def upload(i):
        replies.append(server.deploy(f"uploads/many{i}", b"\0asm\1\0\0\0" + os.urandom(50), timeout=60))

    threads = [threading.Thread(target=upload, args=(i,)) for i in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(len(replies) == 100, f"only {len(replies)} of 100 were answered")
    wrong = [str(reply) for reply in replies if reply.status not in (422, 429, 503)]
    expect(not wrong, f"{wrong}")


def test_refused_code_is_not_kept(server):
    def files():
        return sum(len(names) for _, _, names in os.walk(os.path.join(server.folder, "code")))

    before = files()
    for i in range(20):
        server.deploy("uploads/kept", b"no module %d" % i)
        server.deploy("uploads/kept", HEADER + section(0, b"\1x%d" % i))
    expect(files() == before, f"{files() - before} files of refused code are kept")
