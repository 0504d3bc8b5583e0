"""The course's command lines: what they become, what they say where something is missing, and tasks through them."""
import codecs
import importlib.util
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from unittest import mock

import support
from canopy import course

SOURCE = pathlib.Path(course.__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("CANOPY_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "canopy")
DILL = CACHE / "dill" / "current"  # Where `make deps` puts it.


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def entry(name, *words, folder, **environment):
    """One of the package's programs as a process that is not waited for, with a log."""
    script = f"import sys; sys.argv[0] = 'canopy-{name}'; from canopy.course import {name.replace('-', '_')} as run; run()"
    base = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" and
            (not key.startswith("CANOPY_") or key in ("CANOPY_PROGRAM", "CANOPY_CACHE"))}
    path = os.pathsep.join([str(SOURCE), environment.pop("PYTHONPATH", str(DILL))])
    log = folder / f"{name}-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", script, *map(str, words)], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=out, cwd=folder, env={**base, "PYTHONPATH": path, **environment})
    return process, log


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()
        program = self.folder / "canopy"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        self.program = str(program)
        (self.folder / "packages" / "dill").mkdir(parents=True)
        (self.folder / "packages" / "dill" / "__init__.py").touch()
        patch = mock.patch.dict(os.environ, {"PATH": str(self.folder), "PYTHONPATH": str(self.folder)})
        patch.start()
        self.addCleanup(patch.stop)
        for name in ("CANOPY_PROGRAM", "CANOPY_LISTEN", "CANOPY_JOIN_TOKEN"):
            os.environ.pop(name, None)
        found = mock.Mock(origin=str(self.folder / "packages" / "dill" / "__init__.py"))
        patch = mock.patch.object(importlib.util, "find_spec", lambda name: found)
        patch.start()
        self.addCleanup(patch.stop)
        self.python = [f"--python={sys.executable}", f"--python-path={self.folder}/packages:{self.folder}"]

    def test_a_dispatcher_is_a_server(self):
        command = [self.program, "up", "--listen=127.0.0.1:8000", "--data=.canopy", "--builders=on"]
        self.assertEqual(course.dispatcher_command(["-m", "push", "-p", "5555"]),
                         [*command, "--dispatch=push", *self.python, "--node-listen=127.0.0.1:5555"])
        self.assertEqual(course.dispatcher_command(["-m", "pull", "-p", "5555", "-w", "4", "--", "--store=redis://h"]),
                         [*command, "--dispatch=pull", *self.python, "--node-listen=127.0.0.1:5555", "--store=redis://h"])
        self.assertEqual(course.dispatcher_command(["-m", "local", "-p", "5555", "-w", "1"]),
                         [*command, "--dispatch=local", *self.python, "--python-calls=1", "--cores=1"])

    def test_an_address_may_have_colons(self):
        self.assertIn("--node-listen=[::1]:5555", course.dispatcher_command(["-m", "pull", "-p", "5555", "--bind", "::1"]))

    def test_a_worker_is_a_node_with_a_folder_that_no_other_has(self):
        token = self.folder / "token"
        token.touch()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
            words = ["4", url, "--token-file", str(token), "--data", str(self.folder / "workers")]
            first, second = course.worker_command(words, "pull"), course.worker_command(words, "push")
        self.assertEqual(first, [self.program, "node", "--role=worker", f"--join={url[6:]}", f"--token-file={token}",
                                 f"--name={socket.gethostname()}-1", f"--data={self.folder}/workers/1", "--slots=4",
                                 *self.python])
        self.assertIn(f"--data={self.folder}/workers/2", second)

    def test_what_is_missing_is_said(self):
        dispatcher = ["-m", "push", "-p", "5555"]

        def worker(*words):
            return lambda: course.worker_command(["1", *words, "--wait=0"], "push")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
            with self.assertRaisesRegex(course.Wrong, "join token is not in .canopy/node.token; start this where"):
                worker(url)()
        with self.assertRaisesRegex(course.Wrong, f"no dispatcher answers at {url}: .*; start `canopy-dispatcher"):
            worker(url)()
        for odd in ("127.0.0.1:5555", "tcp://host", "tcp://host:x", "http://host:5555"):
            with self.assertRaisesRegex(course.Wrong, "is no address of a dispatcher; it is like tcp://127.0.0.1:5555"):
                worker(odd)()
        with mock.patch.object(importlib.util, "find_spec", lambda name: None):
            with self.assertRaisesRegex(course.Wrong, "functions need dill, .* -m pip install dill"):
                course.dispatcher_command(dispatcher)
        os.environ["PATH"] = str(self.folder / "packages")
        with self.assertRaisesRegex(course.Wrong, "no program 'canopy' in PATH"):
            course.dispatcher_command(dispatcher)
        os.environ["CANOPY_PROGRAM"] = "/nowhere/canopy"
        with self.assertRaisesRegex(course.Wrong, "CANOPY_PROGRAM says /nowhere/canopy"):
            worker(url)()
        with mock.patch("sys.stderr"):
            for words in (["-m", "push"], ["-m", "other", "-p", "1"], ["-m", "pull", "-p", "0"], ["-m", "local", "-w", "x"]):
                with self.assertRaises(SystemExit):
                    course.dispatcher_command(words)


