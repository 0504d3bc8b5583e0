"""Users of one server who would have all of it: its containers, its disk; and what is left where a namespace changes hands."""
import contextlib
import gzip
import json
import pathlib
import threading

import container
from access import Guarded
from harness import Place, expect, expect_error, poll

ONE_CALL = container.LIMITS.replace("timeout=5s", "timeout=20s") + "&container=" + "%7Bconcurrency%3A%201%2C%20instances%3A%200..8%7D"


def make_place():
    return Place()


@contextlib.contextmanager
def guarded(*flags):
    container.program()  # Or it is skipped.
    server = Guarded(*flags)
    try:
        yield server
    finally:
        container.states(server)
        server.stop()
        container.no_container_is_left(server)


def put(server, key, name, content, query=container.LIMITS):
    return server.request("PUT", f"/v1/functions/{name}{query}", content, {"Content-Type": "application/x-tar", "Authorization": f"Bearer {key}"}, timeout=120)


def call(server, key, name, path, timeout=60):
    return server.request("POST", f"/function/{name}{path}", b"", {"Authorization": f"Bearer {key}"}, timeout)


def unpacked(server):
    """How many bytes of images lie on the disk."""
    return sum(path.lstat().st_size for path in (pathlib.Path(server.folder) / "containers").rglob("*") if path.is_file() and not path.is_symlink())


def test_one_namespace_leaves_containers_to_others(server):
    with guarded("--containers-max=4") as own:
        for key, name in ((own.bob, "bob/all"), (own.alice, "alice/one")):
            reply = put(own, key, name, container.server_image(), ONE_CALL)
            expect(reply.status == 201, f"{reply}")
        busy = [threading.Thread(target=call, args=(own, own.bob, "bob/all", "/sleep/3000")) for _ in range(4)]
        for one in busy:
            one.start()
        poll("he has as many as he gets", lambda: None if len([word for word in container.states(own) if word.startswith("process")]) >= 3 else "not yet", timeout=30)
        reply = call(own, own.alice, "alice/one", "/id")
        expect(reply.status == 200, f"she gets none: {reply}")
        for one in busy:
            one.join()


def test_what_an_image_becomes_counts(server):
    with guarded() as own:
        reply = own.ask("PATCH", "/v1/users/bob", own.admin, json.dumps({"quotas": {"code_bytes": 24 << 20}}), "application/json")
        expect(reply.status == 200, f"{reply}")
        large = gzip.compress(container.tar([("zeros", b"\0" * (64 << 20)), ("server", container.program())]))
        expect(len(large) < 4 << 20, "it is not small while it is compressed")
        for _ in range(2):
            reply = put(own, own.bob, "bob/large", container.image(large))
            expect_error(reply, 429, "exhausted", "code_bytes")
            expect(unpacked(own) < 32 << 20, f"{unpacked(own) >> 20} MiB of it are kept")
        small = gzip.compress(container.tar([("zeros", b"\0" * (12 << 20)), ("server", container.program())]))
        expect(put(own, own.bob, "bob/first", container.image(small)).status == 201, "a small one is refused")
        used = own.ask("GET", "/v1/quotas", own.bob).json()["used"]["code_bytes"]
        expect(used > 12 << 20, f"of an image of 12 MiB {used} bytes count")
        expect(put(own, own.bob, "bob/first", container.image(small)).status == 200, "the same again is refused")
        reply = put(own, own.bob, "bob/second", container.image(small))
        expect_error(reply, 429, "exhausted", "code_bytes")


def test_a_namespace_that_changes_hands(server):
    """What its containers keep is not for who has it next."""
    with guarded() as own:
        reply = own.post("/v1/users", own.admin, {"name": "carol", "namespaces": ["given"]})
        carol = reply.json()["key"]["key"]
        expect(put(own, carol, "given/keeps", container.server_image()).status == 201, "it cannot be deployed")
        for _ in range(8):
            expect(call(own, carol, "given/keeps", "/write/tmp/secret").body == b"done", "it has no /tmp")
        for name, spaces in (("carol", ["carols"]), ("alice", ["alice", "given"])):
            reply = own.ask("PATCH", f"/v1/users/{name}", own.admin, json.dumps({"namespaces": spaces}), "application/json")
            expect(reply.status == 200, f"{reply}")
        seen = [call(own, own.alice, "given/keeps", "/read/tmp") for _ in range(12)]
        expect(all(reply.status == 200 for reply in seen), f"{[str(reply) for reply in seen]}")
        expect(not any(b"secret" in reply.body for reply in seen), "she sees what his calls have left")
