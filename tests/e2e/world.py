"""What the tests stand on: the program, servers of it, folders that go, HTTP by hand."""
import contextlib
import fcntl
import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import interpreter  # noqa: E402  (They are beside the folders of the tests.)
from redis_server import RedisServer  # noqa: E402
from side_by_side import processor_seconds  # noqa: E402

START_TIME = 180  # Generous: a test never waits this long unless something is broken.
RUN_TIME = 900
PATIENT = ["--compile-timeout=15m"]  # A busy machine is no failure.
SANITIZERS = (b"__asan_init", b"__tsan_init")


class Failure(Exception):
    """The program did something else than it should."""


class Skip(Exception):
    """The test cannot run here."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def wait_until(condition, what, seconds=START_TIME):
    """Asks until it holds: what happens in another process cannot be waited for otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise Failure(f"{what} did not happen within {seconds} s")


def check_words(text):
    """A sanitizer's finding does not end the program by itself."""
    check(not re.search(r"\w+Sanitizer|runtime error:", text), f"a sanitizer found:\n{text[-20000:]}")


class Server:
    """A running `canopy up`."""

    def __init__(self, world, data, flags=()):
        self.world, self.data, self.flags = world, data, list(flags)
        self.log = world.fresh("server").with_suffix(".log")
        self.process = None
        self.port = 0
        self.start()

    def start(self):
        listen = [] if any(flag.startswith("--listen") for flag in self.flags) else [f"--listen=127.0.0.1:{self.port}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.world.canopy, "up", f"--data={self.data}", *PATIENT, *listen, *self.world.up_flags,
                 *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.world.folder, env=self.world.environment())

        def ready():
            check(self.process.poll() is None, f"canopy up ended with {self.process.poll()}:\n{self.text()}")
            return re.findall(r"^address\s+(https?://\S+)\n(?:.*\n)*?ready in ", self.text(), re.M)

        self.url = wait_until(ready, "canopy up to be ready")[-1]
        self.port = urllib.parse.urlsplit(self.url).port

    def text(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(START_TIME)
        check_words(self.text())

    def stop(self):
        """As Ctrl-C does. Returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(START_TIME)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"canopy up did not stop:\n{self.text()}") from None
        check_words(self.text())
        return status

    def end(self):
        """When its test is over."""
        if self.process.poll() is not None:
            check_words(self.text())
        elif self.world.is_sanitized:
            self.stop()  # Leaks are told at the end.
        else:
            self.kill()

    def restart(self):
        self.log.write_text("")
        self.start()

    def request(self, method, target, headers=None, body=None):
        """The response as it is: status, headers, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=RUN_TIME)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


