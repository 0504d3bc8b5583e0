#!/usr/bin/env python3
"""Kills the server again and again under load, and audits what it promised of durable calls.

  tests/storm/run.py --canopy=build/release/canopy [--seconds=60] [--clients=8] [--seed=N] [SCENARIO...]

Scenarios: storm (kill -9 at 1 to 5 Hz; a ledger of every answer is audited afterwards), poison (a call that
does not let its server live ends among the dead), drain (SIGTERM gives back what runs), tail (the log cut and
flipped at its end: never a wrong record), disk (full: 507, and recovery by itself), sync (fsync fails: the same),
crowd (100 users, one of whom asks for ten times its quota), workers (the storm, with workers killed instead of the server),
worker-poison, worker-stop (SIGSTOP of a worker; none outlives its server), resize (more and fewer workers under
load, no call fails). All of them, if none is named; `--seconds=600 storm` and `--seconds=600
--worker-seconds=600 workers` are the long ones.

Ends with 0 where every promise held, and prints the ledger's sums."""
import argparse
import hashlib
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The real binary on a port and a folder that stay the same however often it dies."""

    def __init__(self, canopy, folder, *flags):
        self.canopy, self.folder, self.flags = canopy, folder, flags
        self.environment = {}
        self.port = free_port()
        self.process = None
        self.starts = []
        self.log = open(folder / "server.log", "ab")

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.canopy, "up", f"--listen=127.0.0.1:{self.port}", f"--data={self.folder}/data", *self.flags],
            stdout=self.log, stderr=subprocess.STDOUT, env=dict(os.environ, **self.environment))
        while True:
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}: see {self.folder}/server.log")
            try:
                if self.ask("GET", "/readyz", patience=1)[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() - began > 60:
                sys.exit("the server is not ready after a minute")
            time.sleep(0.005)
        self.starts.append(time.monotonic() - began)

    def kill(self, sign=signal.SIGKILL):
        self.process.send_signal(sign)
        return self.process.wait(timeout=60)

    def ask(self, method, target, body=None, headers=None, patience=40):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def json(self, method, target, **rest):
        status, body = self.ask(method, target, **rest)
        return status, json.loads(body)

    def deploy(self, path, name):
        run = subprocess.run([self.canopy, "deploy", str(path), f"--name={name}"], text=True,
                             env=dict(os.environ, CANOPY_URL=f"http://127.0.0.1:{self.port}"),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode != 0:
            sys.exit(f"cannot deploy {path}: {run.stdout}")


def check(condition, what):
    if not condition:
        sys.exit(f"BROKEN: {what}")


class Ledger:
    """Every key that was used, what was sent under it, and every id that was ever answered."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ids = {}
        self.bodies = {}
        self.replayed = self.errors = 0

    def note(self, key, body, call):
        with self.lock:
            self.bodies[key] = body
            self.ids.setdefault(key, set()).add(call)


def submit_until(stop, server, ledger, number, seed):
    """One client: numbered calls, each asked for until it is acknowledged; one in ten is asked for twice."""
    chance = random.Random(seed * 1000 + number)
    count = 0
    while not stop.is_set():
        count += 1
        key = f"client-{number}-call-{count}"
        body = f"{key} {chance.random()}".encode()
        again = chance.random() < 0.1
        while True:
            try:
                status, answer = server.ask("POST", "/async-function/storm/echo", body=body, patience=10,
                                            headers={"Idempotency-Key": key, "X-Canopy-Retry": "20"})
            except OSError:
                ledger.errors += 1
                time.sleep(0.01)
                continue
            if status == 202:
                ledger.note(key, body, json.loads(answer)["id"])
                if not again:
                    break
                again = False
                ledger.replayed += 1
                continue
            check(status in (429, 503, 507), f"a call was answered {status}: {answer[:300]}")
            time.sleep(0.01)


