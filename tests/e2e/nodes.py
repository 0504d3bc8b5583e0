"""Workers that join a server over the network: three processes of their own, each with a folder of its own."""
import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import time

from world import START_TIME, Failure, check, check_words, wait_until

from ports import free_port  # Beside the folders of the tests, where world.py looks.

JOIN_TIME = 600  # A node that has no interpreter compiles one: minutes, on a machine with more to do.


class Node:
    """A running `canopy node --role=worker`."""

    def __init__(self, world, server, name, *flags, token=None, warm=True, join=None, data=None,
                 **environment):
        self.join = join or node_address(server)
        self.world, self.server, self.name, self.flags = world, server, name, flags
        self.environment = environment
        self.token = token or server.data / "node.token"
        self.data = data or (world.warm_folder if warm else world.fresh)(f"node-{name}")
        self.log = world.fresh(f"node-{name}").with_suffix(".log")
        self.start()

    def start(self):
        patient = [] if any(flag.startswith("--compile-timeout") for flag in self.flags) else ["--compile-timeout=15m"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.world.canopy, "node", *self.joining(), f"--token-file={self.token}", f"--name={self.name}",
                 f"--data={self.data}", "--slots=4", *patient, *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.world.folder,
                env=self.world.environment(**self.environment))

    def joining(self):
        return "--role=worker", f"--join={self.join}"

    def text(self):
        return self.log.read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            # Leaks are told at the end, so with a sanitizer it has one.
            self.signal(signal.SIGTERM if self.world.is_sanitized else signal.SIGKILL)
            try:
                self.process.wait(START_TIME)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise Failure(f"the node {self.name} did not stop:\n{self.text()[-3000:]}") from None
        check_words(self.text())


def end_all(nodes):
    with contextlib.ExitStack() as ends:
        for node in nodes:
            ends.callback(node.end)


def node_address(server):
    return re.findall(r"^workers\s+join at (\S+)", server.text(), re.M)[-1]


@contextlib.contextmanager
def three_nodes(world, server, *flags):
    nodes = []
    try:
        for name in ("one", "two", "three"):
            nodes.append(Node(world, server, name, *flags))
        wait_for(server, {"one": "ready", "two": "ready", "three": "ready"})
        yield nodes
    except Failure as failure:
        raise Failure(f"{failure}\n" + "".join(f"-- {node.name}\n{node.text()[-3000:]}" for node in nodes)
                      + f"-- server\n{server.text()[-3000:]}") from None
    finally:
        end_all(nodes)


def shown(server):
    nodes = json.loads(server.request("GET", "/v1/nodes")[2])["nodes"]
    return {node["name"]: node for node in nodes if node["role"] == "worker"}


def wait_for(server, states, seconds=JOIN_TIME):
    wait_until(lambda: {name: node["state"] for name, node in shown(server).items()} == states or None,
               f"the nodes to be {states}", seconds)


def running_on(server):
    return [name for name, node in shown(server).items() if node["running"] > 0]


def dispatch(world, server, *words):
    return world.must("dispatch", *words, url=server.url).out


def nodes_of_a_call(server, name):
    """Where a call of that function, which rests, runs."""
    wait_until(lambda: not running_on(server), "the calls before to have ended")
    call = threading.Thread(target=server.request, args=("POST", f"/function/{name}", None, b"1500"))
    call.start()
    found = set()  # One that is pulled runs there a moment later.
    while call.is_alive():
        found.update(running_on(server))
        call.join(0.05)
    return sorted(found)


