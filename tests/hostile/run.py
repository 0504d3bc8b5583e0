#!/usr/bin/env python3
"""Hostile clients, modules, guests and disks against the real program.

  run.py [--canopy=build/release/canopy] [--long] [GROUP[.TEST] ...]

Each file of a group has functions `test_...(stage)`; what a test asserts of the answer stands there. Around every
one of them, harness.py asserts what must hold whatever happens: the server lives, a neighbour's calls stay right
before, meanwhile and after, and instances, connections, descriptors, processes and memory return to where they
were. --long adds the tests that take minutes."""
import argparse
import importlib
import os
import pathlib
import sys
import time
import traceback

sys.dont_write_bytecode = True
import harness

GROUPS = ["uploads", "requests", "http2", "guests", "javascript", "python", "container", "tenants", "builders", "hyperfaas", "fetching", "data_folder", "access",
          "nodes", "tree", "traces", "canary"]


def chosen_tests(module, wanted, is_long):
    for name, test in vars(module).items():
        if not name.startswith("test_") or (getattr(test, "only_long", False) and not is_long):
            continue
        group = module.__name__
        if not wanted or group in wanted or f"{group}.{name.removeprefix('test_')}" in wanted:
            yield name.removeprefix("test_"), test


def run_one(group, name, test, place):
    """"passed", "skipped", "failed", or "open" where it failed for a fault that is known."""
    began = time.monotonic()
    try:
        place.check(test)
        known = getattr(test, "open_finding", None)
        outcome, result = ("ok, although its fault is said to be open" if known else "ok"), "passed"
    except harness.Skip as reason:
        outcome, result = f"skipped: {reason}", "skipped"
    except Exception as error:
        text = str(error) if isinstance(error, harness.Failure) else traceback.format_exc()
        known = getattr(test, "open_finding", None)
        outcome, result = (f"OPEN: {known}\n{text}", "open") if known else (f"FAILED\n{text}", "failed")
    print(f"{group}.{name} ({time.monotonic() - began:.1f} s) {outcome}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    parser.add_argument("--canopy", default=str(root / "build/release/canopy"))
    parser.add_argument("--long", action="store_true")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    if not os.access(options.canopy, os.X_OK):
        sys.exit(f"there is no program {options.canopy}; build it, or name another with --canopy=")
    harness.prepare(options.canopy, options.long)
    counts = {"passed": 0, "failed": 0, "skipped": 0, "open": 0}
    began = time.monotonic()
    for group in GROUPS:
        module = importlib.import_module(group)
        tests = list(chosen_tests(module, options.tests, options.long))
        if not tests:
            continue
        try:
            with module.make_place() as place:
                for name, test in tests:
                    counts[run_one(group, name, test, place)] += 1
        except harness.Failure as error:
            print(f"{group} (its server) FAILED\n{error}", flush=True)
            counts["failed"] += 1
    harness.clean_up()
    print(", ".join(f"{count} {result}" for result, count in counts.items()) + f" in {time.monotonic() - began:.0f} s")
    if sum(counts.values()) == 0:
        sys.exit("no test has that name")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