def audit(server, ledger, patience):
    for key, ids in ledger.ids.items():
        check(len(ids) == 1, f"key {key} names {len(ids)} calls: {ids}")
    key_of = {next(iter(ids)): key for key, ids in ledger.ids.items()}
    check(len(key_of) == len(ledger.ids), "two keys name one call")
    until = time.monotonic() + patience
    lost = stuck = wrong = failed = 0
    retried = 0
    for call, key in key_of.items():
        while True:
            status, record = server.json("GET", f"/v1/calls/{call}?wait=20s")
            if status != 200 or record["state"] not in ("QUEUED", "RUNNING") or time.monotonic() > until:
                break
        if status != 200:
            lost += 1
            print(f"lost: {key} {call}: {status} {record}")
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
        status, output = server.ask("GET", f"/v1/calls/{call}/result")
        if status != 200 or output != ledger.bodies[key]:
            wrong += 1
            print(f"wrong: {key} {status} {output[:200]}")
    # And the other way round: no call that nobody was told of ran under a key twice.
    seen, after, listed = {}, "", 0
    while True:
        status, page = server.json("GET", f"/v1/calls?function=storm/echo&limit=1000{after}")
        check(status == 200, f"the list was answered {status}")
        for record in page["calls"]:
            listed += 1
            if record.get("idempotency_key"):
                seen.setdefault(record["idempotency_key"], set()).add(record["id"])
        if not page["next"]:
            break
        after = f"&after={page['next']}"
    double = sum(len(ids) > 1 for ids in seen.values())
    starts = sorted(server.starts)
    print(f"storm: {len(ledger.ids)} calls acknowledged, {ledger.replayed} asked twice, {ledger.errors} broken "
          f"connections, {len(starts) - 1} kills, {retried} calls ran more than once; ready again in at most "
          f"{starts[-1]:.2f} s")
    print(f"  acknowledged and lost {lost}, more than one call for a key {double}, stuck {stuck}, "
          f"wrong result {wrong}, failed {failed}")
    check(lost + double + stuck + wrong + failed == 0, "the ledger does not add up")
    check(len(ledger.ids) > 0 and listed >= len(ledger.ids), "nothing was audited")


def storm(arguments, folder):
    server = Server(arguments.canopy, folder)
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    ledger, stop = Ledger(), threading.Event()
    clients = [threading.Thread(target=submit_until, args=(stop, server, ledger, number, arguments.seed))
               for number in range(arguments.clients)]
    for client in clients:
        client.start()
    chance = random.Random(arguments.seed)
    until = time.monotonic() + arguments.seconds
    while time.monotonic() < until:
        time.sleep(1 / chance.uniform(1, 5))
        server.kill()
        server.start()
    stop.set()
    for client in clients:
        client.join()
    audit(server, ledger, patience=120)
    server.kill(signal.SIGTERM)


def wait_for_state(server, call, states, patience=60):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        status, record = server.json("GET", f"/v1/calls/{call}")
        if status == 200 and record["state"] in states:
            return record
        time.sleep(0.02)
    sys.exit(f"BROKEN: the call did not become one of {states}: {record}")


def sleeper(folder):
    """A module that sleeps for the seconds of its input, and says so."""
    source = folder / "sleeper.c"
    source.write_text('#include <canopy.h>\n#include <stdlib.h>\n#include <unistd.h>\n'
                      'int main(void) { char text[16] = {0}; ssize_t size = read(0, text, 15); (void)size;\n'
                      '  for (int left = atoi(text); left > 0; --left) sleep(1);\n'
                      '  write(1, "slept", 5); return 0; }\n')
    return source


