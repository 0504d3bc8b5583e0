"""The load of FaaS Builders' clients, and servers of Canopy in each way of dispatching, for bench/run and
bench/weak_scaling. Functions and arguments travel as pickles by dill's own hand, as those clients send them."""
import codecs
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CANOPY = ROOT / "build" / "release" / "canopy"
CACHE = pathlib.Path(os.environ.get("CANOPY_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "canopy")
DILL = CACHE / "dill" / "current"
MODES = ("local", "push", "pull")
PATIENCE = 120  # Seconds that a run may take at most.
CONNECTIONS = 8  # As the peers were measured.
POLL = 0.002


def no_op():
    return None


def sleep(seconds):
    import time as clock
    clock.sleep(seconds)
    return seconds


def serialize(value):
    sys.path.append(str(DILL))
    import dill
    sys.path.remove(str(DILL))
    return codecs.encode(dill.dumps(value, recurse=True), "base64").decode()


def by_value(target):
    """As if it were defined in the client's main module: those travel whole."""
    target.__module__ = "__main__"
    return serialize(target)


class Client:
    """One kept connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def ask(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return json.loads(text)

    def register(self, name, target):
        return self.ask("POST", "/register_function", {"name": name, "payload": by_value(target)})["function_id"]

    def execute(self, function, payload):
        return self.ask("POST", "/execute_function", {"function_id": function, "payload": payload})["task_id"]

    def status(self, task):
        return self.ask("GET", f"/status/{task}")["status"]

    def wait(self, task):
        end = time.monotonic() + PATIENCE
        while (status := self.status(task)) not in ("COMPLETED", "FAILED"):
            if time.monotonic() > end:
                raise RuntimeError(f"the task {task} has not ended within {PATIENCE} s")
            time.sleep(POLL)
        return status


def burst(port, function, payload, count, connections=CONNECTIONS):
    """Submits `count` tasks over so many connections and waits until the result of each can be read. Seconds from the
    first to the last, and how many failed."""
    clients = [Client(port) for _ in range(connections)]
    began = time.perf_counter()

    def work(client, share):
        tasks = [client.execute(function, payload) for _ in range(share)]
        return sum(client.wait(task) != "COMPLETED" for task in tasks)

    shares = [count // connections + (i < count % connections) for i in range(connections)]
    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        failed = sum(pool.map(work, clients, shares))
    return time.perf_counter() - began, failed


def one_at_a_time(port, function, payload, count):
    """Milliseconds of each, from its submission to its readable result."""
    client = Client(port)
    times = []
    for _ in range(count):
        began = time.perf_counter()
        if client.wait(client.execute(function, payload)) != "COMPLETED":
            raise RuntimeError("a task failed")
        times.append((time.perf_counter() - began) * 1000)
    return times


class Cluster:
    """A server, and for push and pull `workers` of `slots` each; local has workers * slots processes."""

    def __init__(self, mode, workers, slots, folder=None, flags=()):
        self.mode, self.processes = mode, []
        self.temporary = None if folder else tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(folder or self.temporary.name)
        self.flags = [f"--dispatch={mode}", "--builders=on", f"--python={sys.executable}", f"--python-path={DILL}",
                      "--log-level=error",
                      f"--builders-keep-warm={workers * slots}", *flags]
        local = mode == "local"
        if local:  # What each core may have is rounded up.
            self.flags += [f"--python-calls={workers * slots}", f"--cores={min(workers * slots, os.cpu_count())}"]
        else:
            self.flags += ["--node-listen=127.0.0.1:0"]
        try:
            out = self.start(["up", "--listen=127.0.0.1:0", f"--data={self.folder}/server", *self.flags], r"ready in ")
            self.port = int(re.search(r"^address\s+http://127\.0\.0\.1:(\d+)", out, re.M)[1])
            if not local:
                self.join(re.search(r"^workers\s+join at (\S+)", out, re.M)[1], workers, slots)
        except BaseException:
            self.close()
            raise

    def join(self, address, workers, slots):
        threads = []
        for i in range(workers):
            words = ["node", "--role=worker", f"--join={address}", f"--token-file={self.folder}/server/node.token",
                     f"--name=worker-{i + 1}", f"--data={self.folder}/worker-{i + 1}", f"--slots={slots}",
                     f"--python={sys.executable}", f"--python-path={DILL}", "--log-level=info"]
            threads.append(threading.Thread(target=self.start, args=(words, r"has joined")))
            threads[-1].start()
        for thread in threads:
            thread.join(PATIENCE)

    def start(self, words, until):
        log = pathlib.Path(tempfile.mkstemp(dir=self.folder if self.folder.exists() else None)[1])
        with log.open("wb") as out:
            process = subprocess.Popen([CANOPY, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.processes.append(process)
        end = time.monotonic() + PATIENCE
        while not re.search(until, text := log.read_text()):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"canopy {' '.join(words)} is not up:\n{text}")
            time.sleep(0.02)
        return text

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.temporary:
            self.temporary.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
