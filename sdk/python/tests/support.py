"""A server of the real program for the tests, where CANOPY_PROGRAM names it."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src"))

PATIENCE = 120  # Seconds. Generous: a test never waits this long unless something is broken.


class ServerCase(unittest.TestCase):
    """One server for all tests of a class."""
    flags = ()

    @classmethod
    def setUpClass(cls):
        program = os.environ.get("CANOPY_PROGRAM")
        if not program:
            raise unittest.SkipTest("CANOPY_PROGRAM does not name the program")
        cls.folder = tempfile.TemporaryDirectory()
        cls.address = "127.0.0.1:0"
        cls.program = program
        cls.start()

    @classmethod
    def start(cls):
        log = pathlib.Path(cls.folder.name) / f"log-{time.monotonic_ns()}"
        with log.open("wb") as out:
            cls.process = subprocess.Popen(
                [cls.program, "up", f"--data={cls.folder.name}/data", f"--listen={cls.address}", *cls.flags],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE
        while not (found := re.search(r"^address\s+http://(\S+)\n(?:.*\n)*?ready in ", log.read_text(), re.M)):
            if cls.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"canopy up did not start:\n{log.read_text()}")
            time.sleep(0.02)
        cls.address = found[1]
        cls.url = f"http://{cls.address}"

    @classmethod
    def stop(cls):
        cls.process.kill()
        cls.process.wait(PATIENCE)

    @classmethod
    def tearDownClass(cls):
        cls.stop()
        cls.folder.cleanup()