def poison(arguments, folder):
    server = Server(arguments.canopy, folder, "--call-losses=3")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    server.deploy(EXAMPLES / "echo", "storm/echo")
    _, answer = server.json("POST", "/async-function/storm/sleeper", body=b"9", headers={"X-Canopy-Timeout": "60s"})
    for loss in range(3):
        record = wait_for_state(server, answer["id"], ("RUNNING",))
        check(record["attempt"] == loss + 1, f"attempt {record['attempt']} after {loss} losses")
        server.kill()
        server.start()
    record = wait_for_state(server, answer["id"], ("FAILED",))
    check(len(record["attempts"]) == 3 and record["error"]["code"] == "died", f"poison: {record}")
    _, dead = server.json("GET", "/v1/calls?state=FAILED")
    check([call["id"] for call in dead["calls"]] == [answer["id"]], f"the dead are {dead}")
    _, fine = server.json("POST", "/async-function/storm/echo", body=b"fine")
    wait_for_state(server, fine["id"], ("COMPLETED",))
    check(server.ask("POST", f"/v1/calls/{answer['id']}/retry")[0] == 202, "a dead call cannot be retried")
    wait_for_state(server, answer["id"], ("RUNNING",))
    check(server.ask("DELETE", f"/v1/calls/{answer['id']}")[0] == 200, "a running call cannot be cancelled")
    check(wait_for_state(server, answer["id"], ("CANCELLED",))["attempt"] == 4, "the fourth attempt was cancelled")
    server.kill(signal.SIGTERM)
    print("poison: a call that its server did not survive three times is among the dead, and can be retried")


def drain(arguments, folder):
    server = Server(arguments.canopy, folder, "--drain-timeout=1s")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    ids = []
    for seconds in (b"4", b"4"):
        _, answer = server.json("POST", "/async-function/storm/sleeper", body=seconds)
        ids.append(answer["id"])
    for call in ids:
        wait_for_state(server, call, ("RUNNING",))
    server.kill(signal.SIGTERM)
    server.start()
    for call in ids:
        record = wait_for_state(server, call, ("COMPLETED",))
        check(record["attempt"] == 1 and record["usage"]["run_seconds"] > 3, f"drain: {record}")
    server.kill(signal.SIGTERM)
    print("drain: what ran was given back, and ran after the restart under the same number")


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
    print(f"tail: {len(places)} cuts and flips: {served} results right, {missing} missing, {refused} reported as "
          f"damaged, 0 wrong")


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
        statuses = [submit() for _ in range(20)]  # Each may wait for the log to try the disk again.
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
        for call, body in kept.items():
            wait_for_state(server, call, ("COMPLETED",))
            check(server.ask("GET", f"/v1/calls/{call}/result")[1] == body, f"a wrong result of {call}")
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
    for round_ in range(3):
        check(submit() == 202 and submit(100_000) == 202, "a call is not accepted while the disk works")
        fault.touch()
        statuses = [submit() for _ in range(5)] + [submit(100_000)]
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
        while submit() != 202:
            check(time.monotonic() < until, "no call is accepted though fsync works again")
            time.sleep(0.05)
    server.kill()
    server.start()
    for call, body in kept.items():
        wait_for_state(server, call, ("COMPLETED",))
        check(server.ask("GET", f"/v1/calls/{call}/result")[1] == body, f"a wrong result of {call}")
    server.kill(signal.SIGTERM)
    print(f"sync: {refused} calls refused with 507 while every fsync failed, {len(kept)} acknowledged, 0 of them lost")


def first_key(server):
    """What the first start prints, soon after it is ready."""
    until = time.monotonic() + 30
    while not (found := re.search(r"cnp_\w+", (server.folder / "server.log").read_text())):
        check(time.monotonic() < until, "no administrator's key was printed")
        time.sleep(0.02)
    return found[0]


