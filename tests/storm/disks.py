"""Disks that lie, are full or fail."""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

from server import EXAMPLES, HERE, Server, check, wait_for_state


def tail(arguments, folder):
    """The end of the log is cut, and flipped, at many places: what is served is right, or not served."""
    server = Server(arguments.canopy, folder)
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    outputs = {}
    for number in range(40):
        body = hashlib.sha256(str(number).encode()).hexdigest().encode()
        _, answer = server.json("POST", "/async-function/storm/echo", body=body)
        outputs[answer["id"]] = body
    for call in outputs:
        wait_for_state(server, call, ("COMPLETED",))
    server.kill()
    shutil.copytree(folder / "data", folder / "kept")
    wal = folder / "data" / "calls.db-wal"
    size = wal.stat().st_size
    chance = random.Random(arguments.seed)
    places = sorted({size - 1 - chance.randrange(min(size, 60_000)) for _ in range(arguments.tails)})
    served = missing = refused = 0
    for number, place in enumerate(places):
        shutil.rmtree(folder / "data")
        shutil.copytree(folder / "kept", folder / "data")
        if number % 2 == 0:
            os.truncate(wal, place)
        else:
            with open(wal, "r+b") as file:
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ (1 << chance.randrange(8))]))
        server.start()
        for call, body in outputs.items():
            status, output = server.ask("GET", f"/v1/calls/{call}/result")
            if status == 202:  # Its end is lost, not the call: it runs again.
                wait_for_state(server, call, ("COMPLETED",))
                status, output = server.ask("GET", f"/v1/calls/{call}/result")
            if status == 200:
                check(output == body, f"byte {place}: a wrong result: {output}")
                served += 1
            elif status == 500:
                refused += 1
            else:
                check(status in (404, 410), f"byte {place}: {status} {output}")
                missing += 1
        server.kill()
    # What lies before the first cut of many is whole, so a log that is thrown away as a whole is a fault, too.
    check(served > 0, "no result was served, of any log")
    print(f"tail: {len(places)} cuts and flips: {served} results right, {missing} missing, {refused} reported as "
          f"damaged, 0 wrong")


def check_results(server, kept):
    """Each call of `kept`, by its id, completes with the body it was sent as its result."""
    for call, body in kept.items():
        wait_for_state(server, call, ("COMPLETED",))
        check(server.ask("GET", f"/v1/calls/{call}/result")[1] == body, f"a wrong result of {call}")


def disk(arguments, folder):
    """A small disk fills up: 507, and recovery by itself when there is room again."""
    (folder / "data").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder / "data"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        print("disk: SKIPPED, a small file system cannot be mounted here")
        return
    try:
        server = Server(arguments.canopy, folder)
        server.start()
        server.deploy(EXAMPLES / "echo", "storm/echo")
        kept = {}

        def submit():
            body = os.urandom(2000).hex().encode()
            status, answer = server.ask("POST", "/async-function/storm/echo", body=body)
            if status == 202:
                kept[json.loads(answer)["id"]] = body
            return status

        check(submit() == 202, "a call is not accepted on an empty disk")
        filler = folder / "data" / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        statuses = [submit() for _ in range(8)]  # Each may wait for the log to try the disk again.
        check(set(statuses) <= {202, 507}, f"a full disk was answered {set(statuses)}")
        check(507 in statuses, "the disk did not fill up")
        check(server.ask("GET", "/healthz")[0] == 200, "the server did not live through a full disk")
        filler.unlink()
        until = time.monotonic() + 10
        while submit() != 202:
            check(time.monotonic() < until, "no call is accepted though there is room again")
            time.sleep(0.05)
        server.kill()
        server.start()
        check_results(server, kept)
        server.kill(signal.SIGTERM)
        print(f"disk: {statuses.count(507)} calls refused with 507 while it was full, {len(kept)} acknowledged, "
              f"0 of them lost")
    finally:
        subprocess.run(["umount", "-l", folder / "data"])


def sync(arguments, folder):
    """Every fsync fails for a while, of the log and of everything else; the server is killed meanwhile, too."""
    library, fault = folder / "fault.so", folder / "fault"
    built = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "fsync_fault.c"], capture_output=True, text=True)
    check(built.returncode == 0, f"cannot compile fsync_fault.c: {built.stderr}")
    server = Server(arguments.canopy, folder)
    server.environment = {"LD_PRELOAD": str(library), "CANOPY_TEST_FSYNC_FAULT": str(fault)}
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    kept = {}

    def submit(size=100):
        body = os.urandom(size).hex().encode()
        status, answer = server.ask("POST", "/async-function/storm/echo", body=body)
        if status == 202:
            kept[json.loads(answer)["id"]] = body
        return status

    refused = 0
    for round_ in range(2):
        check(submit() == 202 and submit(100_000) == 202, "a call is not accepted while the disk works")
        fault.touch()
        statuses = [submit(), submit(), submit(100_000)]  # Each waits for the log to try the disk again.
        refused += len(statuses)
        check(set(statuses) == {507}, f"a failing fsync was answered {set(statuses)}")
        check(server.ask("GET", "/healthz")[0] == 200, "the server did not live through a failing fsync")
        check(server.ask("POST", "/function/storm/echo", body=b"direct")[1] == b"direct", "other calls do not go on")
        for call in kept:
            check(server.ask("GET", f"/v1/calls/{call}")[0] == 200, "a call cannot be read while fsync fails")
        if round_ == 1:  # What the failed fsyncs left in memory is what the next process finds.
            server.kill()
            fault.unlink()
            server.start()
        else:
            fault.unlink()
        until = time.monotonic() + 20
        while submit() != 202 or submit(100_000) != 202:
            check(time.monotonic() < until, "no call is accepted though fsync works again")
            time.sleep(0.05)
    server.kill()
    server.start()
    check_results(server, kept)
    server.kill(signal.SIGTERM)
    print(f"sync: {refused} calls refused with 507 while every fsync failed, {len(kept)} acknowledged, 0 of them lost")
