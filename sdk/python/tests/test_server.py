"""Client and Executor against the real program."""
import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import support
from canopy import CallCancelled, CallFailed, CanopyError, Client, Executor, Unreachable, function


@function("sdk/add")
def add(a, b):
    return a + b


@function("sdk/raises", codec="pickle")
def raises(kind):
    if kind == "key":
        return {}[kind]
    return {kind}


@function("sdk/divide")
def divide(a, b):
    return a / b


@function("sdk/rest", timeout="60s")
def rest(seconds):
    import time
    time.sleep(seconds)
    return seconds


class ClientCase(support.ServerCase):
    def setUp(self):
        self.client = Client(self.url)

    def test_deploys_calls_and_removes(self):
        made = self.client.deploy("sdk/twice", "(n) => n * 2", runtime="js", memory="16MiB", env={"A": "b c"})
        self.assertEqual(made["version"], 1)
        reply = self.client.invoke("sdk/twice", "[21]", headers={"Content-Type": "application/json"})
        self.assertEqual((reply.status, reply.json()), (200, 42))
        self.assertEqual(len(reply.call), 32)
        self.assertEqual(self.client.invoke("sdk/twice", [21]).json(), 42)
        self.assertEqual(self.client.submit("sdk/twice", 21).result(timeout=60).json(), 42)
        with self.assertRaisesRegex(TypeError, "bytes, text or what JSON takes"):
            self.client.invoke("sdk/twice", {1, 2})
        self.assertIn("twice", [one["name"].rpartition("/")[2] for one in self.client.functions("sdk")])
        self.client.remove("sdk/twice")
        with self.assertRaises(CanopyError) as caught:
            self.client.invoke("sdk/twice")
        self.assertEqual((caught.exception.status, caught.exception.code), (404, "not_found"))

    def test_a_file_is_known_by_its_ending(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "hello.js"
            path.write_text("() => 'hello'")
            self.client.deploy("sdk/file", path)
            self.assertEqual(self.client.invoke("sdk/file").json(), "hello")
            odd = pathlib.Path(folder) / "hello.c"
            odd.write_text("")
            with self.assertRaisesRegex(ValueError, "canopy deploy"):
                self.client.deploy("sdk/file", odd)

    def test_tells_who_failed(self):
        self.client.deploy("sdk/bad", "() => { throw new Error('no luck') }", runtime="js")
        with self.assertRaisesRegex(CallFailed, "no luck"):
            self.client.invoke("sdk/bad")
        with self.assertRaisesRegex(ValueError, "'php'"):
            self.client.deploy("sdk/bad", "<?php", runtime="php")
        with self.assertRaisesRegex(Unreachable, "CANOPY_URL"):
            Client("http://127.0.0.1:1").functions()
        with self.assertRaises(ValueError):
            Client("nonsense")

    def test_durable_calls(self):
        self.client.deploy("sdk/echo", "(a) => a", runtime="js")
        task = self.client.submit("sdk/echo", "[1]", headers={"Content-Type": "application/json"}, key="once")
        again = self.client.submit("sdk/echo", "[1]", headers={"Content-Type": "application/json"}, key="once")
        self.assertEqual(task.id, again.id)
        self.assertEqual(task.result(support.PATIENCE).json(), 1)
        self.assertEqual(task.record()["state"], "COMPLETED")
        self.assertFalse(task.cancel())
        rest.deploy(self.client)
        long = self.client.submit("sdk/rest", rest.encode((50,), {}))
        with self.assertRaises(TimeoutError):
            long.wait(0.05)
        self.assertTrue(long.cancel())
        with self.assertRaises(CallCancelled):
            long.result(support.PATIENCE)

    def test_batches_tell_each_its_own(self):
        self.client.deploy("sdk/echo", "(a) => a", runtime="js")
        first, second, third = self.client.submit_many(
            "sdk/echo", [{"json": [1], "idempotency_key": "batch"}, {"json": [2], "idempotency_key": "batch"}, {"json": [3]}])
        self.assertEqual(first.result(support.PATIENCE).json(), 1)
        self.assertEqual(second.code, "conflict")
        self.assertEqual(third.result(support.PATIENCE).json(), 3)


class ExecutorCase(support.ServerCase):
    def executor(self, **options):
        return Executor(Client(self.url), **options)

    def test_submits_maps_and_completes(self):
        with self.executor() as executor:
            self.assertEqual(executor.submit(add, 1, 2).result(support.PATIENCE), 3)
            self.assertEqual(list(executor.map(add, range(50), range(50), timeout=support.PATIENCE)),
                             [2 * n for n in range(50)])
            futures = [executor.submit(add, n, b=1) for n in range(20)]
            done = {future.result() for future in concurrent.futures.as_completed(futures, support.PATIENCE)}
            self.assertEqual(done, set(range(1, 21)))
        with self.assertRaises(RuntimeError):
            executor.submit(add, 1, 2)

    def test_failures_are_what_they_were(self):
        with self.executor() as executor:
            with self.assertRaises(KeyError):
                executor.submit(raises, "key").result(support.PATIENCE)
            self.assertEqual(executor.submit(raises, "set").result(support.PATIENCE), {"set"})
            with self.assertRaisesRegex(CallFailed, "ZeroDivisionError"):
                executor.submit(divide, 1, 0).result(support.PATIENCE)
            with self.assertRaises(CanopyError) as caught:
                executor.submit("sdk/nobody", "").result(support.PATIENCE)
            self.assertEqual(caught.exception.status, 404)

    def test_names_of_functions_in_any_language(self):
        Client(self.url).deploy("sdk/js", "(a) => a + 1", runtime="js")
        with self.executor() as executor:
            self.assertEqual(executor.submit("sdk/js", "[41]").result(support.PATIENCE).json(), 42)
            with self.assertRaises(TypeError):
                executor.submit("sdk/js", "[41]", b=1)

    def test_cancel_ends_the_call(self):
        with self.executor() as executor:
            future = executor.submit(rest, 50)
            end = time.monotonic() + support.PATIENCE
            while not future.call and time.monotonic() < end:
                time.sleep(0.01)
            self.assertTrue(future.cancel())
            self.assertTrue(future.cancelled())
            self.assertEqual(Client(self.url).wait(future.call, support.PATIENCE)["state"], "CANCELLED")
            self.assertFalse(executor.submit(add, 1, 1).result(support.PATIENCE) == 3)

    def test_work_of_a_process_that_died_is_reloaded(self):
        rest.deploy(Client(self.url))
        with tempfile.TemporaryDirectory() as folder:
            journal = pathlib.Path(folder) / "work.journal"
            script = ("import os, sys, time\n"
                      f"sys.path[:0] = {[str(pathlib.Path(__file__).parent), str(pathlib.Path(support.__file__).parent)]!r}\n"
                      "import support\nfrom test_server import rest\nfrom canopy import Client, Executor\n"
                      f"executor = Executor(Client({self.url!r}), journal={str(journal)!r})\n"
                      "futures = [executor.submit(rest, n / 10) for n in (3, 4)]\n"
                      "while not all(future.call for future in futures): time.sleep(0.01)\n"
                      "os._exit(7)\n")
            died = subprocess.run([sys.executable, "-c", script], timeout=support.PATIENCE, check=False)
            self.assertEqual(died.returncode, 7)
            with self.executor(journal=journal) as executor:
                executor.adopt(rest)
                futures = executor.reload()
                self.assertEqual(sorted(future.result(support.PATIENCE) for future in futures), [0.3, 0.4])
                self.assertEqual(executor.reload(), [])
            with self.executor(journal=journal) as executor:
                self.assertEqual(executor.reload(), [])
        calls = Client(self.url).calls("sdk/rest")
        self.assertEqual(len([call for call in calls if call["state"] == "COMPLETED"]), 2)  # Each once.


class RestartCase(support.ServerCase):
    def test_a_server_that_is_killed_and_comes_back_loses_nothing(self):
        executor = Executor(Client(self.url), patience=support.PATIENCE)
        self.assertEqual(executor.submit(add, 0, 0).result(support.PATIENCE), 0)
        futures = [executor.submit(add, n, n) for n in range(200)]
        killer = threading.Thread(target=lambda: (self.stop(), self.start()))
        killer.start()
        futures += [executor.submit(add, n, n) for n in range(200, 300)]
        killer.join(support.PATIENCE)
        self.assertEqual([future.result(support.PATIENCE) for future in futures], [2 * n for n in range(300)])
        executor.shutdown()


if __name__ == "__main__":
    unittest.main()
