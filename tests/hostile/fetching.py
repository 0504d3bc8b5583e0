"""Functions that fetch from where they may not, and callbacks to there; and peers that answer for ever, in drips, with redirects and bombs."""
import concurrent.futures
import contextlib
import socket
import threading
import time

from harness import Place, Server, expect, expect_error, guest, new_folder, poll

LIMITS = "?timeout=2s&memory=64MiB&output=1MiB&log=64KiB"


def make_place():
    return Place("--fetch-private", "--compile-timeout=60s")


class Peer:
    """A server on loopback whose answer is what `answer(connection, path)` does with the connection."""

    def __init__(self, answer):
        self.answer, self.paths, self.ended = answer, [], False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open = set()
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with self.lock:
            self.open.add(connection)
        try:
            connection.settimeout(20)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            path = head.split(b" ", 2)[1].decode()
            self.paths.append(path)
            self.answer(connection, path)
        except OSError:
            pass  # The server went away: that is the point.
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.listener.close()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def put(server, name, source, hosts, query=LIMITS):
    env = f"&env=CANOPY_FETCH={hosts}" if hosts else ""
    reply = server.request("PUT", f"/v1/functions/hostile/{name}{query}{env}", source.encode(),
                           {"Content-Type": "text/javascript"}, timeout=120)
    expect(reply.status in (200, 201), f"{name}: {reply}")


FETCH = ("export default async (url, redirect) => { try { const r = await fetch(url, { redirect: redirect ?? 'follow' });"
         " return [r.status, (await r.text()).slice(0, 100)]; } catch (e) { return 'failed: ' + e.message; } }")


def fetched(server, name, url, *more):
    import json
    return server.call(f"hostile/{name}", json.dumps([url, *more]).encode())


def forms_of_loopback(port):
    return [f"http://{host}:{port}/" for host in (
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
        "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]", "127.0.0.2", "ip6-localhost")] + [f"http://127.0.0.1:{port}@example.org/", f"http://example.org@127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}#@example.org/", f"http://example.org\\@127.0.0.1:{port}/", f"http:127.0.0.1:{port}/", f"file:///etc/passwd",
        f"gopher://127.0.0.1:{port}/", f"http://127.0.0.1:{port}\t/", f"http://\u2460\u2461\u2466.0.0.1:{port}/", f"http://127\u30020\u30020\u30021:{port}/"]


