"""The network between a server, a balancer and its workers is slow, loses packets, and is cut."""
import http.client
import json
import random
import signal
import threading
import time

import spaces
from callers import Callers
from ledger import audit
from nodes import Node, push, share_interpreter, wait_for_nodes
from server import EXAMPLES, Server, check, free_port, wait_until

DELAY, LOSS = 0.2, 0.05  # Seconds each way, and the share of packets, on each of the two links.
PATHS = ("middle", "middle/one", "middle/two")
ALLOWED = {(502, "died"), (503, "unavailable"), (504, "deadline")}  # What a cut may do to a call that is waited for.


class Ends:
    """Follows the server's events, and counts how often each call was said to have ended."""

    def __init__(self, server):
        self.counts, self.missed = {}, 0
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
        connection.request("GET", "/v1/events?function=storm/echo")
        self.stream = connection.getresponse()
        check(self.stream.status == 200, f"the events were answered {self.stream.status}")
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        kind = None
        for line in self.stream:
            word, _, rest = line.decode().rstrip("\n").partition(": ")
            if word == "event":
                kind = rest
            elif word == "data" and kind == "call.ended":
                call = json.loads(rest)["id"]
                self.counts[call] = self.counts.get(call, 0) + 1
            elif word == "data" and kind == "lost":
                self.missed += json.loads(rest)["count"]


def cut(row, chance, longest):
    """One of the links, one way or both, for some seconds. Whether it was both."""
    link = chance.choice(row.links)
    sides = chance.choice(((0,), (1,), (0, 1), (0, 1)))
    row.be(DELAY, LOSS, [(link, side) for side in sides])
    time.sleep(chance.uniform(1, longest))
    row.be(DELAY, LOSS)
    return len(sides) == 2


def partition(arguments, folder):
    """Nothing durable is lost, fails, or is recorded twice, however often the levels of a tree are cut from each other."""
    if reason := spaces.why_not():
        print(f"partition: SKIPPED, there can be no network of its own: {reason}")
        return
    share_interpreter(arguments.canopy, folder / "data")
    row = spaces.Row(3, arguments.seed)
    with row.spaces[0]:  # So is everything from here that is in no other: the server, and its clients.
        storm_over(row, arguments, folder)


def storm_over(row, arguments, folder):
    chance = random.Random(arguments.seed)
    above = f"{row.address(0, 1)}:{free_port()}"
    silence = f"{arguments.partition_silence}s"
    server = Server(arguments.canopy, folder, f"--node-listen={above}", f"--worker-silence={silence}", "--call-losses=1000")
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    with row.spaces[1]:
        middle = Node(server, "middle", above, f"--silence={silence}", role="balancer", host=row.address(1, 1))
    with row.spaces[2]:
        nodes = [middle, *(Node(server, name, middle.address) for name in ("one", "two"))]
    wait_for_nodes(server, nodes, *PATHS)
    push(server)
    ends = Ends(server)
    row.be(DELAY, LOSS)
    cuts = whole = 0
    with Callers(server, {"storm/echo": (b"still here", b"still here")}, 4, arguments.seed, durable=4, pause=0.05) as callers:
        until = time.monotonic() + min(arguments.seconds, arguments.partition_seconds)
        while time.monotonic() < until or not cuts:
            time.sleep(chance.uniform(0.5, 2))
            cuts += 1
            whole += cut(row, chance, arguments.partition_cut)
        callers.more(10)  # It heals by itself.
    for one in callers.failed:
        check((one.status, one.code) in ALLOWED, f"a call failed as none should: {one}")
    check(callers.wrong == 0, f"{callers.wrong} calls had a wrong output")
    # What came faster than such a network carries is worked off, oldest first.
    audit(server, callers.ledger, patience=max(240, 2 * arguments.partition_seconds))
    calls = {next(iter(ids)) for ids in callers.ledger.ids.values()}
    wait_until("the ends of all calls were told", lambda: ends.missed > 0 or all(call in ends.counts for call in calls))
    twice = [call for call in calls if ends.counts.get(call, 0) > 1]
    check(not twice, f"{len(twice)} durable calls were recorded more than once, first {twice[:1]}")
    row.be()
    wait_for_nodes(server, nodes, *PATHS)
    server.kill(signal.SIGTERM)
    for node in nodes:
        node.end()
    packets = row.close()
    check(packets["lost"] > 0 and packets["cut"] > 0, f"nothing was wrong with the network: {packets}")
    print(f"partition: {cuts} cuts, {whole} of them both ways; {packets['carried']} packets carried, {packets['lost']} lost, {packets['cut']} cut off; "
          f"{callers.begun} calls that were waited for, failed {callers.reasons()}, wrong {callers.wrong}; "
          f"{len(calls)} durable calls recorded once, {len(twice)} twice")
