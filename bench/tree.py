"""Rows for the tree: the same calls in the server itself, in a worker that has joined it, through a leaf, and through two
levels of balancers, each node a process of its own; all on all cores, the client among them, in alternating rounds.
HyperFaaS was measured in the same way on a machine of this class."""
import contextlib
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HYPERFAAS = {"leaf": 9200, "leaf_p50_ms": 0.47, "tree": 7300}
PATH = "/function/bench/hello"


class Tree:
    """A server, `levels` balancers one below the other, and a worker below the last one; no level and no worker for None.
    What the worker has in `kept` stays there for the next one, so that only the first compiles an interpreter."""

    def __init__(self, bench, levels, kept):
        self.bench, self.levels, self.kept, self.nodes = bench, levels, kept, []
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=bench.BUILD))

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            port = self.bench.free_port()
            joined = () if self.levels is None else (f"--node-listen=127.0.0.1:{port}", "--dispatch=push")
            self.server = stack.enter_context(self.bench.Canopy(self.folder / "server", "--auth=off", *joined, pin=None))
            stack.callback(self.end_nodes)
            self.server.deploy("hello", "hello.wat")
            for level in range(self.levels or 0):
                below = self.bench.free_port()
                self.start(f"level-{level}", "balancer", port, f"--listen=127.0.0.1:{below}")
                port = below
            if self.levels is not None:
                self.start("worker", "worker", port, "--slots=1024")
                self.wait()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def start(self, name, role, parent, *flags):
        data = self.kept if role == "worker" else self.folder / name
        self.nodes.append(subprocess.Popen(
            [self.bench.CANOPY, "node", f"--role={role}", f"--join=127.0.0.1:{parent}", f"--name={name}", f"--data={data}",
             f"--token-file={self.folder}/server/node.token", "--log-level=error", "--python=/none", "--container-engine=off",
             *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def wait(self):
        end = time.monotonic() + 600
        while time.monotonic() < end:
            try:
                if json.loads(self.server.request("GET", "/v1/nodes"))["nodes"][-1]["role"] == "worker" and \
                        self.server.request("POST", PATH, b"") is not None:
                    return
            except OSError:  # 503: nobody is there yet.
                pass
            if any(node.poll() is not None for node in self.nodes):
                break
            time.sleep(0.1)
        raise RuntimeError("the tree is not ready")

    def end_nodes(self):
        for node in reversed(self.nodes):
            node.terminate()
        for node in self.nodes:
            try:
                node.wait(15)
            except subprocess.TimeoutExpired:
                node.kill()

    def measure(self, connections, seconds):
        def spent():
            return sum(self.bench.cpu_seconds(pid) for pid in [self.server.pid, *(node.pid for node in self.nodes)])
        before = spent()
        seen = self.bench.wrk(self.server.port, PATH, connections, seconds, pinned=False)
        seen["cpu_us"] = (spent() - before) * 1e6 / (seen["rps"] * seconds)
        return seen


def rows(bench, run):
    levels = {"here": None, "worker": 0, "leaf": 1, "tree": 2}
    seen = {name: {"many": [], "one": []} for name in levels}
    with tempfile.TemporaryDirectory(dir=run.BUILD) as kept:
        for _ in range(bench.options.rounds):
            for name, count in levels.items():
                with Tree(run, count, kept) as tree:
                    tree.measure(64, 1)
                    seen[name]["many"].append(tree.measure(64, bench.options.seconds))
                    seen[name]["one"].append(tree.measure(1, bench.options.seconds))

    def of(name, kind, what):
        return run.median([one[what] for one in seen[name][kind]])

    leaf, tree = (of(name, "many", "rps") for name in ("leaf", "tree"))
    bar = 3 * HYPERFAAS["leaf"]
    bench.row("no-op through gateway, leaf and worker, 64 connections", f"{leaf:.0f}/s", f"at least {bar}/s", leaf >= bar,
              f"three processes; HyperFaaS {HYPERFAAS['leaf']}/s; in the server itself {of('here', 'many', 'rps'):.0f}/s")
    one = of("leaf", "one", "p50")
    bench.row("the same, one connection, p50", f"{one:.3f} ms", "under 0.47 ms", one < HYPERFAAS["leaf_p50_ms"],
              f"in the server itself {of('here', 'one', 'p50'):.3f} ms")
    ratio = run.median([two["rps"] / one["rps"] for one, two in zip(seen["leaf"]["many"], seen["tree"]["many"])])
    bench.row("two levels of balancers / one, 64 connections", f"{ratio:.2f}x", "at least 0.60x", ratio >= 0.6,
              f"{tree:.0f}/s / {leaf:.0f}/s")
    bar = 4 * HYPERFAAS["tree"]
    bench.row("no-op through two levels of balancers", f"{tree:.0f}/s", f"at least {bar}/s", tree >= bar,
              f"HyperFaaS {HYPERFAAS['tree']}/s")
    hop = run.median([two["cpu_us"] - one["cpu_us"] for one, two in zip(seen["leaf"]["many"], seen["tree"]["many"])])
    bench.row("one hop more, loaded: CPU of all processes for a call", f"{hop:.1f} us", "under 5 us", hop < 5,
              f"{of('tree', 'many', 'cpu_us'):.1f} us / {of('leaf', 'many', 'cpu_us'):.1f} us; "
              f"{of('worker', 'many', 'cpu_us'):.1f} us without a balancer, {of('here', 'many', 'cpu_us'):.1f} us here")
    wake = wake_ms()
    added = run.median([two["p99"] - one["p99"] for one, two in zip(seen["leaf"]["many"], seen["tree"]["many"])]) * 1000
    alone = (of("tree", "one", "p50") - of("leaf", "one", "p50")) * 1000
    bench.row("one hop more, loaded: p99 added", f"{added:.0f} us", "", None,
              f"{of('tree', 'many', 'p99'):.2f} ms / {of('leaf', 'many', 'p99'):.2f} ms, 64 connections")
    bench.row("one hop more, one connection: p50 added, less two wake-ups", f"{alone - 2 * wake * 1000:.0f} us", "under 200 us",
              alone - 2 * wake * 1000 < 200, f"{alone:.0f} us with them; a wake-up of another process {wake * 1000:.0f} us")
    placed = [json.loads(subprocess.run([run.BUILD / "bench" / "place_call", "1000"], capture_output=True, text=True,
                                        check=True).stdout) for _ in range(bench.options.rounds)]
    ns, size = (run.median([one[key] for one in placed]) for key in ("placed_ns", "child_bytes"))
    bench.row("a call placed among 1 000 nodes, to its frame", f"{ns / 1000:.2f} us", "under 2 us", ns < 2000,
              "choice, place, timer, Protobuf; half of all places are taken")
    bench.row("memory of a node that is known", f"{size / 1024:.1f} KiB", "under 4 KiB", size < 4096,
              "of 1 000, each with 10 functions loaded; without the kernel's for its connections")


def wake_ms():
    """Half of a round trip between two processes over loopback TCP, the median."""
    program = ("import socket,sys\n"
               "s=socket.create_connection(('127.0.0.1',int(sys.argv[1])));s.setsockopt(6,1,1)\n"
               "while b:=s.recv(1): s.send(b)")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = subprocess.Popen([sys.executable, "-c", program, str(listener.getsockname()[1])])
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            times = []
            for _ in range(5000):
                before = time.perf_counter()
                connection.send(b"x")
                connection.recv(1)
                times.append((time.perf_counter() - before) * 1000)
    other.wait(15)
    return statistics.median(times) / 2
