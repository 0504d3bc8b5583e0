"""A tree: a server, a balancer below it, a leaf below that, and two workers, each a process of its own."""
import contextlib
import json
import re
import signal
import threading

from nodes import JOIN_TIME, Node, dispatch, end_all, free_port, node_address
from world import START_TIME, Failure, check, wait_until


class Below(Node):
    """A node that joins `above`: a server, or another Below."""

    def __init__(self, world, server, above, name, role, *flags, **environment):
        self.role, self.port = role, free_port() if "balancer" in role else None
        self.above = above
        super().__init__(world, server, name, *flags, join=above, **environment)

    def joining(self):
        listen = (f"--listen={self.address}",) if self.port else ()
        return f"--role={self.role}", f"--join={self.above}", *listen

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


def states(server):
    nodes = json.loads(server.request("GET", "/v1/nodes")[2])["nodes"]
    return {node["name"]: node["state"] for node in nodes if node["role"] != "gateway"}


def wait_for(server, wanted, seconds=JOIN_TIME):
    wait_until(lambda: states(server) == wanted or None, f"the nodes to be {wanted}", seconds)


def all_of(shape, above="", path=""):
    """All nodes, ready, as the server names them."""
    states = {}
    for name in shape.get(above, ()):
        states[path + name] = "ready"
        states |= all_of(shape, name, f"{path}{name}/")
    return states


# By name of the balancer: what is below it; the server is "".
HIGH = {"": ["mid"], "mid": ["leaf"], "leaf": ["one", "two"]}
WIDE = {"": ["east", "west"], "east": ["e1", "e2"], "west": ["w1", "w2"]}


@contextlib.contextmanager
def tree(world, server, shape=HIGH):
    nodes = {}
    try:
        for above, names in shape.items():
            address = nodes[above].address if above else node_address(server)
            for name in names:
                role = ("balancer", "--silence=2s") if name in shape else ("worker",)
                nodes[name] = Below(world, server, address, name, *role)
        wait_for(server, all_of(shape))
        yield nodes
    except Failure as failure:
        raise Failure(f"{failure}\n" + "".join(f"-- {name}\n{node.text()[-2000:]}" for name, node in nodes.items())
                      + f"-- server\n{server.text()[-3000:]}") from None
    finally:
        end_all(nodes.values())


