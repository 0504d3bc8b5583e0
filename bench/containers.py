"""Rows for container functions: what a call costs beside the container asked directly, and what a start costs beside
the engine's own. The direct client is inside the container's network, where nobody else gets."""
import http.client
import json
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
SETTINGS = "&memory=64MiB&timeout=60s"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Docker:
    """dockerd, started by hand: no bridge, no rules for the firewall."""

    def __init__(self, folder):
        self.socket = f"{folder}/socket"
        self.process = subprocess.Popen(
            ["dockerd", f"--host=unix://{self.socket}", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
             f"--pidfile={folder}/pid", "--bridge=none", "--iptables=false", "--ip-masq=false"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, method, path, body=None, kind="application/json"):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body, {"Content-Type": kind})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def __enter__(self):
        for _ in range(600):
            try:
                if self.ask("GET", "/_ping")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise RuntimeError("dockerd does not answer")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def program(folder):
    made = pathlib.Path(folder) / "server"
    subprocess.run(["cc", "-O2", "-static", "-pthread", HERE.parent / "tests/containers/server.c", "-o", made], check=True)
    return made


class Relay:
    """The least that can stand between: a process that passes bytes on. What a gateway costs beyond it is its own."""

    def __init__(self, run, prefix, port):
        self.process = subprocess.Popen([*prefix, run.BUILD / "bench" / "relay", str(port)], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def put(server, canopy, made, name, settings=""):
    """Deploys the program; `settings` is what stands in container: {}."""
    image = made.with_suffix(".tar")
    subprocess.run([canopy, "build", "--container", made, "-o", image], check=True, stdout=subprocess.DEVNULL)
    server.request("PUT", f"/v1/functions/bench/{name}?runtime=container{SETTINGS}&container={urllib.parse.quote('{' + settings + '}')}",
                   image.read_bytes(), "application/x-tar")


def container_process():
    """The first process of the only container of runc there is."""
    groups = [(group / "cgroup.procs").read_text().split() for group in pathlib.Path("/sys/fs/cgroup/pids").glob("canopy-*")]
    (processes,) = filter(None, groups)  # Of what is gone there may be groups still.
    return int(processes[0])


def cold(server, name):
    began = time.perf_counter()
    server.request("POST", f"/function/bench/{name}/echo", b"x")
    return (time.perf_counter() - began) * 1000


def crowd(server, name, count=64):
    """How many of so many simultaneous first calls are answered."""
    good = []

    def one():
        try:
            good.append(server.request("POST", f"/function/bench/{name}/echo", b"hi") == b"hi")
        except OSError:
            pass

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(good)


def warm_rows(bench, run, made):
    median, seconds = statistics.median, bench.options.seconds
    with tempfile.TemporaryDirectory() as folder, \
            run.Canopy(folder, "--container-engine=runc", pin=None, cores=2) as server:
        put(server, run.CANOPY, made, "warm", "instances: 1")
        server.request("POST", "/function/bench/warm/echo", b"x")
        pid = container_process()
        for name, path in (("no-op", "/id"), ("of 5 ms", "/sleep/5")):
            ours, theirs, least = [], [], []
            inside = ["nsenter", "-t", str(pid), "-n"]
            with Relay(run, inside, 8080) as relay:
                for _ in range(bench.options.rounds):
                    ours.append(run.wrk(server.port, f"/function/bench/warm{path}", 1, seconds, pinned=False)["p50"])
                    theirs.append(run.wrk(8080, path, 1, seconds, pinned=False, prefix=inside)["p50"])
                    least.append(run.wrk(relay.port, path, 1, seconds, pinned=False, prefix=inside)["p50"])
            ratio = median(ours) / median(theirs)
            bench.row(f"warm container call, {name} / the same asked directly, p50", f"{ratio:.2f}x", "at most 1.30x",
                      ratio <= 1.3, f"{median(ours):.3f} ms / {median(theirs):.3f} ms; through a relay that only copies "
                      f"bytes {median(least):.3f} ms, {median(least) / median(theirs):.2f}x")
        put(server, run.CANOPY, made, "single", "instances: 1, concurrency: 1")
        server.request("POST", "/function/bench/single/echo", b"x")
        one, many = [], []
        for _ in range(bench.options.rounds):
            one.append(run.wrk(server.port, "/function/bench/single/id", 1, seconds, pinned=False)["rps"])
            many.append(run.wrk(server.port, "/function/bench/single/id", 16, seconds, pinned=False)["rps"])
        ratio = median(many) / median(one)
        bench.row("concurrency 1: 16 callers / one", f"{ratio:.2f}x", "at least 0.90x", ratio >= 0.9,
                  f"{median(many):.0f}/s / {median(one):.0f}/s")


def bare_docker(docker, image, count):
    """Create and start of a container like ours, until it runs."""
    times = []
    body = {"Image": image, "Entrypoint": ["/function"], "Env": ["PORT=8080"], "User": "65534:65534",
            "HostConfig": {"Memory": 64 << 20, "MemorySwap": 64 << 20, "CpuPeriod": 100000, "CpuQuota": 100000,
                           "PidsLimit": 64, "ReadonlyRootfs": True, "CapDrop": ["ALL"], "NetworkMode": "none",
                           "SecurityOpt": ["no-new-privileges"], "LogConfig": {"Type": "none"},
                           "Tmpfs": {"/tmp": "size=16m"}}}
    for _ in range(count):
        began = time.perf_counter()
        status, reply = docker.ask("POST", "/containers/create", json.dumps(body))
        if status != 201:
            raise RuntimeError(f"create: {reply}")
        id = json.loads(reply)["Id"]
        status, reply = docker.ask("POST", f"/containers/{id}/start")
        times.append((time.perf_counter() - began) * 1000)
        if status != 204:
            raise RuntimeError(f"start: {reply}")
        docker.ask("DELETE", f"/containers/{id}?force=1")
    return times


def cold_rows(bench, run, made):
    median, count = statistics.median, 5 * bench.options.rounds
    with tempfile.TemporaryDirectory() as folder, \
            run.Canopy(folder, "--container-engine=runc", pin=None, cores=2) as server:
        ours = [cold_one(server, run.CANOPY, made, f"cold{i}") for i in range(count)]
        put(server, run.CANOPY, made, "crowd")
        answered = crowd(server, "crowd")
    bench.row("64 simultaneous first calls, runc: answered", f"{answered}", "64", answered == 64, "one container")
    if not shutil.which("dockerd"):
        return bench.row("container cold start, Docker / its API alone", "-", "at most 1.15x", None, "dockerd is missing")
    with tempfile.TemporaryDirectory() as daemon, Docker(daemon) as docker, tempfile.TemporaryDirectory() as folder, \
            run.Canopy(folder, "--container-engine=docker", f"--docker-socket={docker.socket}", pin=None, cores=2) as server:
        put(server, run.CANOPY, made, "first")
        cold(server, "first")
        image = next(tag for one in json.loads(docker.ask("GET", "/images/json")[1]) for tag in one["RepoTags"])
        theirs, bare = [], []
        for i in range(bench.options.rounds):
            theirs += [cold_one(server, run.CANOPY, made, f"docker{i}-{j}") for j in range(5)]
            bare += bare_docker(docker, image, 5)
        put(server, run.CANOPY, made, "crowd")
        answered = crowd(server, "crowd")
    ratio = median(theirs) / median(bare)
    bench.row("container cold start, Docker / its API alone", f"{ratio:.2f}x", "at most 1.15x", ratio <= 1.15,
              f"{median(theirs):.0f} ms / {median(bare):.0f} ms; the call and its answer are in it")
    bench.row("64 simultaneous first calls, Docker: answered", f"{answered}", "64", answered == 64, "one container")
    ratio = median(ours) / median(theirs)
    bench.row("container cold start, runc / Docker", f"{ratio:.2f}x", "under 0.30x", ratio < 0.3,
              f"{median(ours):.0f} ms / {median(theirs):.0f} ms")


def cold_one(server, canopy, made, name):
    put(server, canopy, made, name)
    return cold(server, name)


def rows(bench, run):
    with tempfile.TemporaryDirectory() as folder:
        made = program(folder)
        warm_rows(bench, run, made)
        cold_rows(bench, run, made)
