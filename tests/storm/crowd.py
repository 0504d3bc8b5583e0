"""Many users, one of them greedy."""
import http.client
import json
import multiprocessing
import re
import signal
import time

from server import Server, check


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
    """The greedy user, in a process of its own: asks at that rate, whatever is answered, and until something is refused."""
    connection = crowd.connect()
    refused = accepted = 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds or (refused == 0 and now < 60):
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
    greedy.join(timeout=120)  # What it tells is small: it does not wait for us to read it.
    check(greedy.exitcode == 0, f"the greedy user's process ended with {greedy.exitcode}; it says above why")
    accepted, refused, took = results.get(timeout=60)
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