def test_a_node_that_was_too_busy_to_warm_up_joins_all_the_same(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push")
    node = Node(world, server, "busy", "--compile-timeout=1ms")
    try:
        wait_for(server, {"busy": "ready"})
        check("not ready for functions in JavaScript" in node.text(), f"nothing is said of it:\n{node.text()}")
    finally:
        node.end()


def test_nodes_run_calls_pushed_and_pulled(world):
    server = world.own_server("--node-listen=127.0.0.1:0")
    hello = world.fresh_folder("hello") / "hello.js"
    hello.write_text("export default (name) => `Hello, ${name}!`;\n")
    world.must("deploy", hello, "--name=t/hello", url=server.url)
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    note = world.fresh("note.txt")
    note.write_text("a file of the function's own")
    world.must("deploy", world.built("tests/e2e/functions/show.c"), "--name=t/show", "--env=TEST_A=b",
               f"--file={note}:note.txt", url=server.url)
    here = world.must("invoke", "t/hello", "-d", "you", url=server.url).out
    with three_nodes(world, server) as nodes:
        for way in ("push", "pull"):
            check(way in dispatch(world, server, way), f"canopy dispatch {way} shows otherwise")
            out = world.must("invoke", "t/hello", "-d", "you", url=server.url).out
            check(out == here and "Hello, you!" in out, f"the reply is {out!r} there, and {here!r} here")
            out = world.must("invoke", "t/show", "-d", "/note.txt\n", url=server.url).out
            check("variable TEST_A=b" in out and "a file of the function's own" in out, f"the function saw {out}")
            # Four calls and four slots each: six calls of one client are not one worker's.
            calls = [threading.Thread(target=server.request, args=("POST", "/function/t/rest", None, b"3000"))
                     for _ in range(6)]
            for call in calls:
                call.start()
            wait_until(lambda: len(running_on(server)) >= 2, "several nodes to have calls")
            for call in calls:
                call.join()
        check(b'canopy_dispatch{way="pull"} 1' in server.request("GET", "/metrics")[2], "the metrics say otherwise")
        check(b'canopy_workers{state="ready"} 3' in server.request("GET", "/metrics")[2], "the metrics say otherwise")
        out = world.must("top", url=server.url).out
        check("three" in out and "SLOTS" in out and "WAITING" not in out, f"top shows {out}")
        workers = json.loads(world.must("top", "--json", url=server.url).out)["workers"]
        check([(worker["name"], worker["slots"]) for worker in workers] == [("one", 4), ("three", 4), ("two", 4)],
              f"top --json shows {workers}")
        # One function here, the others there.
        dispatch(world, server, "local", "--function=t/rest")
        check(nodes_of_a_call(server, "t/rest") == [], "a local call runs on a node")
        check(any(path.is_file() for path in (nodes[0].data / "code").rglob("*")), "a node keeps no code")


def test_nodes_that_die_or_stop_lose_nothing(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push", "--worker-silence=2s",
                              "--call-losses=1000")
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    with three_nodes(world, server) as nodes:
        ids, failures, stop = [], [], threading.Event()

        def submit():
            while not stop.is_set():
                status, _, body = server.request("POST", "/async-function/t/rest", None, b"150")
                if status == 202:
                    ids.append(json.loads(body)["id"])
                else:
                    failures.append((status, body))
                time.sleep(0.05)  # No more than two nodes can run: what waits at the end is waited for.

        def call():
            while not stop.is_set():
                status, _, body = server.request("POST", "/function/t/rest", None, b"50")
                error = json.loads(body)["error"] if status != 200 else None
                if error and not (status == 502 and error["origin"] == "platform"):
                    failures.append((status, body))

        threads = [threading.Thread(target=submit) for _ in range(2)] + [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(ids) > 20 and len(running_on(server)) == 3, "all nodes to have calls")
        nodes[0].signal(signal.SIGKILL)
        wait_until(lambda: shown(server)["one"]["state"] == "gone", "the killed node to be gone")
        nodes[1].signal(signal.SIGSTOP)
        wait_until(lambda: shown(server)["two"]["state"] == "gone", "the stopped node to be gone")
        check("says nothing" in shown(server)["two"]["last_end"], f"its end is {shown(server)['two']}")
        dispatch(world, server, "pull")
        nodes[0].process.wait(START_TIME)
        nodes[0].start()
        nodes[1].signal(signal.SIGCONT)  # What it still has to say comes too late.
        wait_for(server, {"one": "ready", "two": "ready", "three": "ready"})
        more = len(ids) + 20
        wait_until(lambda: len(ids) > more, "more calls")
        stop.set()
        for thread in threads:
            thread.join()
        check(not failures, f"{len(failures)} calls failed otherwise than they may, first {failures[:2]}")

        def settled():
            text = server.request("GET", "/metrics")[2].decode()
            number = {name: int(float(value)) for name, value in re.findall(r"^(canopy_durable\S+) (\S+)$", text, re.M)}
            ended = number['canopy_durable_ended_total{state="COMPLETED"}']
            return number if ended >= len(ids) and number["canopy_durable_calls_running"] == 0 else None

        number = wait_until(settled, "all durable calls to have an end", 120)
        check(number['canopy_durable_ended_total{state="COMPLETED"}'] == len(set(ids)) == len(ids),
              f"{len(ids)} calls were acknowledged, and the log says {number}")
        check(number["canopy_durable_lost_total"] > 0, "nothing was lost, and two nodes were")
        for identifier in ids:
            record = json.loads(server.request("GET", f"/v1/calls/{identifier}")[2])
            check(record["state"] == "COMPLETED", f"the record is {record}")


def test_a_functions_manifest_says_its_way(world):
    """Unless an operator says another; the others go as the server says."""
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push")
    manifest = world.fresh_folder("way") / "canopy.yaml"

    def deploy(way, how=world.must):
        manifest.write_text(f"name: t/way\ncode: {world.built('tests/e2e/functions/rest.c')}\ntimeout: 60s\ndispatch: {way}\n")
        return how("deploy", manifest, url=server.url)
    with three_nodes(world, server):
        deploy("local")
        check(nodes_of_a_call(server, "t/way") == [], "a call runs on a node, and its manifest says local")
        dispatch(world, server, "pull", "--function=t/way")
        check(nodes_of_a_call(server, "t/way") != [], "a call runs here, and the operator says pull")
        dispatch(world, server, "default", "--function=t/way")
        check(nodes_of_a_call(server, "t/way") == [], "a call runs on a node, and its manifest says local")
        dispatch(world, server, "local")
        deploy("push")
        check(nodes_of_a_call(server, "t/way") != [], "a call runs here, and its manifest says push")
    wrong = deploy("sideways", world.run)
    check(wrong.returncode == 1 and f"{manifest}:4:11" in wrong.err and "local, push or pull" in wrong.err, wrong.err)


def test_nodes_have_folders_of_their_own(world):
    server = world.own_server("--node-listen=127.0.0.1:0")
    wrong = world.run("node", "--role=worker", f"--join={node_address(server)}", f"--token-file={server.data}/node.token",
                      f"--data={server.data}")
    check(wrong.returncode == 1 and "is the data folder of a server" in wrong.err, wrong.err)
    way = world.run("dispatch", "default", url=server.url)
    check(way.returncode == 1 and "--function=NS/FN" in way.err, way.err)
    typo = world.run("dispatch", "push", "--function=t/nosuch", url=server.url)
    check(typo.returncode == 1 and "no function t/nosuch is deployed" in typo.err, typo.err)


def test_nodes_are_waited_for(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push")
    world.must("deploy", world.root / "examples/echo", "--name=t/echo", url=server.url)
    status, headers, body = server.request("GET", "/readyz")
    check(status == 503 and "Retry-After" in headers and b"none has joined" in body, f"readyz: {status} {body}")
    status, headers, body = server.request("POST", "/function/t/echo", None, b"nobody")
    check(status == 503 and "Retry-After" in headers and b"canopy node" in body, f"the call: {status} {body}")
    answer = {}
    call = threading.Thread(target=lambda: answer.update(enumerate(
        server.request("POST", "/async-function/t/echo", None, b"later"))))
    call.start()
    call.join()
    identifier = json.loads(answer[2])["id"]
    node = Node(world, server, "late", warm=False)  # One that makes all it needs.
    try:
        wait_until(lambda: server.request("GET", "/readyz")[0] == 200, "the server to be ready", JOIN_TIME)
        check(server.request("POST", "/function/t/echo", None, b"somebody")[2] == b"somebody", "the echo is wrong")
        wait_until(lambda: server.request("GET", f"/v1/calls/{identifier}/result")[2] == b"later", "the durable call")
        # It ends what it has begun, and leaves.
        world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
        wait_until(lambda: running_on(server) == [], "the durable call to be gone from its worker")
        rest = threading.Thread(target=lambda: answer.update(enumerate(
            server.request("POST", "/function/t/rest", None, b"1500"))))
        rest.start()
        wait_until(lambda: running_on(server) == ["late"], "the call to run")
        node.signal(signal.SIGTERM)
        wait_for(server, {"late": "draining"})
        rest.join()
        check(answer[0] == 200, f"the call that ran when its node was told to end: {answer}")
        check(node.process.wait(START_TIME) == 0, f"the node ended with {node.process.returncode}: {node.text()}")
        wait_for(server, {"late": "gone"})
        check(server.request("GET", "/readyz")[0] == 503, "the server says that it is ready")
    finally:
        node.end()


def test_nodes_come_back_to_a_server_that_restarts(world):
    server = world.own_server(f"--node-listen=127.0.0.1:{free_port()}", "--dispatch=pull")
    world.must("deploy", world.root / "examples/echo", "--name=t/echo", url=server.url)
    node = Node(world, server, "faithful", "--cores=2")
    try:
        wait_for(server, {"faithful-1": "ready", "faithful-2": "ready"})
        server.kill()
        wait_until(lambda: "has lost the server" in node.text(), "the node to notice")
        server.restart()
        wait_for(server, {"faithful-1": "ready", "faithful-2": "ready"})
        check(server.request("POST", "/function/t/echo", None, b"again")[2] == b"again", "the echo is wrong")
    finally:
        node.end()


def test_nodes_without_the_token_are_told(world):
    server = world.own_server("--node-listen=127.0.0.1:0")
    wrong = world.fresh("wrong.token")
    wrong.write_text("f" * 64)
    node = Node(world, server, "stranger", token=wrong)
    check(node.process.wait(JOIN_TIME) == 1, f"it ended with {node.process.returncode}")
    check(node.text().count("join token is not the one of this server") == 1, node.text())
    check(shown(server) == {}, f"the server shows {shown(server)}")
    check(oct((server.data / "node.token").stat().st_mode & 0o777) == "0o600", "others can read the token")
    for flags, words in ((["--role=gateway"], "--node-listen"), ([], "--role=worker"),
                         (["--role=worker"], "--join=HOST:PORT"),
                         (["--role=worker", "--join=127.0.0.1:1"], "join token is needed")):
        end = world.run("node", *flags)
        check(end.returncode == 1 and words in end.err, f"canopy node {flags}: {end.returncode} {end.err}")
    end = world.run("dispatch", "push", url=world.shared_server().url)
    check(end.returncode == 1 and "--node-listen" in end.err, f"canopy dispatch: {end.returncode} {end.err}")


def test_nodes_join_in_tls(world):
    folder = world.fresh_folder("tls")
    for name in ("server", "other"):
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-subj", "/CN=gateway",
             "-addext", "subjectAltName=IP:127.0.0.1"], capture_output=True, timeout=START_TIME)
        check(made.returncode == 0, made.stderr.decode(errors="replace"))
    server = world.own_server("--node-listen=127.0.0.1:0", f"--tls-cert={folder}/server.pem", f"--tls-key={folder}/server.key")
    nodes = [Node(world, server, "right", CANOPY_JOIN_CA=str(folder / "server.pem")),
             Node(world, server, "wrong", CANOPY_JOIN_CA=str(folder / "other.pem")),
             Node(world, server, "plain")]
    try:
        wait_until(lambda: "has joined" in nodes[0].text(), "the node to join", JOIN_TIME)
        wait_until(lambda: "is not trusted" in nodes[1].text(), "the other node to see the certificate", JOIN_TIME)
        wait_until(lambda: "set CANOPY_JOIN_CA" in nodes[2].text(), "the third node to be told", JOIN_TIME)
        check("has joined" not in nodes[1].text() + nodes[2].text(), "a node joined without trusting the server")
    finally:
        end_all(nodes)


