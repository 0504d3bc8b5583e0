"""The server dies, again and again."""
import random
import signal
import threading
import time

from ledger import Ledger, audit, submit_until
from server import EXAMPLES, Server, check, sleeper, wait_for_state


def storm(arguments, folder):
    server = Server(arguments.canopy, folder)
    server.start()
    server.deploy(EXAMPLES / "echo", "storm/echo")
    ledger, stop = Ledger(), threading.Event()
    clients = [threading.Thread(target=submit_until, args=(stop, server, ledger, number, arguments.seed), daemon=True)
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