def test_tree_runs_calls_through_two_levels(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push")
    hello = world.fresh_folder("hello") / "hello.js"
    hello.write_text("export default (name) => { console.log('said', name); return `Hello, ${name}!`; };\n")
    world.must("deploy", hello, "--name=t/hello", url=server.url)
    world.must("deploy", world.root / "examples/echo", "--name=t/echo", url=server.url)
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    with tree(world, server) as nodes:
        for way in ("push", "pull"):
            dispatch(world, server, way)
            out = world.must("invoke", "t/hello", "-d", "you", url=server.url).out
            check("Hello, you!" in out, f"the reply is {out!r}")
            big = bytes(range(256)) * 3000  # More than a frame's piece, in and out.
            check(server.request("POST", "/function/t/echo", None, big)[2] == big, "a large echo is wrong")
        status, _, body = server.request("POST", "/function/t/rest", {"X-Canopy-Timeout": "500ms"}, b"30000")
        check(status == 504, f"a deadline that passes below: {status} {body}")
        for name in ("mid", "leaf"):
            check(any(path.is_file() for path in (nodes[name].data / "code").rglob("*")), f"{name} keeps no code")
        check("two" in world.must("top", url=server.url).out, "top does not show the tree")
        # Eight slots below, and nine calls: one waits at the server, and none is lost.
        answers = []
        calls = [threading.Thread(target=lambda: answers.append(
            server.request("POST", "/function/t/rest", None, b"1500")[0])) for _ in range(9)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        check(answers == [200] * 9, f"the answers are {answers}")


def test_tree_loses_nothing_when_nodes_die_stop_and_come_back(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push", "--worker-silence=2s",
                              "--call-losses=1000")
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    with tree(world, server) as nodes:
        ids, refused, stop = [], [], threading.Event()

        def submit():
            while not stop.is_set():
                status, _, body = server.request("POST", "/async-function/t/rest", None, b"100")
                if status == 202:
                    ids.append(json.loads(body)["id"])
                else:
                    refused.append((status, body))
                stop.wait(0.1)

        thread = threading.Thread(target=submit)
        thread.start()
        try:
            wait_until(lambda: len(ids) > 5, "calls")
            # A worker dies, and is back.
            nodes["one"].signal(signal.SIGKILL)
            wait_until(lambda: states(server).get("mid/leaf/one") in (None, "gone"), "the worker to be gone")
            nodes["one"].process.wait(START_TIME)
            nodes["one"].start()
            wait_for(server, all_of(HIGH))
            # A leaf stops, and goes on.
            nodes["leaf"].signal(signal.SIGSTOP)
            wait_until(lambda: states(server).get("mid/leaf") in (None, "gone"), "the leaf to be gone")
            nodes["leaf"].signal(signal.SIGCONT)
            wait_for(server, all_of(HIGH))
            # A balancer dies, and is back: those below it join it again.
            nodes["mid"].signal(signal.SIGKILL)
            wait_until(lambda: states(server).get("mid") in (None, "gone"), "the balancer to be gone")
            nodes["mid"].process.wait(START_TIME)
            nodes["mid"].start()
            wait_for(server, all_of(HIGH))
            # A worker is told to end, and ends what it has begun.
            nodes["two"].signal(signal.SIGTERM)
            check(nodes["two"].process.wait(START_TIME) == 0, "the worker that was told to end")
        finally:
            stop.set()
            thread.join()
        check(not refused, f"not taken: {refused[:3]}")

        def ended():
            records = [json.loads(server.request("GET", f"/v1/calls/{one}")[2]) for one in ids]
            return all(record["state"] == "COMPLETED" for record in records) or None

        wait_until(ended, f"all {len(ids)} durable calls to be completed", 120)
        # And a leaf: it ends with nothing left to do.
        nodes["leaf"].signal(signal.SIGTERM)
        check(nodes["leaf"].process.wait(START_TIME) == 0, f"the leaf ended with {nodes['leaf'].process.returncode}")


class Callers:
    """Calls without end, by several threads, and durable ones beside them, until the `with` is over."""

    def __init__(self, server):
        self.server, self.stop, self.lock = server, threading.Event(), threading.Lock()
        self.count, self.failures, self.ids = 0, [], []
        self.threads = [threading.Thread(target=self.call) for _ in range(3)] + [threading.Thread(target=self.submit)]

    def call(self):
        while not self.stop.is_set():
            with self.lock:
                self.count += 1
                number = self.count
            status, _, body = self.server.request("POST", "/function/t/rest", None, b"40")
            if status != 200:
                with self.lock:
                    self.failures.append((number, status, body))

    def submit(self):
        while not self.stop.is_set():
            status, _, body = self.server.request("POST", "/async-function/t/rest", None, b"40")
            with self.lock:
                if status == 202:
                    self.ids.append(json.loads(body)["id"])
                else:
                    self.failures.append((0, status, body))
            self.stop.wait(0.05)

    def more(self, count=20):
        """Waits until so many more have begun."""
        wanted = self.count + count
        wait_until(lambda: self.count > wanted, "more calls")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.more()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def check_durable(self):
        """Each has an end, and it is a good one."""
        def ended():
            states = [json.loads(self.server.request("GET", f"/v1/calls/{one}")[2])["state"] for one in self.ids]
            return all(state == "COMPLETED" for state in states) or None
        wait_until(ended, f"all {len(self.ids)} durable calls to be completed", 120)


def test_tree_goes_on_when_a_balancer_or_a_worker_is_killed_or_stopped(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push", "--worker-silence=2s", "--call-losses=1000")
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    with tree(world, server, WIDE) as nodes:
        with Callers(server) as callers:
            for victim, path in (("e1", "east/e1"), ("east", "east")):
                for number in (signal.SIGKILL, signal.SIGSTOP):
                    what = f"{victim} after {number.name}"
                    before = len(callers.failures)
                    nodes[victim].signal(number)
                    wait_until(lambda: states(server).get(path) in (None, "gone"), f"{what} to be gone")
                    with callers.lock:
                        seen = callers.count
                    callers.more(30)
                    with callers.lock:
                        failures = callers.failures[before:]
                    # What it ran is lost; who calls now is not told to it.
                    for call, status, body in failures:
                        error = json.loads(body)["error"]
                        check(status == 502 and error["code"] == "died" and error["origin"] == "platform",
                              f"{what}: {status} {body}")
                        check(call <= seen, f"{what}: call {call} of {callers.count} began after it was gone ({seen}): {body}")
                    if number == signal.SIGKILL:
                        nodes[victim].process.wait(START_TIME)
                        nodes[victim].start()
                    else:
                        nodes[victim].signal(signal.SIGCONT)
                    wait_for(server, all_of(WIDE))
                    callers.more()
        callers.check_durable()
        # And all of them serve again.
        text = server.request("GET", "/metrics")[2]
        check(b'canopy_workers{state="ready"} 4' in text and b'canopy_balancers{state="ready"} 2' in text
              and b'canopy_balancer_calls{balancer="east"}' in text, "the metrics say otherwise")


def test_tree_is_restarted_node_by_node_without_a_failed_call(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push")
    world.must("deploy", world.built("tests/e2e/functions/rest.c"), "--name=t/rest", "--timeout=60s", url=server.url)
    with tree(world, server, WIDE) as nodes:
        with Callers(server) as callers:
            for name, node in nodes.items():
                node.signal(signal.SIGTERM)
                check(node.process.wait(START_TIME) == 0, f"{name} ended with {node.process.returncode}:\n{node.text()[-2000:]}")
                callers.more()
                node.start()
                wait_for(server, all_of(WIDE))
                callers.more()
        check(not callers.failures, f"{len(callers.failures)} of {callers.count} calls failed: {callers.failures[:3]}")
        callers.check_durable()
        text = server.request("GET", "/metrics")[2].decode()
        check(re.search(r"^canopy_durable_lost_total 0$", text, re.M), "a durable call was lost")


def test_tree_checks_certificates_on_both_sides(world):
    certs = world.fresh("certs")
    for words in (["authority"], ["server", "127.0.0.1"], ["balancer", "leaf", "127.0.0.1"], ["worker", "one"]):
        world.must("cert", *words, f"--folder={certs}")
    wrong = world.run("cert", "balancer", "leaf", f"--folder={certs}")
    check(wrong.returncode == 1 and "HOST" in wrong.err, wrong.err)
    # For nodes alone: clients go on in clear.
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push", f"--node-cert={certs}/server.pem",
                              f"--node-key={certs}/server.key", f"--node-ca={certs}/ca.pem")
    check(server.url.startswith("http://"), server.url)

    def environment(name=None):
        shown = {"CANOPY_JOIN_CERT": f"{certs}/{name}.pem", "CANOPY_JOIN_KEY": f"{certs}/{name}.key"} if name else {}
        return {"CANOPY_JOIN_CA": f"{certs}/ca.pem"} | shown

    listening = f"--tls-cert={certs}/leaf.pem", f"--tls-key={certs}/leaf.key", f"--node-ca={certs}/ca.pem"
    above = node_address(server)
    leaf = Below(world, server, above, "leaf", "balancer", *listening, **environment("leaf"))
    nodes = [leaf, Below(world, server, leaf.address, "one", "worker", **environment("one")),
             Below(world, server, leaf.address, "none", "worker", **environment()),
             Below(world, server, leaf.address, "plain", "worker"),
             Below(world, server, above, "other", "balancer", **environment())]
    elsewhere = above.replace("127.0.0.1", "localhost")
    told = {"is not for the host behind --join": Below(world, server, elsewhere, "misled", "worker", **environment("one")),
            "not made for joining": Below(world, server, above, "posing", "worker", **environment("server"))}
    nodes += told.values()
    try:
        wait_until(lambda: "has joined" in leaf.text() and "has joined" in nodes[1].text(), "both to join", JOIN_TIME)
        for words, stranger in told.items():
            wait_until(lambda: words in stranger.text(), f"{stranger.name} to be told: {words}", JOIN_TIME)
        for stranger in nodes[2:5]:
            for variable in ("CANOPY_JOIN_CA", "CANOPY_JOIN_CERT"):
                wait_until(lambda: variable in stranger.text(), f"{stranger.name} to be told of {variable}", JOIN_TIME)
        check(not any("has joined" in node.text() for node in nodes[2:]), "one joined without a certificate")
        wrong = world.run("node", "--role=balancer,worker", f"--join={above}", "--listen=127.0.0.1:0",
                          f"--token-file={server.data}/node.token", f"--data={world.fresh('both')}", *listening)
        check(wrong.returncode == 1 and "CANOPY_JOIN_CA has to name" in wrong.err, wrong.err)
    finally:
        end_all(nodes)


def test_tree_of_one_process_that_is_balancer_and_worker(world):
    server = world.own_server("--node-listen=127.0.0.1:0", "--dispatch=push", "--placement=round-robin")
    world.must("deploy", world.root / "examples/echo", "--name=t/echo", url=server.url)
    both = Below(world, server, node_address(server), "both", "balancer,worker", "--placement=least-loaded")
    beside = Below(world, server, both.address, "beside", "worker")
    try:
        wait_for(server, {"both": "ready", "both/both": "ready", "both/beside": "ready"})
        for _ in range(4):
            check(server.request("POST", "/function/t/echo", None, b"there")[2] == b"there", "the echo is wrong")
        itself = world.run("node", "--role=balancer", f"--join=127.0.0.1:{(port := free_port())}",
                           f"--listen=127.0.0.1:{port}", f"--token-file={server.data}/node.token", f"--data={world.fresh('own')}")
        check(itself.returncode == 1 and "own --listen" in itself.err + itself.out, itself.err + itself.out)
        wrong = world.run("node", "--role=balancer", "--join=127.0.0.1:1", "--listen=127.0.0.1:0", "--placement=fastest")
        check(wrong.returncode == 1 and "locality" in wrong.err, wrong.err)
        both.signal(signal.SIGTERM)
        check(both.process.wait(START_TIME) == 0, f"it ended with {both.process.returncode}: {both.text()[-2000:]}")
    finally:
        end_all([both, beside])
