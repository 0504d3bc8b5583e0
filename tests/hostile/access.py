"""Those who have no key, somebody else's, or an old one; and those who try many. Each test has a server of its own
that demands keys, beside the one whose neighbour is watched."""
import contextlib
import json
import os
import random
import re
import statistics
import string
import threading
import time

import harness
from harness import Place, Server, alone, expect, expect_error, new_folder, read_reply, wat

ECHO = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""


def make_place():
    return Place()


class Guarded(Server):
    """A server that demands keys, with an administrator, and bob and alice, who have a function each."""

    def __init__(self, *flags):
        folder = new_folder("guarded")
        super().__init__(folder, "--auth=on", *flags)
        self.started()
        self.admin = self.find_admin_key()
        self.bob = self.make_user("bob")
        self.alice = self.make_user("alice")
        for name, key in (("bob", self.bob), ("alice", self.alice)):
            reply = self.ask("PUT", f"/v1/functions/{name}/echo", key, wat(ECHO), "application/wasm")
            expect(reply.status == 201, f"deploying for {name}: {reply}")

    def find_admin_key(self):
        expect(self.start_lines.count("cnp_") == 1, f"one key is shown at the first start: {self.start_lines}")
        return re.search(r"cnp_\w+", self.start_lines)[0]

    def ask(self, method, target, key=None, body=None, kind=None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if kind:
            headers["Content-Type"] = kind
        return self.request(method, target, body, headers)

    def post(self, target, key, value):
        return self.ask("POST", target, key, json.dumps(value), "application/json")

    def make_user(self, name, **more):
        reply = self.post("/v1/users", self.admin, {"name": name, **more})
        expect(reply.status == 201, f"making {name}: {reply}")
        return reply.json()["key"]["key"]

    def make_key(self, key, **draft):
        reply = self.post("/v1/keys", key, draft)
        expect(reply.status == 201, f"making a key: {reply}")
        return reply.json()


@contextlib.contextmanager
def guarded(*flags):
    server = Guarded(*flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def all_doors(server):
    """(method, path) of each route of the description, about bob's things."""
    fill = {"namespace": "bob", "name": "echo", "id": "a" * 32, "user": "bob",
            "task_id": "a" * 8 + "-aaaa-4aaa-8aaa-" + "a" * 12}
    for path, item in server.ask("GET", "/openapi.json").json()["paths"].items():
        values = dict(fill, id="a" * 16) if "/keys/" in path else fill
        for method in item:
            if method in ("get", "put", "post", "patch", "delete", "head", "options"):
                yield method.upper(), re.sub(r"{(\w+)}", lambda match: values[match[1]], path)


OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs", "/", "/v1/login"}


def test_no_route_opens_without_a_good_key(_):
    with guarded() as server:
        old = server.make_key(server.bob, expires="1ms")["key"]
        gone = server.make_key(server.bob)
        expect(server.ask("DELETE", f"/v1/keys/{gone['id']}", server.bob).status == 200, "the key was not revoked")
        doors = list(all_doors(server))
        expect(len(doors) > 40, f"{len(doors)} routes only")
        for key in (None, old, gone["key"], server.bob[:-1] + "x", server.bob.upper(), "cnp_", "a" * 85):
            for method, path in doors:
                reply = server.ask(method, path, key)
                if path in OPEN:
                    expect(reply.status != 401 or path == "/v1/login", f"{method} {path}: {reply}")
                else:
                    expect(reply.status == 401, f"{method} {path} with {key}: {reply}")


def test_no_body_is_read_from_those_without_a_key(_):
    """Else they could fill the room that there is for all bodies together."""
    with guarded() as server:
        for path in ("/register_function", "/execute_function", "/u/bob/fn/f", "/async-function/bob/echo", "/function/bob/echo",
                     "/v1/functions/bob/echo/calls"):
            with server.connect() as connection, connection.makefile("rb") as file:
                connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n".encode())
                reply = read_reply(file)  # Of the body, not one byte was sent.
                expect_error(reply, 401, "unauthorized", "canopy key create")


def test_a_foreign_key_changes_and_shows_nothing(_):
    with guarded() as server:
        expect(server.ask("PUT", "/v1/secrets/bob/echo", server.bob, "hidden words").status == 201, "no secret")
        for method, path in all_doors(server):
            if path in OPEN or path == "/v1/events":
                continue
            reply = server.ask(method, path, server.alice)
            expect(b"bob" not in reply.body.replace(b"bob/echo; dep", b"").replace(b"function bob/echo", b"")
                   .replace(b"user bob;", b"").replace(b"namespace bob of yours", b"") or reply.status == 403,
                   f"{method} {path}: {reply}")
            expect(b"hidden words" not in reply.body, f"{method} {path}: {reply}")
        reply = server.ask("POST", "/function/bob/echo", server.bob, "still here")
        expect(reply.body == b"still here", f"bob's function: {reply}")
        expect(len(server.ask("GET", "/v1/secrets", server.bob).json()["secrets"]) == 1, "bob's secret is gone")


def test_pages_of_other_sites_get_nothing_of_an_open_server(server):
    """The server of this group demands no keys: a page that somebody looks at beside it must not get at it."""
    eve = json.dumps({"name": "eve", "role": "admin"})
    for name, value in (("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")):
        headers = {name: value, "Content-Type": "text/plain"}  # What a browser sends without asking first.
        for method, path, body in (("POST", "/v1/users", eve), ("POST", "/v1/functions/neighbour/echo/rollback", ""),
                                   ("POST", "/async-function/neighbour/echo", "x"), ("POST", "/u/eve", "")):
            expect(server.request(method, path, body, headers).status == 403, f"{method} {path} with {name}: {value}")
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example"):  # It leads to 127.0.0.1 by now.
        for method, path, body in (("GET", "/v1/functions", None), ("PUT", "/v1/functions/eve/eve", "x"),
                                   ("POST", "/v1/users", eve), ("GET", "/metrics", None), ("GET", "/u/eve/fn", None)):
            reply = server.request(method, path, body, {"Host": host, "Origin": f"http://{host}"})
            expect_error(reply, 403, "forbidden", host.split(":")[0])
    for host in ("localhost", "127.0.0.1:1", "[::1]:8080", "build-machine"):
        expect(server.request("GET", "/v1/functions", None, {"Host": host}).status == 200, f"asked as {host}")
    reply = server.request("POST", "/function/neighbour/echo", b"x", {"Host": "shop.example", "Origin": "http://a.example"})
    expect(reply.body == b"x", f"a function is called by a page: {reply}")
    expect(server.request("GET", "/v1/users").json()["users"] == [], "a page has made a user")


def test_odd_ways_to_show_a_key(_):
    with guarded() as server:
        key = server.bob.encode()
        head = b"GET /v1/functions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        for line, status in ((b"Authorization: Bearer " + key, 200), (b"authorization: bearer " + key, 200),
                             (b"Authorization:   Bearer   " + key + b"  ", 200),
                             (b"Authorization: Bearer\t" + key, 401), (b"Authorization: Basic " + key, 401),
                             (b"Authorization: " + key, 401), (b"Authorization: Bearer", 401),
                             (b"Authorization: Bearer " + key + b" " + key, 401),
                             (b"Authorization: Bearer " + key + b"\xc3\xa9", 401),
                             (b"Authorization: Bearer " + b"x" * 9000, 401), (b"X-Api-Key: " + key, 401),
                             (b"Cookie: key=" + key, 401)):
            replies = server.raw(head + line + b"\r\n\r\n")
            expect([reply.status for reply in replies] == [status], f"{line[:60]}: {replies and replies[0]}")
        expect(server.ask("GET", f"/v1/functions?key={server.bob}").status == 401, "a key in the address opens")
        two = head + b"Authorization: Bearer nonsense\r\nAuthorization: Bearer " + key + b"\r\n\r\n"
        expect(server.raw(two)[0].status in (400, 401), "the second of two keys opens")


def test_a_revoked_key_opens_nothing_from_its_answer_on(_):
    with guarded() as server:
        key = server.make_key(server.bob)
        revoked_at = [float("inf")]
        wrong, counts = [], []

        def call():
            count = 0
            with server.connect() as connection, connection.makefile("rb") as file:
                while True:
                    began = time.monotonic()
                    connection.sendall(f"POST /function/bob/echo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                                       f"{key['key']}\r\nContent-Length: 2\r\n\r\nhi".encode())
                    reply = read_reply(file)
                    if reply.status == 401:
                        break
                    if reply.status != 200 or began > revoked_at[0]:
                        wrong.append(f"{reply} {began - revoked_at[0]:.6f} s after the revocation")
                        break
                    count += 1
            counts.append(count)

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        reply = server.ask("DELETE", f"/v1/keys/{key['id']}", server.bob)
        revoked_at[0] = time.monotonic()
        expect(reply.status == 200, f"{reply}")
        for thread in threads:
            thread.join(30)
        expect(not wrong and len(counts) == 8 and min(counts) > 0, f"{wrong} {counts}")


def time_of(connection, file, data):
    began = time.perf_counter()
    connection.sendall(data)
    reply = read_reply(file)
    return time.perf_counter() - began, reply


def compare(server, one, other, what, rounds=600):
    """The medians of two requests that must not be told apart, asked in turns on one connection."""
    times = ([], [])
    with server.connect() as connection, connection.makefile("rb") as file:
        for index in range(2 * rounds):
            data = (one, other)[index % 2]
            took, reply = time_of(connection, file, data)
            times[index % 2].append(took)
    medians = [statistics.median(part) * 1e6 for part in times]
    ratio = max(medians) / min(medians)
    expect(ratio < 1.3, f"{what}: {medians[0]:.1f} us against {medians[1]:.1f} us")


@alone
def test_time_tells_nothing_apart(_):
    with guarded() as server:
        called = server.ask("POST", "/function/bob/echo", server.bob, "x")
        call = called.headers["X-Call-Id"]
        expect(server.ask("PUT", "/v1/secrets/bob/TOKEN", server.bob, "x").status == 201, "no secret")

        submitted = server.ask("POST", "/async-function/bob/echo", server.bob, "x")
        expect(submitted.status == 202, f"{submitted}")
        durable = submitted.json()["id"]
        ended = server.ask("GET", f"/v1/calls/{durable}?wait=30s", server.bob)
        expect(ended.json()["state"] == "COMPLETED", f"{ended}")

        def get(path, key=server.alice, method="GET"):
            return (f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
                    "Content-Length: 0\r\n\r\n").encode()

        for there, absent in (("/v1/functions/bob/echo", "/v1/functions/bob/nope"),
                              ("/v1/functions/bob/echo", "/v1/functions/nil/echo"),
                              ("/v1/functions/bob/echo/versions", "/v1/functions/nil/echo/versions"),
                              ("/function/bob/echo", "/function/nil/echo"),
                              (f"/v1/calls/{call}", "/v1/calls/" + "b" * 32),
                              (f"/v1/calls/{call}/logs", f"/v1/calls/{'b' * 32}/logs"),
                              (f"/v1/calls/{durable}", "/v1/calls/" + "b" * 32),
                              (f"/v1/calls/{durable}/result", f"/v1/calls/{'b' * 32}/result"),
                              (f"/v1/calls/{durable}/logs", f"/v1/calls/{'b' * 32}/logs"),
                              ("/v1/users/bob", "/v1/users/nil")):
            compare(server, get(there), get(absent), f"{there} against {absent}")
        compare(server, get("/v1/secrets/bob/TOKEN", method="DELETE"), get("/v1/secrets/nil/TOKEN", method="DELETE"),
                "a foreign secret")
        compare(server, get(f"/v1/calls/{durable}", method="DELETE"), get("/v1/calls/" + "b" * 32, method="DELETE"),
                "the end of a foreign call")
        compare(server, get(f"/v1/calls/{durable}/retry", method="POST"),
                get(f"/v1/calls/{'b' * 32}/retry", method="POST"), "another turn of a foreign call")
        # A key whose id is right and one whose id is not.
        wrong = server.bob[:21] + "0" * 64
        unknown = "cnp_" + "0" * 16 + "_" + "0" * 64
        compare(server, get("/v1/functions", wrong), get("/v1/functions", unknown), "the id of a key")


def test_what_is_followed_ends_when_its_key_expires(_):
    with guarded() as server:
        key = server.make_key(server.bob, expires="2s")["key"]
        streams = []
        for path in ("/v1/events", "/v1/functions/bob/echo/logs?follow=true"):
            connection = server.connect()
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                               f"Authorization: Bearer {key}\r\n\r\n".encode())
            streams.append((path, connection, connection.makefile("rb")))
        for path, _, file in streams:
            expect(b" 200 " in file.readline(), f"{path} is not followed")
        limit = time.monotonic() + 30
        while server.ask("GET", "/v1/functions", key).status == 200:
            expect(time.monotonic() < limit, "the key does not expire")
        reply = server.ask("POST", "/function/bob/echo", server.bob, "x")
        late = reply.headers["X-Call-Id"].encode()
        for path, connection, file in streams:
            connection.settimeout(30)  # A stream looks at its key whenever it has something to say, and every 15 s.
            rest = file.read()
            expect(late not in rest, f"{path} told of a call after its key had expired")
            connection.close()


def test_many_wrong_keys_cost_nobody_anything(_):
    with guarded() as server:
        before = memory_of(server)
        with server.connect() as connection, connection.makefile("rb") as file:
            for _ in range(200):
                batch = b"".join(
                    b"GET /v1/functions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer cnp_%016x_%064x\r\n\r\n"
                    % (random.getrandbits(64), random.getrandbits(256)) for _ in range(100))
                connection.sendall(batch)
                for _ in range(100):
                    expect(read_reply(file).status == 401, "a guessed key opens")
        reply = server.ask("POST", "/function/bob/echo", server.bob, "hi")
        expect(reply.body == b"hi", f"{reply}")
        more = memory_of(server) - before
        expect(more < 16 << 20 or harness.is_sanitized, f"{more} bytes more")


def memory_of(server):
    with open(f"/proc/{server.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


def test_many_logins_delay_no_call(_):
    with guarded() as server:
        reply = server.ask("PATCH", "/v1/users/bob", server.bob, json.dumps({"password": "a long password"}))
        expect(reply.status == 200, f"{reply}")
        seen, worst = [], [0.0]

        def try_names():
            for index in range(3):
                name = "bob" if index % 2 else "".join(random.choices(string.ascii_lowercase, k=8))
                reply = server.post("/v1/login", None, {"user": name, "password": "not the password"})
                seen.append(reply.status)

        threads = [threading.Thread(target=try_names) for _ in range(20)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            began = time.monotonic()
            reply = server.ask("POST", "/function/bob/echo", server.bob, "hi")
            expect(reply.body == b"hi", f"{reply}")
            worst[0] = max(worst[0], time.monotonic() - began)
        for thread in threads:
            thread.join()
        expect(set(seen) <= {401, 429} and 429 in seen and 401 in seen, f"{set(seen)}")
        expect(worst[0] < 5, f"a call took {worst[0]:.1f} s meanwhile")
        expect(memory_of(server) < 512 << 20, "passwords are hashed many at once")


def test_what_was_acknowledged_survives_a_kill(_):
    with guarded() as server:
        eve = server.make_user("eve")
        key = server.make_key(server.bob)
        expect(server.ask("PUT", "/v1/secrets/bob/TOKEN", server.bob, "hidden words").status == 201, "no secret")
        expect(server.ask("DELETE", f"/v1/keys/{key['id']}", server.bob).status == 200, "not revoked")
        server.kill()
        again = Server(server.folder, "--auth=on").started()
        try:
            def status(key, path="/v1/functions"):
                return again.request("GET", path, None, {"Authorization": f"Bearer {key}"}).status
            expect(status(eve) == 200, "a user that was acknowledged is gone")
            expect(status(key["key"]) == 401, "a key that was revoked is back")
            expect("cnp_" not in again.start_lines, "a second start shows a key")
            secrets = again.request("GET", "/v1/secrets", None, {"Authorization": f"Bearer {server.bob}"}).json()
            expect([secret["name"] for secret in secrets["secrets"]] == ["TOKEN"], f"{secrets}")
        finally:
            again.kill()
        for folder, _, names in os.walk(server.folder):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    content = file.read()
                for word in (b"hidden words", eve[21:].encode(), server.admin[21:].encode()):
                    expect(word not in content, f"{name} holds what it should not")


def test_a_graceful_stop_loses_no_usage(_):
    with guarded() as server:
        for _ in range(37):
            server.ask("POST", "/function/bob/echo", server.bob, "12345")
        expect(server.stop() == 0, server.words())
        again = Server(server.folder, "--auth=on").started()
        try:
            usage = again.request("GET", "/v1/usage", None, {"Authorization": f"Bearer {server.bob}"}).json()["usage"]
            expect(len(usage) == 1 and usage[0]["calls"] == 37 and usage[0]["input_bytes"] == 185, f"{usage}")
        finally:
            again.kill()


def test_a_user_beyond_its_quota_is_alone_with_it(_):
    with guarded() as server:
        quota = json.dumps({"calls_per_minute": 50})
        expect(server.ask("PUT", "/v1/quotas/bob", server.admin, quota).status == 200, "no quota")
        statuses = []
        for index in range(500):
            reply = server.ask("POST", "/function/bob/echo", server.bob, "x")
            statuses.append(reply.status)
            if reply.status == 429:
                expect_error(reply, 429, "exhausted", "calls_per_minute")
                expect(int(reply.headers["Retry-After"]) >= 1, "no Retry-After")
            if index % 10 == 0:
                other = server.ask("POST", "/function/alice/echo", server.alice, "x")
                expect(other.status == 200, f"alice: {other}")
        answered = statuses.count(200)
        expect(50 <= answered <= 110 and set(statuses) == {200, 429}, f"{answered} of 500 were answered")


BAD_BODIES = [b"", b"{", b"[]", b"null", b'"x"', b"{}x", b"\xff\xfe", b'{"a":1}', b"[" * 5000, b'{"name":' * 2000,
              b'{"name":7}', b'{"name":""}', b'{"name":".."}', b'{"name":"a/b"}', '{"name":"é"}'.encode(),
              b'{"name":"x","role":"king"}', b'{"name":"x","quotas":[]}', b'{"name":"x","quotas":{"functions":-1}}',
              b'{"name":"x","quotas":{"functions":1e999}}', b'{"name":"x","namespaces":[1]}',
              b'{"name":"x","password":"short"}', b'{"user":"bob","password":7}', b'{"label":7}', b'{"expires":"x"}',
              b'{"expires":"9999999d"}', b'{"namespaces":["..","a/b"]}', b'{"functions":"many"}', b'{"disabled":"yes"}']


def test_bad_bodies_and_names_are_refused(_):
    with guarded() as server:
        for method, path in (("POST", "/v1/users"), ("PATCH", "/v1/users/alice"), ("POST", "/v1/keys"),
                             ("POST", "/v1/login"), ("PUT", "/v1/quotas/alice")):
            for body in BAD_BODIES:
                reply = server.ask(method, path, server.admin, body, "application/json")
                expect(reply.status < 500, f"{method} {path} {body[:60]}: {reply}")
        for method, path in (("GET", "/v1/users/%2e%2e"), ("GET", "/v1/users/" + "x" * 64), ("GET", "/v1/users/a%00b"),
                             ("DELETE", "/v1/keys/%2fetc"), ("PUT", "/v1/secrets/bob/A%3DB"),
                             ("PUT", "/v1/secrets/bob/%00"), ("PUT", "/v1/secrets/bob/A?function=..%2f"),
                             ("GET", "/v1/audit?limit=0"), ("GET", "/v1/audit?after=-1"), ("GET", "/v1/usage?since=x"),
                             ("GET", "/v1/usage?by=hour"), ("GET", "/v1/usage?function=a/b/c")):
            reply = server.ask(method, path, server.admin)
            expect(400 <= reply.status < 500, f"{method} {path}: {reply}")
        large = server.ask("PUT", "/v1/secrets/bob/BIG", server.bob, b"x" * 70000)
        expect_error(large, 413, "too_large")
        nul = server.ask("PUT", "/v1/secrets/bob/NUL", server.bob, b"a\0b")
        expect_error(nul, 400, "invalid")
        expect(server.ask("GET", "/v1/users", server.admin).status == 200, "the administrator is locked out")


def test_a_secret_is_nowhere_but_in_its_function(_):
    with guarded() as server:
        word = "words-that-nobody-sees"
        expect(server.ask("PUT", "/v1/secrets/bob/TOKEN", server.bob, word).status == 201, "no secret")
        server.ask("POST", "/function/bob/echo", server.bob, "x")
        for path in ("/v1/functions", "/v1/functions/bob/echo", "/v1/functions/bob/echo/versions", "/v1/secrets",
                     "/v1/audit", "/metrics", "/debug/state", "/v1/calls", "/v1/usage"):
            reply = server.ask("GET", path, server.admin)
            expect(reply.status == 200 and word.encode() not in reply.body, f"{path}: {reply}")
        expect(word not in server.words(), "it is in the server's own log")
