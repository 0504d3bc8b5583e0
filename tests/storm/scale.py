"""Containers of one function become many under load, and one again."""
import os
import pathlib
import shutil
import signal
import sys
import threading

from server import HERE, Server, check, wait_until

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from containers.left import Containers  # noqa: E402  (It is beside the folders of the tests.)


def why_not():
    """Why no container can be started here; nothing where one can."""
    if os.geteuid() != 0 or not shutil.which("runc"):
        return "it takes root and runc"
    return None if shutil.which("cc") else "there is no C compiler"


def deploy_box(server, name, settings):
    """A container function: what it does is in tests/containers/server.c."""
    manifest = server.folder / "box.yaml"
    manifest.write_text(f"name: {name}\nruntime: container\ncode: {HERE.parent}/containers/server.c\nmemory: 16MiB\n"
                        f"timeout: 60s\n{settings}\n")
    server.deploy(manifest, name)


class Load:
    """As many clients as are wanted at the moment, each with one call of 50 ms after another."""

    def __init__(self, server, most):
        self.server, self.wanted = server, most
        self.lock, self.begun, self.good, self.failed, self.wrong = threading.Lock(), 0, 0, [], 0
        self.threads = [threading.Thread(target=self.ask_while_wanted, args=(number,), daemon=True) for number in range(most)]
        for thread in self.threads:
            thread.start()

    def ask_while_wanted(self, number):
        while number < self.wanted:
            with self.lock:
                self.begun += 1
            try:
                status, answer = self.server.ask("POST", "/function/storm/box/sleep/50", patience=60)
            except OSError as error:
                status, answer = 0, str(error).encode()
            with self.lock:
                self.good += (status, answer) == (200, b"slept")
                self.wrong += status == 200 and answer != b"slept"
                if status != 200:
                    self.failed.append((status, answer[:300]))

    def lower_to(self, count):
        self.wanted = count
        for thread in self.threads[count:]:
            thread.join(timeout=120)
            check(not thread.is_alive(), "a client still waits for its call after two minutes")


def scale(arguments, folder):
    """1 container, as many as there are clients, and 1 again, under load: no call fails."""
    if reason := why_not():
        print(f"scale: SKIPPED, {reason}")
        return
    most = arguments.scale_instances
    # Three quarters of them are the most that one namespace has.
    server = Server(arguments.canopy, folder, f"--containers-max={most * 4 // 3 + 1}")
    containers = Containers(folder / "data")
    server.start()
    deploy_box(server, "storm/box", f"container: {{concurrency: 1, instances: 1..{most}, idle: 1s}}")
    begun = good = wrong = 0
    failed = []
    for _ in range(arguments.scale_rounds):
        load = Load(server, most)
        wait_until(f"{most} containers run", lambda: len(containers.processes()) == most, patience=300)
        enough = load.good + 4 * most
        wait_until("all of them had calls", lambda: load.good >= enough, patience=300)
        load.lower_to(1)
        wait_until("one container is left", lambda: len(containers.processes()) == 1, patience=300)
        load.lower_to(0)
        begun, good, wrong, failed = begun + load.begun, good + load.good, wrong + load.wrong, failed + load.failed
    check(not failed and wrong == 0 and good == begun, f"{len(failed)} calls failed, first {failed[:2]}; {wrong} were wrong")
    server.kill(signal.SIGTERM)
    check(not containers.left(), f"after the server's end there is {containers.left()}")
    print(f"scale: 1 container, {most}, and 1 again, {arguments.scale_rounds} times; {begun} calls, failed {len(failed)}, wrong {wrong}, "
          f"containers left {len(containers.left())}")
