"""Starts each file of deploy/compose with a Docker of its own, deploys a function, calls it, and stops it all."""
import contextlib
import functools
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

import files
import live
import walls

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
PATIENCE = 300  # Seconds: each node compiles an interpreter when it starts for the first time.
HELLO = "export default (name) => `Hello, ${name}!`\n"
SIZES = ("small", "medium", "large")
NODES = {"small": 1, "medium": 5, "large": 4}  # That one of its servers shows, itself among them.


def image_maker():
    """deploy/image/make, as a module."""
    loader = importlib.machinery.SourceFileLoader("image_make", str(DEPLOY / "image/make"))
    loader_spec = importlib.util.spec_from_loader("image_make", loader)
    made = importlib.util.module_from_spec(loader_spec)
    loader.exec_module(made)
    return made


def redis_image(folder):
    """An image of this machine's redis-server, for where none can be pulled."""
    maker = image_maker()
    layer = maker.Layer()
    for name in ("redis-server", "redis-cli"):
        program = pathlib.Path(shutil.which(name))
        layer.file(f"usr/bin/{name}", program.read_bytes(), 0o755)
        for path, real in sorted(maker.libraries(program)):
            if path not in layer.folders:
                layer.file(path, real.read_bytes(), 0o755)
                layer.folders.add(path)
    layer.folder("data", 0o700, 999)
    path = folder / "redis.tar"
    path.write_bytes(layer.take())
    return path


class Docker:
    """dockerd, started by hand, in a folder of its own; it ends with the block."""

    def __init__(self, folder):
        self.folder = folder
        self.host = f"unix://{folder}/socket"
        self.environment = dict(os.environ, DOCKER_HOST=self.host, COMPOSE_HTTP_TIMEOUT="600")
        self.process = subprocess.Popen(
            ["dockerd", f"--host={self.host}", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
             f"--pidfile={folder}/pid", "--bridge=none", "--iptables=false", "--ip-masq=false"],
            stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT)

    def run(self, *command, **more):
        done = subprocess.run(command, env=dict(self.environment, **more), capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise RuntimeError(f"'{' '.join(map(str, command))}' failed: {done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    def __enter__(self):
        end = time.monotonic() + 60
        while True:
            try:
                self.run("docker", "version")
                return self
            except RuntimeError:
                if time.monotonic() > end or self.process.poll() is not None:
                    self.__exit__()
                    raise RuntimeError(f"dockerd does not start: {(self.folder / 'log').read_text()[-1000:]}") from None
                time.sleep(0.2)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def composed(docker, size, folder):
    """The project of a size, up; its variables."""
    variables = {"CANOPY_IMAGE": "canopy:check", "REDIS_IMAGE": "redis-of-this-machine:check",
                 "CANOPY_SECRETS": str(folder / "secrets"), "CANOPY_PORT": str(live.free_port()), "CANOPY_PORT_2": str(live.free_port())}
    compose = ["docker-compose", f"--project-name=canopy{size}", f"--file={DEPLOY}/compose/{size}.yaml"]
    try:
        docker.run(*compose, "up", "--detach", **variables)
        yield variables, compose
    finally:
        docker.run(*compose, "down", "--volumes", "--timeout=40", **variables)


def wait(done, what, log):
    end = time.monotonic() + PATIENCE
    last = ""
    while time.monotonic() < end:
        try:
            if done():
                return
        except (RuntimeError, subprocess.SubprocessError) as error:
            last = str(error)
        time.sleep(0.5)
    raise RuntimeError(f"{what} did not happen; {last}\n{log()[-4000:]}")


def state_of(port, key):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/debug/state", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def try_size(docker, program, size, folder):
    with composed(docker, size, folder) as (variables, compose):
        def log():
            return docker.run(*compose, "logs", "--no-color", "--tail=40", **variables)

        def state():
            rows = docker.run("docker", "ps", "--all", "--format={{.Names}} {{.Status}}").splitlines()
            return all("(healthy)" in row for row in rows)

        wait(state, f"{size}: all of it healthy", lambda: docker.run("docker", "ps", "--all") + log())
        # Of servers that share a Redis the first to start has printed the key.
        key = re.search(r"admin key +(cnp_\S+)", docker.run(*compose, "logs", "--no-color", **variables))[1]
        (folder / "hello.js").write_text(HELLO)
        ports = [variables["CANOPY_PORT"]] + ([variables["CANOPY_PORT_2"]] if size == "large" else [])
        for number, port in enumerate(ports):
            with_key = {"CANOPY_URL": f"http://127.0.0.1:{port}", "CANOPY_KEY": key}
            if number == 0:
                docker.run(program, "deploy", folder / "hello.js", "--name=demo/hello", **with_key)

            def called():
                reply = docker.run(program, "invoke", "demo/hello", "-d", size, **with_key)
                assert reply.strip() == f'"Hello, {size}!"', f"a call answers {reply!r}"
                return True

            wait(called, f"{size}: a call at port {port}", log)
            durable = docker.run(program, "invoke", "--async", "demo/hello", "-d", size, **with_key).strip()
            docker.run(program, "calls", "wait", durable, **with_key)
            walls.check(functools.partial(state_of, port, key), count=NODES[size])
        return docker.run("docker", "ps", "--format={{.Names}}").split()


def check(program, report):
    for tool in ("dockerd", "docker", "docker-compose", "redis-server", "cc", "strip"):
        if not shutil.which(tool):
            report.skip("start", f"{tool} is missing: tools/deps --deploy")
            return
    if os.geteuid() != 0:
        report.skip("start", "dockerd needs root")
        return
    with tempfile.TemporaryDirectory(prefix="canopy-start-") as name:
        folder = pathlib.Path(name)
        (folder / "docker").mkdir()
        with Docker(folder / "docker") as docker:
            docker.run(DEPLOY / "image/make", "--tag=canopy:check", program, folder / "canopy.tar")
            docker.run("docker", "load", f"--input={folder}/canopy.tar")
            docker.run("docker", "import", "--change=ENV PATH=/usr/bin", redis_image(folder), "redis-of-this-machine:check")
            files.make_secrets(program, folder / "secrets")
            for size in SIZES:
                with report.trying(f"start {size}"):
                    names = try_size(docker, program, size, folder)
                    report.say(f"start {size}: {len(names)} containers, each healthy and with all its walls; "
                               "a function deployed, called, called durably")