def test_nothing_of_this_machine_by_whatever_name(_):
    """On a server as it is by default: every host is allowed by the manifest, and loopback is reached by none of its names."""
    with Peer(lambda connection, path: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")) as peer:
        server = Server(new_folder("strict")).started()
        try:
            put(server, "any", FETCH, "*,*:1,*:2," + ",".join(f"{h}:{peer.port}" for h in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0")))
            put(server, "none", FETCH, "")
            own = f"http://127.0.0.1:{server.address[1]}/v1/functions"
            for url in [*forms_of_loopback(peer.port), own]:
                for name in ("any", "none"):
                    reply = fetched(server, name, url)
                    expect(reply.status == 200 and b"failed: " in reply.body and b"secret" not in reply.body, f"{url} for {name}: {reply}")
            expect(peer.paths == [], f"it was reached: {peer.paths}")
        finally:
            server.kill()


def test_callbacks_to_this_machine_go_nowhere(_):
    with Peer(lambda connection, path: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as peer:
        server = Server(new_folder("strict")).started()
        try:
            server.deployed("hostile/echo", guest("echo.wat"))
            waiting = []
            for url in forms_of_loopback(peer.port):
                with contextlib.suppress(UnicodeEncodeError):
                    reply = server.request("POST", "/async-function/hostile/echo", b"x", {"X-Callback-Url": url.encode("ascii").decode()})
                    expect(reply.status in (202, 400), f"{url}: {reply}")
                    if reply.status == 202:
                        waiting.append((url, reply.json()["id"]))
            expect(waiting, "no callback was accepted at all")

            def undecided():
                for url, call in waiting:
                    record = server.request("GET", f"/v1/calls/{call}").json()
                    state = record.get("callback", {}).get("state", "")
                    if state in ("", "waiting", "WAITING") and not record.get("callback", {}).get("error"):
                        return f"the callback to {url}: {record.get('callback')}"
                return None

            poll("callbacks are not decided", undecided, 40)
            expect(peer.paths == [], f"it was reached: {peer.paths}")
        finally:
            server.kill()


def test_redirects_are_judged_like_the_first_request(server):
    with Peer(lambda c, path: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")) as inner:
        def answer(connection, path):
            to = {"/other": f"http://127.0.0.1:{inner.port}/", "/loop": "/loop", "/scheme": "file:///etc/passwd", "/name": f"//localhost:{inner.port}/",
                  "/bad": "http://[", "/user": f"http://a@127.0.0.1:{inner.port}/", "/long": "/" + "a" * 20000, "/empty": ""}[path.split("?")[0]]
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())

        with Peer(answer) as peer:
            put(server, "redirect", FETCH, f"127.0.0.1:{peer.port}")
            for path in ("/other", "/loop", "/scheme", "/name", "/bad", "/user", "/long"):
                reply = fetched(server, "redirect", f"http://127.0.0.1:{peer.port}{path}")
                expect(reply.status == 200 and b"failed: " in reply.body, f"{path}: {reply}")
            expect(b"302" in fetched(server, "redirect", f"http://127.0.0.1:{peer.port}/other", "manual").body, "a manual redirect is shown")
            expect(peer.paths.count("/loop") <= 11, f"{peer.paths.count('/loop')} hops")
            expect(inner.paths == [], f"what no manifest names was reached: {inner.paths}")


def endless(head, piece):
    def answer(connection, path):
        connection.sendall(head)
        while True:
            connection.sendall(piece)
    return answer


def drip(head, seconds=0.2):
    def answer(connection, path):
        for byte in head:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)
    return answer


def silent(connection, path):
    connection.recv(1)


OK = b"HTTP/1.1 200 OK\r\n"


def test_rude_peers(server):
    """What answers without an end, or hardly at all: the fetch fails or the call's deadline comes, and memory stays what it is."""
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    peers = {
        "endless-body": endless(OK + b"\r\n", bytes(65536)),
        "endless-chunks": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunk),
        "endless-headers": endless(OK, b"A: " + b"b" * 1000 + b"\r\n"),
        "endless-line": endless(b"HTTP/1.1 200 ", b"x" * 65536),
        "endless-interim": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        "endless-chunk-size": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0" * 4096),
        "endless-trailer": endless(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 100),
        "huge-length": endless(OK + b"Content-Length: 99999999999999\r\n\r\n", bytes(65536)),
        "silent": silent,
        "drip": drip(OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000),
        "cut": lambda c, p: c.sendall(OK + b"Content-Length: 100\r\n\r\nshort"),
        "no-http": lambda c, p: c.sendall(b"\x00\xff" * 100),
        "two-lengths": lambda c, p: c.sendall(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        "negative": lambda c, p: c.sendall(OK + b"Content-Length: -1\r\n\r\n"),
        "status": lambda c, p: c.sendall(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
        "nothing": lambda c, p: None,
    }

    def meet(name):
        with Peer(peers[name]) as peer:
            put(server, f"rude-{name}", FETCH, f"127.0.0.1:{peer.port}")
            return fetched(server, f"rude-{name}", f"http://127.0.0.1:{peer.port}/")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # Most keep a call until its deadline.
        for name, reply in zip(peers, pool.map(meet, peers)):
            if reply.status == 504:
                expect_error(reply, 504, "deadline")
                continue
            expect(reply.status == 200, f"{name}: {reply}")
            expect(b"failed: " in reply.body or name == "status", f"{name}: {reply}")


def test_answers_that_nobody_reads_are_bounded(server):
    """A hundred answers of 8 MiB asked for at once, and none looked at: the server keeps a part of them only."""
    body = bytes(8 << 20)

    def answer(connection, path):
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with Peer(answer) as peer:
        put(server, "unread", "export default async (url) => { const all = []; for (let i = 0; i < 100; ++i) all.push(fetch(url));"
            " const end = Date.now() + 1500; while (Date.now() < end); return (await Promise.allSettled(all.slice(-1)))[0].status; }",
            f"127.0.0.1:{peer.port}", LIMITS.replace("2s", "10s"))
        before = server.gauges()["rss"]
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(fetched(server, "unread", f"http://127.0.0.1:{peer.port}/"))) for _ in range(3)]
        for thread in threads:
            thread.start()
        most = 0
        while any(thread.is_alive() for thread in threads):
            most = max(most, server.gauges()["rss"])
            time.sleep(0.05)
        for reply in replies:
            expect(reply.status in (200, 502, 504), f"{reply}")
        expect(most - before < 768 << 20, f"{(most - before) >> 20} MiB were kept for three calls of 64 MiB")


def test_bodies_that_wait_to_be_sent_are_bounded(server):
    with Peer(silent) as peer:
        put(server, "large", "export default async (url) => { const body = new Uint8Array(8 << 20); let refused = 0;"
            " for (let i = 0; i < 100; ++i) fetch(url, { method: 'POST', body }).catch(() => ++refused);"
            " await new Promise((done) => setTimeout(done, 500)); return refused; }",
            f"127.0.0.1:{peer.port}", LIMITS)
        before, most = server.gauges()["rss"], 0
        reply = []
        thread = threading.Thread(target=lambda: reply.append(fetched(server, "large", f"http://127.0.0.1:{peer.port}/")))
        thread.start()
        while thread.is_alive():
            most = max(most, server.gauges()["rss"])
            time.sleep(0.02)
        expect(reply[0].status in (200, 502, 504), f"{reply[0]}")
        expect(most - before < 384 << 20, f"{(most - before) >> 20} MiB were kept for the bodies of one call")
