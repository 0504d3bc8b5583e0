#!/usr/bin/env python3
"""Kills the server again and again under load, and audits what it promised of durable calls.

  tests/storm/run.py --canopy=build/release/canopy [--seconds=30] [--clients=8] [--jobs=3] [--seed=N] [SCENARIO...]

Scenarios: storm (kill -9 at 1 to 5 Hz; a ledger of every answer is audited afterwards), poison (a call that
does not let its server live ends among the dead), drain (SIGTERM gives back what runs), tail (the log cut and
flipped at its end: never a wrong record), disk (full: 507, and recovery by itself), sync (fsync fails: the same),
crowd (100 users, one of whom asks for ten times its quota), workers (the storm, with workers killed instead of the server),
worker-poison, worker-stop (SIGSTOP of a worker; none outlives its server), resize (more and fewer workers under
load, no call fails), redis (two servers and the Redis they share, each killed and stopped under load), nodes (the storm,
with workers that joined killed and stopped, and calls pushed and pulled in turn), partition (the levels of a tree, with 200 ms and
5 % loss between them, are cut from each other), tree (balancers and workers killed and stopped), upgrade (each of them restarted in
turn, no call fails), scale (a container function from one container to many and back, no call fails), ends (SIGTERM of every kind of
process while calls run). All of them, if none is named, some at a time.

The long ones are

  --seconds=600 storm                                 --seconds=600 redis
  --seconds=600 --worker-seconds=600 workers          --seconds=600 --node-seconds=600 nodes
  --seconds=600 --partition-seconds=600 --partition-silence=5 --partition-cut=8 partition
  --seconds=600 --tree-seconds=600 tree               --upgrade-rounds=20 upgrade
  --scale-instances=64 --scale-rounds=3 scale

Ends with 0 where every promise held, and prints the ledger's sums."""
import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import crowd
import disks
import ends
import kills
import nodes
import partition
import redis
import scale
import tree
import workers

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from side_by_side import Died, processor_seconds, share_out  # noqa: E402  (It is beside the folders of the tests.)

# The longest first, so that in the end nobody waits for one of them.
SCENARIOS = {"storm": kills.storm, "redis": redis.redis, "partition": partition.partition, "tree": tree.tree_storm,
             "crowd": crowd.crowd, "nodes": nodes.nodes_storm, "upgrade": tree.upgrade, "scale": scale.scale,
             "sync": disks.sync, "resize": workers.resize, "workers": workers.workers_storm, "disk": disks.disk,
             "tail": disks.tail, "drain": kills.drain, "ends": ends.ends, "worker-poison": workers.worker_poison,
             "worker-stop": workers.worker_stop, "poison": kills.poison}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--canopy", required=True)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--tails", type=int, default=12)
    parser.add_argument("--worker-seconds", type=float, default=6, help="at most so long of the storm over workers")
    parser.add_argument("--node-seconds", type=float, default=8, help="at most so long of the storm over nodes")
    parser.add_argument("--tree-seconds", type=float, default=4, help="at most so long of the storm over a tree")
    parser.add_argument("--detection", type=float, default=1, help="seconds after which who is gone gets no more calls")
    parser.add_argument("--partition-seconds", type=float, default=3, help="at most so long is the network cut and healed")
    parser.add_argument("--partition-silence", type=float, default=2, help="seconds for which a node may be silent then")
    parser.add_argument("--partition-cut", type=float, default=3, help="seconds that a cut lasts at most")
    parser.add_argument("--upgrade-rounds", type=int, default=1, help="how often each node is restarted")
    parser.add_argument("--scale-instances", type=int, default=8, help="containers at once, at most")
    parser.add_argument("--scale-rounds", type=int, default=1, help="how often there become so many")
    parser.add_argument("--redis-sync", choices=("always", "everysec"), default="always",
                        help="when Redis syncs its file; with everysec calls that are lost are counted, and no fault")
    parser.add_argument("--waves", type=int, default=1, help="of load, for the scaler")
    parser.add_argument("--crowd-seconds", type=float, default=10, help="how long the others are watched, without the greedy one and with it")
    parser.add_argument("--jobs", type=int, default=3, help="scenarios that run at a time; most of them wait most of the time")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("scenarios", nargs="*")
    arguments = parser.parse_args()
    arguments.canopy = str(pathlib.Path(arguments.canopy).resolve())
    if unknown := set(arguments.scenarios) - set(SCENARIOS):
        sys.exit(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    print(f"seed {arguments.seed}", flush=True)
    if len(arguments.scenarios) == 1:
        return run_one(arguments.scenarios[0], arguments)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in vars(arguments).items() if name != "scenarios"]
    failed = False
    for told in share_out(arguments.jobs, arguments.scenarios or list(SCENARIOS), lambda mine, tell: run_apart(mine, words, tell)):
        status, text = (1, f"FAILED: {told}\n") if isinstance(told, Died) else told
        failed = failed or status != 0
        print(text, end="", flush=True)
    sys.exit(1 if failed else 0)


def run_one(name, arguments):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"canopy-{name}-"))
    begun = time.monotonic()
    SCENARIOS[name](arguments, folder)
    print(f"  {name}: {time.monotonic() - begun:.0f} s, {processor_seconds():.0f} s of a processor", flush=True)
    shutil.rmtree(folder)


def run_apart(names, words, tell):
    """Each in a process of its own, which ends where a check fails."""
    for name in names:
        run = subprocess.run([sys.executable, __file__, *words, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False)
        tell((run.returncode, run.stdout + (f"FAILED: {name} ended with {run.returncode}\n" if run.returncode else "")))


main()