@contextlib.contextmanager
def only_one(path):
    """No other of the processes that run tests is between here and the end of the `with` of the same path."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class World:
    """One for each process that runs tests: `folder` is its own, and in `common` is what each of them can use."""

    def __init__(self, canopy, root, folder, common):
        self.canopy, self.root, self.folder, self.common = canopy, root, folder, common
        self._count = 0
        self._shared = None
        self._own = []
        self._stores = []
        self._modules = {}
        self.up_flags = []
        self.is_sanitized = any(word in canopy.read_bytes() for word in SANITIZERS)

    def environment(self, **more):
        base = {key: value for key, value in os.environ.items() if not key.startswith("CANOPY_") or
                key in ("CANOPY_CACHE", "CANOPY_SYSROOT")}
        return base | {"NO_COLOR": "1"} | more

    def fresh(self, name):
        """A path that nobody else has."""
        self._count += 1
        return self.folder / f"{self._count}-{name}"

    def fresh_folder(self, name):
        path = self.fresh(name)
        path.mkdir()
        return path

    def shared_server(self):
        if self._shared is None:
            self._shared = Server(self, self._folder_with_interpreter("data"))
        check(self._shared.process.poll() is None, f"the server has ended:\n{self._shared.text()}")
        return self._shared

    def warm_folder(self, name):
        """A data folder that has nothing but the compiled interpreter of JavaScript."""
        shared = self.shared_server()
        with only_one(self.common / "interpreter.lock"):
            if not self._interpreter():
                source = self.fresh("first.js")
                source.write_text("export default () => null;\n")
                self.must("deploy", source, "--name=t/first", url=shared.url)
        return self._folder_with_interpreter(name)

    def _interpreter(self):
        """A folder that has the compiled interpreter, if one of the shared servers has made it."""
        common = self.common / "interpreter"
        if not common.exists() and self._shared is not None and interpreter.is_made(self._shared.data):
            made = self.fresh_folder("interpreter")
            interpreter.share(self._shared.data, made)
            with contextlib.suppress(OSError):  # Another was first.
                made.rename(common)
        return common if common.exists() else None

    def _folder_with_interpreter(self, name):
        """A fresh folder; with the interpreter, if there is one."""
        folder, made = self.fresh(name), self._interpreter()
        if made:
            folder.mkdir()
            interpreter.share(made, folder)
        return folder

    def own_server(self, *flags):
        """A server for one test."""
        server = Server(self, self._folder_with_interpreter("data"), flags)
        self._own.append(server)
        return server

    def own_redis(self):
        """A Redis for one test."""
        self._stores.append(RedisServer(self.fresh_folder("redis")))
        return self._stores[-1]

    def run(self, *arguments, url=None, cwd=None, data=b"", **environment):
        """Runs the program; its end, with what it wrote as text."""
        if url:
            environment["CANOPY_URL"] = url
        try:
            end = subprocess.run([self.canopy, *map(str, arguments)], input=data, capture_output=True,
                                 cwd=cwd or self.folder, env=self.environment(**environment), timeout=RUN_TIME)
        except subprocess.TimeoutExpired:
            raise Failure(f"canopy {' '.join(map(str, arguments))} took more than {RUN_TIME} s") from None
        end.out, end.err = end.stdout.decode(errors="replace"), end.stderr.decode(errors="replace")
        check_words(end.err)
        return end

    def must(self, *arguments, **how):
        """The same, and it succeeds."""
        end = self.run(*arguments, **how)
        check(end.returncode == 0, f"canopy {' '.join(map(str, arguments))} ended with {end.returncode}:\n"
                                   f"{end.out}{end.err}")
        return end

    def built(self, source):
        """A folder with the module of that example or source file, built once, and its canopy.yaml."""
        source = self.root / source
        if source not in self._modules:
            self.need_compiler(source)
            is_script = source.suffix == ".js" or (source.is_dir() and any(source.glob("*.js")))
            place = self.common / str(source.relative_to(self.root)).replace("/", "-")
            made = f"{source.stem}.{'js' if is_script else 'wasm'}"
            with only_one(place.with_name(f"{place.name}.lock")):
                if not place.exists():
                    folder = self.fresh_folder(source.stem)
                    self.must("build", source, "-o", folder / made)
                    if (source / "canopy.yaml").exists():
                        shutil.copy(source / "canopy.yaml", folder)
                    folder.rename(place)
            self._modules[source] = place / made
        return self._modules[source]

    def need_compiler(self, source):
        names = [path.name for path in source.rglob("*")] if source.is_dir() else [source.name]
        if any(name.endswith(".go") for name in names) and not shutil.which("go"):
            raise Skip("there is no Go compiler")
        if any(name.endswith(".rs") for name in names):
            if not shutil.which("rustc"):
                raise Skip("there is no Rust compiler")
            libraries = subprocess.run(["rustc", "--print", "target-libdir", "--target", "wasm32-wasip1"],
                                       capture_output=True, text=True).stdout.strip()
            if not pathlib.Path(libraries).is_dir():
                raise Skip("Rust has no library for wasm32-wasip1; rustup target add wasm32-wasip1")

    def need_containers(self):
        if os.geteuid() != 0 or not shutil.which("runc"):
            raise Skip("containers take root and runc")

    def processor_seconds(self):
        """What this process and all that it started have had of the processors so far."""
        servers = [*self._own, *([self._shared] if self._shared else [])]
        return processor_seconds([server.process.pid for server in servers if server.process.poll() is None])

    def end_test(self):
        own, self._own = self._own, []
        failures = []
        for server in own:
            try:
                server.end()
            except Failure as failure:
                failures.append(str(failure))
        stores, self._stores = self._stores, []
        for store in stores:
            store.end()
        check(not failures, "\n".join(failures))

    def close(self):
        self.end_test()
        if self._shared and self._shared.process.poll() is None:
            self._shared.stop()
