#!/usr/bin/env python3
"""Runs the end-to-end tests: the real program, on a port that the kernel chooses, with a data folder of its own.

  tests/e2e/run.py build/dev/canopy [--only=TEXT] [--jobs=3] [--keep] [--up=--workers=2]

Three kinds of test: cases/*.case (case.py says how they are written), the examples with their input and
expected output, and scenarios.py and the modules beside it (http2, mucpd, builders, hyperfaas, tree and others) for what needs a program. What
needs a compiler that is not there is skipped, with the reason."""
import argparse
import os
import pathlib
import sys
import tempfile
import time
import traceback

import builders
import builders_modes
import builders_redis
import case
import examples
import http2
import hyperfaas
import hyperfaas_workers
import mucpd
import nodes
import scenarios
import shared
import traces
import tree
import walls
from world import Failure, Skip, World

from side_by_side import Died, share_out  # Beside the folders of the tests, where world.py looks.


# What takes longest is begun first, so that in the end nobody waits for it.
MODULES = (hyperfaas, builders_modes, tree, hyperfaas_workers, nodes, mucpd, builders, builders_redis, traces, shared,
           walls, scenarios, http2)


def collect(root):
    """(name, function of a World) for each test."""
    for name, test in [item for module in MODULES for item in vars(module).items()]:
        if name.startswith("test_"):
            yield f"scenario {name[5:].replace('_', ' ')}", test
    for folder in sorted((root / "examples").iterdir()):
        if (folder / "canopy.yaml").exists():
            yield f"example {folder.name}", lambda world, folder=folder: examples.check_example(world, folder)
    for language in ("c", "container", "cpp", "go", "js", "python", "rust"):
        yield f"template {language}", lambda world, language=language: examples.check_template(world, language)
    for path in sorted((root / "tests/e2e/cases").glob("*.case")):
        yield f"case {path.stem}", lambda world, path=path: case.run(world, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("canopy", type=pathlib.Path)
    parser.add_argument("--only", default="", help="only tests whose name has this in it")
    parser.add_argument("--jobs", type=int, default=3, help="tests that run at a time; most of them wait most of the time")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    parser.add_argument("--up", action="append", default=[], help="one more flag for each server that is started")
    arguments = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[2]
    tests = [(name, test) for name, test in collect(root) if arguments.only in name]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with tempfile.TemporaryDirectory(prefix="canopy-e2e-", ignore_cleanup_errors=True) as folder:
        if arguments.keep:
            folder = tempfile.mkdtemp(prefix="canopy-e2e-")
            print("keeping", folder)
        common = pathlib.Path(folder) / "common"
        common.mkdir()

        def lane(mine, tell):
            own = pathlib.Path(tempfile.mkdtemp(prefix="lane-", dir=folder))
            world = World(arguments.canopy.resolve(), root, own, common)
            world.up_flags = arguments.up
            try:
                for name, test in mine:
                    tell(attempt(name, test, world))
            finally:
                world.close()

        for told in share_out(arguments.jobs, tests, lane):
            word, text = ("failed", f"failed   {told}") if isinstance(told, Died) else told
            counts[word] += 1
            print(text, flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    if not tests:
        print(f"no test has '{arguments.only}' in its name")
    return 1 if counts["failed"] or not counts["passed"] else 0


def attempt(name, test, world):
    """How it ended in a word, and the line that says so."""
    began, spent = time.monotonic(), world.processor_seconds()
    word, detail = outcome(test, world)
    try:
        world.end_test()
    except Failure as failure:
        word, detail = "failed", f"{detail}\n{failure}"
    took, spent = time.monotonic() - began, world.processor_seconds() - spent
    return word, f"{word:8} {name} ({took:.1f} s, {spent:.1f} s of a processor){detail}"


def outcome(test, world):
    try:
        said = test(world)
        return "passed", f": {said}" if said else ""
    except Skip as reason:
        return "skipped", f": {reason}"
    except Failure as failure:
        return "failed", f"\n{failure}"
    except Exception:  # A broken test is a failed one; the others still run.
        return "failed", "\n" + traceback.format_exc()


if __name__ == "__main__":
    os.environ.pop("CANOPY_URL", None)
    os.environ.pop("CANOPY_KEY", None)
    sys.exit(main())