def test_nodes_say_what_is_wrong(world):
    server = world.own_server("--node-listen=127.0.0.1:0")
    node = Node(world, server, "lost", join=f"127.0.0.1:{server.port}")
    try:
        wait_until(lambda: "not its --listen" in node.text(), "the node to see that it speaks with HTTP", JOIN_TIME)
        check("HTTP/1.1 400" in node.text() and "does not answer" not in node.text(), node.text())
    finally:
        node.end()
    with socket.create_connection(node_address(server).rsplit(":", 1)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while stranger.recv(1000):
            pass
    wait_until(lambda: 'is no worker\'s: what the other side sends are no frames: it says "GET / HTTP/1.1"' in server.text(),
               "the server to tell of a stranger")
    command = ["node", "--role=worker", f"--join={node_address(server)}", f"--token-file={server.data}/node.token"]
    for trusted in ("/nowhere/ca.pem", server.data / "node.token"):
        end = world.run(*command, f"--data={world.fresh('node')}", CANOPY_JOIN_CA=str(trusted))
        check(end.returncode == 1 and "cannot read certificates to trust" in end.err and "CANOPY_JOIN_CA names a PEM file" in end.err, end.err)
    end = world.run(*command, "--data=/proc/nowhere")
    check(end.returncode == 1 and "No such file or directory" in end.err and "--data" in end.err, end.err)


def test_nodes_show_certificates(world):
    ours, others = world.fresh("certs"), world.fresh("certs")
    for folder in (ours, others):
        for words in (["authority"], ["server", "127.0.0.1"], ["worker", "one"]):
            world.must("cert", *words, f"--folder={folder}")
    again = world.run("cert", "worker", "one", f"--folder={ours}")
    check(again.returncode == 1 and "is there" in again.err, f"a key is written over: {again.err}")
    nowhere = world.run("cert", "worker", "one", f"--folder={world.fresh('certs')}")
    check(nowhere.returncode == 1 and "canopy cert authority" in nowhere.err, nowhere.err)
    check(all(oct(path.stat().st_mode & 0o777) == "0o600" for path in ours.glob("*.key")), "others can read a key")
    server = world.own_server("--node-listen=127.0.0.1:0", f"--tls-cert={ours}/server.pem", f"--tls-key={ours}/server.key",
                              f"--node-ca={ours}/ca.pem")

    def node(name, folder=None, **more):
        shown = {"CANOPY_JOIN_CERT": f"{folder}/one.pem", "CANOPY_JOIN_KEY": f"{folder}/one.key"} if folder else {}
        return Node(world, server, name, CANOPY_JOIN_CA=f"{ours}/ca.pem", **shown, **more)

    wrong_token = world.fresh("wrong.token")
    wrong_token.write_text("f" * 64)
    nodes = [node("ours", ours), node("others", others), node("none"), node("tokenless", ours, token=wrong_token)]
    try:
        wait_until(lambda: "has joined" in nodes[0].text(), "the node to join", JOIN_TIME)
        for stranger in nodes[1:3]:
            wait_until(lambda: "CANOPY_JOIN_CERT" in stranger.text(), "a node to be told of its certificate", JOIN_TIME)
        check(nodes[3].process.wait(JOIN_TIME) == 1, f"it ended with {nodes[3].process.returncode}")
        check("join token is not the one of this server" in nodes[3].text(), nodes[3].text())
        check(not any("has joined" in node.text() for node in nodes[1:]), "a node joined without a certificate or token")
    finally:
        end_all(nodes)
