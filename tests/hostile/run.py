#!/usr/bin/env python3
"""Hostile clients, modules, guests and disks against the real program.

  run.py [--canopy=build/release/canopy] [--long] [--jobs=2] [GROUP[.TEST] ...]

Each file of a group has functions `test_...(stage)`; what a test asserts of the answer stands there. Around every
one of them, harness.py asserts what must hold whatever happens: the server lives, a neighbour's calls stay right
before, meanwhile and after, and instances, connections, descriptors, processes and memory return to where they
were. Groups run side by side; what would not bear that is marked and comes last. --long adds the tests that take
minutes."""
import argparse
import importlib
import os
import pathlib
import sys
import time
import traceback

sys.dont_write_bytecode = True
import harness
from side_by_side import Died, share_out  # Beside the folders of the tests, where harness.py looks.

# The longest first, so that in the end nobody waits for one of them.
GROUPS = ["container", "javascript", "python", "tenants", "tree", "guests", "uploads", "access", "builders", "fetching", "http2", "requests",
          "nodes", "walls", "data_folder", "canary", "hyperfaas", "hyperfaas_workers", "traces"]


def chosen_tests(group, wanted, is_long):
    for name, test in vars(importlib.import_module(group)).items():
        if not name.startswith("test_") or (getattr(test, "only_long", False) and not is_long):
            continue
        if not wanted or group in wanted or f"{group}.{name.removeprefix('test_')}" in wanted:
            yield name.removeprefix("test_"), test


def run_one(group, name, test, place):
    """"passed", "skipped", "failed", or "open" where it failed for a fault that is known; and the line that says so."""
    began, spent = time.monotonic(), place.processor_seconds()
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
    took, spent = time.monotonic() - began, place.processor_seconds() - spent
    return result, f"{group}.{name} ({took:.1f} s, {spent:.1f} s of a processor) {outcome}"


def lane(mine, tell):
    harness.begin_lane()
    for group, tests in mine:
        try:
            with importlib.import_module(group).make_place() as place:
                for name, test in tests:
                    tell(run_one(group, name, test, place))
        except harness.Failure as error:
            tell(("failed", f"{group} (its server) FAILED\n{error}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    parser.add_argument("--canopy", default=str(root / "build/release/canopy"))
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--jobs", type=int, help="groups that run at a time, each with a server of its own: 2, and one with --long")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    if not os.access(options.canopy, os.X_OK):
        sys.exit(f"there is no program {options.canopy}; build it, or name another with --canopy=")
    harness.prepare(options.canopy, options.long)
    jobs = options.jobs or (1 if options.long else 2)
    chosen = [(group, list(chosen_tests(group, options.tests, options.long))) for group in GROUPS]
    together = [(group, [one for one in tests if not getattr(one[1], "alone", False)]) for group, tests in chosen]
    alone = [(group, [one for one in tests if getattr(one[1], "alone", False)]) for group, tests in chosen]
    counts = {"passed": 0, "failed": 0, "skipped": 0, "open": 0}
    began = time.monotonic()
    for count, groups in ((jobs, together), (1, alone)):
        for told in share_out(count, [(group, tests) for group, tests in groups if tests], lane):
            result, line = ("failed", f"FAILED: {told}") if isinstance(told, Died) else told
            counts[result] += 1
            print(line, flush=True)
    harness.clean_up()
    print(", ".join(f"{count} {result}" for result, count in counts.items()) + f" in {time.monotonic() - began:.0f} s")
    if sum(counts.values()) == 0:
        sys.exit("no test has that name")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
