"""Which walls a server and the nodes below it say that they have: docs/walls.md. Their kernel is asked, not their files."""
import json
import time

PATIENCE = 60


def found(state):
    """(who, its walls) of a server's /debug/state, of it and of all below that are there."""
    yield "the server", state["walls"]
    for one in state["workers"]:
        if one["state"] != "gone":
            yield one["name"], one.get("walls")


def check(ask, count):
    """Of so many at least, nothing is missing anywhere. `ask` gives /debug/state; who is below a balancer is told with its next ping."""
    end = time.monotonic() + PATIENCE
    while len(all_walls := list(found(ask()))) < count and time.monotonic() < end:
        time.sleep(0.2)
    if len(all_walls) < count:
        raise RuntimeError(f"/debug/state has walls of {[name for name, _ in all_walls]} alone")
    for name, walls in all_walls:
        if not walls or walls["missing"] or walls["capabilities"] or walls["user"] == "root" or not walls["no_new_privileges"] or \
                "allow-list" not in walls["seccomp"] or not walls["memory"]["held"] or not walls["tasks"]["held"]:
            raise RuntimeError(f"walls of {name}: {json.dumps(walls)}")