class Crowd:
    """Users with a function and a quota each, and what was answered to them."""

    def __init__(self, server, count, calls_per_minute, queued_calls):
        self.server = server
        admin = first_key(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

        def ask(method, target, body, key, kind="application/json"):
            connection.request(method, target, body=body, headers={"Authorization": f"Bearer {key}", "Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
            check(response.status in (200, 201), f"{method} {target}: {response.status} {answer[:300]}")
            return json.loads(answer)

        self.keys = []
        for number in range(count):
            quotas = {"calls_per_minute": calls_per_minute, "queued_calls": queued_calls}
            made = ask("POST", "/v1/users", json.dumps({"name": f"user-{number}", "quotas": quotas}), admin)
            self.keys.append(made["key"]["key"])
            ask("PUT", f"/v1/functions/user-{number}/f", b"export default (x) => x", self.keys[-1], "text/javascript")
        connection.close()

    def ask(self, connection, number, route="function"):
        """(status, headers, milliseconds) of one call of that user's."""
        began = time.perf_counter()
        connection.request("POST", f"/{route}/user-{number}/f", body=b"1",
                           headers={"Authorization": f"Bearer {self.keys[number]}", "Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
        return response.status, response.headers, (time.perf_counter() - began) * 1000, body

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)


def greed(crowd, rate, seconds, results):
    """The greedy user, in a process of its own: asks at that rate, whatever is answered."""
    connection = crowd.connect()
    refused = accepted = 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        if (accepted + refused) > now * rate:
            time.sleep(0.001)
            continue
        status, headers, _, _ = crowd.ask(connection, 0)
        check(status in (200, 429), f"the greedy user was answered {status}")
        check(status == 200 or int(headers["Retry-After"]) >= 1, "a 429 without Retry-After")
        accepted += status == 200
        refused += status == 429
    results.put((accepted, refused, time.monotonic() - began))


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def crowd(arguments, folder):
    """100 users within their quotas, while one of them asks for ten times its own."""
    quota, seconds = 1200, arguments.crowd_seconds
    server = Server(arguments.canopy, folder, "--auth=on")
    server.start()
    people = Crowd(server, 100, calls_per_minute=quota, queued_calls=20)

    def others(until):
        """Each of the other 99 in turns, in a rhythm that leaves the machine room; all are answered."""
        connection = people.connect()
        times = []
        while time.monotonic() < until or not times:
            for number in range(1, 100):
                status, _, milliseconds, body = people.ask(connection, number)
                check(status == 200 and body == b"1", f"user {number}, within its quota, was answered {status} {body[:200]}")
                times.append(milliseconds)
                time.sleep(0.001)
        return times

    others(0)  # Everybody's function is loaded.
    alone = others(time.monotonic() + seconds)
    results = multiprocessing.Queue()
    greedy = multiprocessing.Process(target=greed, args=(people, 10 * quota / 60, seconds, results))
    greedy.start()
    beside = others(time.monotonic() + seconds)
    accepted, refused, took = results.get(timeout=120)
    greedy.join()
    check(greedy.exitcode == 0, "the greedy user's process failed")
    bound = quota * (1 + took / 60) + 1
    check(accepted <= bound, f"{accepted} calls of the greedy user ran in {took:.1f} s; with its quota {bound:.0f} may")
    check(refused > 0, "nothing was refused")
    # The same of what waits: the greedy one's line is full, the others' calls are accepted and end.
    connection = people.connect()
    seen = {}
    ended = []
    for turn in range(200):
        status = people.ask(connection, 1, "async-function")[0]
        seen[status] = seen.get(status, 0) + 1
    check(set(seen) <= {202, 429}, f"durable calls of the greedy user were answered {seen}")
    for number in range(2, 100):
        status, _, _, body = people.ask(connection, number, "async-function")
        check(status == 202, f"a durable call of user {number} was answered {status}")
        ended.append((number, json.loads(body)["id"]))
    for number, call in ended:
        connection.request("GET", f"/v1/calls/{call}?wait=30s", headers={"Authorization": f"Bearer {people.keys[number]}"})
        response = connection.getresponse()
        record = json.loads(response.read())
        check(record["state"] == "COMPLETED", f"the durable call of user {number}: {record}")
    server.kill(signal.SIGTERM)
    quiet, busy = percentile(alone, 0.99), percentile(beside, 0.99)
    print(f"crowd: 99 users, {len(alone)} calls alone and {len(beside)} beside a user that asked {accepted + refused} times with a quota of "
          f"{quota} a minute ({refused} refused with 429): their p99 {busy:.2f} ms, {busy / quiet:.2f} times the {quiet:.2f} ms without it; "
          f"p50 {percentile(beside, 0.5):.2f} and {percentile(alone, 0.5):.2f} ms")


def nodes(server):
    return [node for node in server.json("GET", "/v1/nodes")[1]["nodes"] if node["role"] == "worker"]


def workers_of(server):
    """The processes of the workers that are ready."""
    return [node["pid"] for node in nodes(server) if node["state"] == "ready"]


def alive(pid):
    try:
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def wait_until(what, condition, patience=60):
    until = time.monotonic() + patience
    while not condition():
        check(time.monotonic() < until, f"it never came so far: {what}")
        time.sleep(0.01)


def workers_storm(arguments, folder):
    """Workers die by kill -9 at 1 to 5 Hz under durable load: the same audit as that of the server's own storm."""
    server = Server(arguments.canopy, folder, "--workers=2", "--call-losses=1000")
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    ledger, stop, kills = Ledger(), threading.Event(), 0
    clients = [threading.Thread(target=submit_until, args=(stop, server, ledger, number, arguments.seed))
               for number in range(arguments.clients)]
    for client in clients:
        client.start()
    chance = random.Random(arguments.seed)
    until = time.monotonic() + min(arguments.seconds, arguments.worker_seconds)
    while time.monotonic() < until:
        time.sleep(1 / chance.uniform(1, 5))
        if ready := workers_of(server):
            os.kill(chance.choice(ready), signal.SIGKILL)
            kills += 1
    stop.set()
    for client in clients:
        client.join()
    check(ledger.errors == 0, f"{ledger.errors} connections broke, and only workers died")
    audit(server, ledger, patience=120)
    print(f"workers: {kills} workers killed, the server lived")
    server.kill(signal.SIGTERM)


def worker_poison(arguments, folder):
    """A call whose worker is killed under it each time; the same for a call that somebody waits for."""
    server = Server(arguments.canopy, folder, "--workers=1", "--call-losses=3")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    _, answer = server.json("POST", "/async-function/storm/sleeper", body=b"9", headers={"X-Canopy-Timeout": "60s"})
    for loss in range(3):
        def running():
            return server.json("GET", f"/v1/calls/{answer['id']}")[1]["attempt"] == loss + 1 and \
                any(node["running"] == 1 and node["state"] == "ready" for node in nodes(server))
        wait_until(f"attempt {loss + 1} runs", running)
        os.kill(workers_of(server)[0], signal.SIGKILL)
    record = wait_for_state(server, answer["id"], ("FAILED",))
    check(record["error"]["code"] == "died" and "signal 9" in record["error"]["message"], f"poison: {record}")
    check(len(record["attempts"]) == 3 and all("signal 9" in one["error"]["message"] for one in record["attempts"]),
          f"the attempts are {record['attempts']}")
    wait_until("a worker is ready", lambda: len(workers_of(server)) == 1)
    with_client = {}
    client = threading.Thread(target=lambda: with_client.update(
        zip(("status", "body"), server.ask("POST", "/function/storm/sleeper", body=b"9"))))
    client.start()
    wait_until("the call runs", lambda: any(node["running"] == 1 for node in nodes(server)))
    os.kill(workers_of(server)[0], signal.SIGKILL)
    client.join()
    error = json.loads(with_client["body"])["error"]
    check(with_client["status"] == 502 and error["code"] == "died" and "signal 9" in error["message"],
          f"the client was told {with_client}")
    check(server.ask("GET", "/healthz")[0] == 200, "the server did not live")
    server.kill(signal.SIGTERM)
    print("worker-poison: a call that its worker did not survive three times is among the dead, with each attempt's "
          "error; one that was waited for is a 502 that names the signal")


def worker_stop(arguments, folder):
    """A stopped worker is killed, its calls run elsewhere; and no worker outlives its server."""
    server = Server(arguments.canopy, folder, "--workers=2", "--worker-silence=1s")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    before = workers_of(server)
    _, answer = server.json("POST", "/async-function/storm/sleeper", body=b"1")
    wait_until("the call runs", lambda: any(node["running"] == 1 for node in nodes(server)))
    holder = next(node["pid"] for node in nodes(server) if node["running"] == 1)
    os.kill(holder, signal.SIGSTOP)
    record = wait_for_state(server, answer["id"], ("COMPLETED",))
    check(record["attempt"] == 2, f"it ran elsewhere as attempt {record['attempt']}")
    check(not alive(holder), "the stopped worker lives")
    told = next(node["last_end"] for node in nodes(server) if node["restarts"] == 1)
    check("says nothing" in told, f"its end is told as {told}")
    wait_until("both are ready", lambda: len(workers_of(server)) == 2)
    left = workers_of(server)
    os.kill(left[0], signal.SIGSTOP)  # Nobody can be told to end by itself, then.
    server.kill()
    wait_until("no worker lives", lambda: not any(alive(pid) for pid in left + before), patience=10)
    server.start()
    left = workers_of(server)
    check(len(left) == 2, f"the next start has the workers {left}")
    server.kill(signal.SIGTERM)
    check(not any(alive(pid) for pid in left), "a worker outlived a server that was told to end")
    print("worker-stop: a stopped worker was killed and its call ran elsewhere; kill -9 of the server left none behind")


def resize(arguments, folder):
    """The scaler makes workers more and fewer, others are told to drain: no call of anybody's fails."""
    server = Server(arguments.canopy, folder, "--workers=1..3", "--worker-slots=4", "--scale-delay=100ms",
                    "--scale-cool-down=1s")
    server.start()
    server.deploy(sleeper(folder), "storm/sleeper")
    server.deploy(EXAMPLES / "echo", "storm/echo")
    failures, counts, stop = [], {"calls": 0}, threading.Event()

    def call():
        while not stop.is_set():
            status, body = server.ask("POST", "/function/storm/echo", body=b"still here")
            counts["calls"] += 1
            if status != 200 or body != b"still here":
                failures.append((status, body[:300]))

    clients = [threading.Thread(target=call) for _ in range(3)]
    for client in clients:
        client.start()
    most, ids = 1, []
    for wave in range(arguments.waves):
        wait_until("there is one worker", lambda: len(nodes(server)) == 1)
        for _ in range(30):
            ids.append(server.json("POST", "/async-function/storm/sleeper", body=b"1")[1]["id"])
        wait_until("there are three workers", lambda: len(workers_of(server)) == 3)
        os.kill(workers_of(server)[0], signal.SIGTERM)
        for identifier in ids:
            record = wait_for_state(server, identifier, ("COMPLETED", "FAILED"))
            check(record["state"] == "COMPLETED" and record["attempt"] == 1, f"resize: {record}")
    wait_until("there is one worker again", lambda: len(nodes(server)) == 1)
    stop.set()
    for client in clients:
        client.join()
    check(not failures, f"{len(failures)} calls failed, first {failures[:1]}")
    server.kill(signal.SIGTERM)
    print(f"resize: one worker, three, and one again, {arguments.waves} times, with one told to drain each time: "
          f"{counts['calls']} calls that were waited for and {len(ids)} durable ones, 0 failed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--canopy", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--tails", type=int, default=12)
    parser.add_argument("--worker-seconds", type=float, default=6, help="at most so long of the storm over workers")
    parser.add_argument("--waves", type=int, default=1, help="of load, for the scaler")
    parser.add_argument("--crowd-seconds", type=float, default=10, help="how long the others are watched, without the greedy one and with it")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("scenarios", nargs="*")
    arguments = parser.parse_args()
    arguments.canopy = str(pathlib.Path(arguments.canopy).resolve())
    known = {"storm": storm, "poison": poison, "drain": drain, "tail": tail, "disk": disk, "sync": sync, "crowd": crowd,
             "workers": workers_storm, "worker-poison": worker_poison, "worker-stop": worker_stop, "resize": resize}
    print(f"seed {arguments.seed}", flush=True)
    for name in arguments.scenarios or known:
        if name not in known:
            sys.exit(f"no scenario {name}; there are {', '.join(known)}")
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"canopy-{name}-"))
        known[name](arguments, folder)
        sys.stdout.flush()
        shutil.rmtree(folder)


main()
