"""What was promised to clients, and the audit of it."""
import json
import random
import threading
import time

from server import check


class Ledger:
    """Every key that was used, what was sent under it, and every id that was ever answered."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ids = {}
        self.bodies = {}
        self.replayed = self.errors = 0
        self.last_error = None  # Why a connection broke.
        self.broken = []  # What a client should not have been told. (sys.exit() in its thread would end that alone, unseen.)

    def note(self, key, body, call):
        with self.lock:
            self.bodies[key] = body
            self.ids.setdefault(key, set()).add(call)


def submit_until(stop, server, ledger, number, seed, pause=0.0, patience=10):
    """One client: numbered calls, each asked for until it is acknowledged; one in ten is asked for twice."""
    try:
        submit_in_turn(stop, server, ledger, number, seed, pause, patience)
    except Exception as error:  # An answer that nobody can read, say. The thread would end alone, unseen.
        ledger.broken.append(f"client {number} has ended: {error!r}")


def submit_in_turn(stop, server, ledger, number, seed, pause, patience):
    chance = random.Random(seed * 1000 + number)
    count = 0
    while not stop.wait(pause):
        count += 1
        key = f"client-{number}-call-{count}"
        body = f"{key} {chance.random()}".encode()
        again = chance.random() < 0.1
        while True:
            try:
                status, answer = server.ask("POST", "/async-function/storm/echo", body=body, patience=patience,
                                            headers={"Idempotency-Key": key, "X-Canopy-Retry": "20"})
            except OSError as error:
                ledger.errors += 1
                ledger.last_error = error
                time.sleep(0.01)
                continue
            if status == 202:
                ledger.note(key, body, json.loads(answer)["id"])
                if not again:
                    break
                again = False
                ledger.replayed += 1
                continue
            if status not in (429, 503, 507):
                ledger.broken.append(f"a call was answered {status}: {answer[:300]}")
                return
            time.sleep(0.01)


def list_calls(server):
    """Every record of the function, by its id."""
    records, after = {}, ""
    while True:
        status, page = server.json("GET", f"/v1/calls?function=storm/echo&durable=true&limit=1000{after}")
        check(status == 200, f"the list was answered {status}")
        records.update((record["id"], record) for record in page["calls"])
        if not page["next"]:
            return records
        after = f"&after={page['next']}"


def find_ended(server, call, record, until):
    """The record of a call, once it has ended or time is up; nothing where the server knows of none."""
    while record is None or record["state"] in ("QUEUED", "RUNNING"):
        wait = max(0, min(20, int(until - time.monotonic())))  # Once time is up, nobody is waited for.
        status, record = server.json("GET", f"/v1/calls/{call}?wait={wait}s")
        if status != 200:
            return None
        if time.monotonic() > until:
            break
    return record


def audit(server, ledger, patience, may_lose=False):
    """Ends the program where a promise was broken; else returns how many calls ran more than once."""
    check(not ledger.broken, ledger.broken)
    for key, ids in ledger.ids.items():
        check(len(ids) == 1, f"key {key} names {len(ids)} calls: {ids}")
    key_of = {next(iter(ids)): key for key, ids in ledger.ids.items()}
    check(len(key_of) == len(ledger.ids), "two keys name one call")
    until = time.monotonic() + patience
    lost = stuck = wrong = failed = 0
    retried = 0
    records = list_calls(server)
    results = server.kept()
    for call, key in key_of.items():
        record = find_ended(server, call, records.get(call), until)
        if record is None:
            lost += 1
            print(f"lost: {key} {call}")
            continue
        if record["state"] in ("QUEUED", "RUNNING"):
            stuck += 1
            print(f"stuck: {key} {record}")
            continue
        retried += record["attempt"] > 1
        if record["state"] != "COMPLETED":
            failed += 1
            print(f"failed: {key} {record}")
            continue
        status, output = results.ask(f"/v1/calls/{call}/result")
        if status != 200 or output != ledger.bodies[key]:
            wrong += 1
            print(f"wrong: {key} {status} {output[:200]}")
    # And the other way round: no call that nobody was told of ran under a key twice.
    seen = {}
    for record in list_calls(server).values():
        if record.get("idempotency_key"):
            seen.setdefault(record["idempotency_key"], set()).add(record["id"])
    double = sum(len(ids) > 1 for ids in seen.values())
    starts = sorted(server.starts)
    print(f"storm: {len(ledger.ids)} calls acknowledged, {ledger.replayed} asked twice, {ledger.errors} broken "
          f"connections, {len(starts) - 1} kills, {retried} calls ran more than once; ready again in at most "
          f"{starts[-1]:.2f} s")
    print(f"  acknowledged and lost {lost}, more than one call for a key {double}, stuck {stuck}, "
          f"wrong result {wrong}, failed {failed}")
    check(double + stuck + wrong + failed + (0 if may_lose else lost) == 0, "the ledger does not add up")
    found = sum(key in seen for key in ledger.ids)
    check(found > 0 and found + lost == len(ledger.ids), "a key that was acknowledged is in no record")
    return retried