class Tasks(unittest.TestCase):
    """With the real program."""

    def setUp(self):
        if not os.environ.get("CANOPY_PROGRAM"):
            self.skipTest("CANOPY_PROGRAM does not name the program")
        if not (DILL / "dill").is_dir():
            self.skipTest(f"there is no dill in {DILL}; `make deps` fetches it")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def begin(self, name, *words, until=None):
        process, log = entry(name, *words, folder=self.folder)
        self.addCleanup(self.end, process)
        end = time.monotonic() + support.PATIENCE
        while until and not (found := re.search(until, log.read_text())):
            self.assertIsNone(process.poll(), log.read_text())
            self.assertLess(time.monotonic(), end, log.read_text())
            time.sleep(0.02)
        return found[1] if until else process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(support.PATIENCE)

    def ask(self, url, path, **body):
        asked = urllib.request.Request(url + path, json.dumps(body).encode() if body else None,
                                       {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=support.PATIENCE) as answer:
            return json.loads(answer.read())

    def run_tasks(self, url):
        with mock.patch.object(sys, "path", [*sys.path, str(DILL)]):
            import dill

            def serialize(value):
                return codecs.encode(dill.dumps(value), "base64").decode()

            space = {"__name__": "__main__"}
            exec("def double(number): return number * 2", space)
            function = self.ask(url, "/register_function", name="double", payload=serialize(space["double"]))["function_id"]
            tasks = [self.ask(url, "/execute_function", function_id=function, payload=serialize(((number,), {})))["task_id"]
                     for number in range(4)]
            for number, task in enumerate(tasks):
                end = time.monotonic() + support.PATIENCE
                while (answer := self.ask(url, f"/result/{task}"))["status"] not in ("COMPLETED", "FAILED"):
                    self.assertLess(time.monotonic(), end, answer)
                    time.sleep(0.02)
                result = dill.loads(codecs.decode(answer["result"].encode(), "base64"))
                self.assertEqual((answer["status"], result), ("COMPLETED", number * 2))

    def test_local(self):
        self.run_tasks(self.begin("dispatcher", "-m", "local", "-w", 2, "--listen=127.0.0.1:0",
                                  until=r"(?s)address\s+(http://\S+)\n.*ready in "))

    def run_with_workers(self, mode):
        """They are started before their dispatcher."""
        port = free_port()
        workers = [self.begin(f"{mode}-worker", 2, f"tcp://127.0.0.1:{port}", "--wait", support.PATIENCE) for _ in range(2)]
        url = self.begin("dispatcher", "-m", mode, "-p", port, "--listen=127.0.0.1:0",
                         until=r"(?s)address\s+(http://\S+)\n.*ready in ")
        self.run_tasks(url)
        self.assertTrue([node for node in self.ask(url, "/v1/nodes")["nodes"] if node["role"] == "worker"])
        for worker in workers:
            self.assertIsNone(worker.poll())

    def test_push(self):
        self.run_with_workers("push")

    def test_pull(self):
        self.run_with_workers("pull")

    def test_errors_are_one_sentence(self):
        process, log = entry("push-worker", 1, f"tcp://127.0.0.1:{free_port()}", "--wait=0", folder=self.folder)
        self.assertEqual(process.wait(support.PATIENCE), 1)
        self.assertRegex(log.read_text(), r"^canopy-push-worker: no dispatcher answers at tcp://\S+: .+; start .+\n$")
        process, log = entry("dispatcher", "-m", "local", folder=self.folder, CANOPY_PROGRAM="/nowhere")
        self.assertEqual(process.wait(support.PATIENCE), 1)
        self.assertEqual(log.read_text(), "canopy-dispatcher: CANOPY_PROGRAM says /nowhere, and there is no such program\n")


if __name__ == "__main__":
    unittest.main()
