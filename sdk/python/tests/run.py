#!/usr/bin/env python3
"""The tests of the package with every Python from 3.9 on that this machine has: run.py PROGRAM"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def pythons():
    """One of each version, this one first."""
    found = {sys.version_info[:2]: sys.executable}
    places = [pathlib.Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    for minor in range(9, 15):
        for place in places:
            program = place / f"python3.{minor}"
            if (3, minor) in found or not program.exists():
                continue
            says = subprocess.run([program, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True,
                                  timeout=60, check=False)
            if says.returncode == 0 and says.stdout.strip() == str(minor):
                found[(3, minor)] = str(program)
    return found


def main():
    failed = []
    for version, program in pythons().items():
        name = ".".join(map(str, version))
        print(f"Python {name}", flush=True)
        run = subprocess.run([program, "-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", HERE, "-t", HERE],
                             env=dict(os.environ, CANOPY_PROGRAM=str(pathlib.Path(sys.argv[1]).resolve())), timeout=900,
                             check=False)
        if run.returncode != 0:
            failed.append(name)
    if failed:
        sys.exit(f"failed with Python {', '.join(failed)}")


if __name__ == "__main__":
    main()
