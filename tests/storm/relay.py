#!/usr/bin/env python3
"""Carries packets between pairs of TUN devices that it was handed: late, not all of them, and in no order given up.

  relay.py SEED FD:FD...

Each line of its input says how it does so from then on: {"delay": seconds, "loss": share, "cut": [[link, side], ...]},
where a packet that comes in at that side of that link is dropped. It ends with its input, and prints what it did."""
import collections
import json
import os
import random
import select
import sys
import time

WAITING_MAX = 20_000  # Packets on their way; more of them are dropped, as by a device whose queue is full.
PACKET_MAX = 65_536


class Relay:
    def __init__(self, links, seed):
        self.chance = random.Random(seed)
        self.delay = self.loss = 0
        self.cut = set()
        self.waiting = collections.deque()  # (when it is due, where it goes, the packet), in the order in which they came.
        self.counts = {"carried": 0, "lost": 0, "cut": 0, "refused": 0}
        self.places = {}
        for number, ends in enumerate(links):
            for side in (0, 1):
                self.places[ends[side]] = (number, side, ends[1 - side])

    def obey(self, line):
        words = json.loads(line)
        self.delay, self.loss = words["delay"], words["loss"]
        self.cut = {tuple(one) for one in words["cut"]}

    def take(self, end):
        link, side, other = self.places[end]
        try:
            packet = os.read(end, PACKET_MAX)
        except BlockingIOError:
            return
        if (link, side) in self.cut:
            self.counts["cut"] += 1
        elif self.chance.random() < self.loss or len(self.waiting) >= WAITING_MAX:
            self.counts["lost"] += 1
        else:
            self.waiting.append((time.monotonic() + self.delay, other, packet))

    def deliver(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, end, packet = self.waiting.popleft()
            try:
                os.write(end, packet)
                self.counts["carried"] += 1
            except OSError:  # Its namespace is going, or its device is full.
                self.counts["refused"] += 1

    def run(self, orders):
        rest = b""
        while True:
            wait = max(0.0, self.waiting[0][0] - time.monotonic()) if self.waiting else None
            for end in select.select([orders, *self.places], [], [], wait)[0]:
                if end != orders:
                    self.take(end)
                    continue
                piece = os.read(orders, PACKET_MAX)
                if not piece:
                    return
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self.obey(line)
            self.deliver()


def main():
    relay = Relay([tuple(map(int, word.split(":"))) for word in sys.argv[2:]], int(sys.argv[1]))
    relay.run(sys.stdin.fileno())
    print(json.dumps(relay.counts))


main()
