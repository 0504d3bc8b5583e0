"""What FaaS Builders kept in Redis, for programs that look there: hashes of functions and tasks, and a message for each
new task, in a real Redis beside what the server keeps in it."""
import json

from builders import builders_server, dill_folder, run_client
from world import Failure, check, wait_until

from redis_server import Asker  # Beside the folders of the tests, where world.py looks.

A_DAY = 24 * 3600  # --result-ttl


def redis(world):
    dill_folder(world.root)
    return world.own_redis()


def copied(world, server):
    """Runs some tasks. What is to be in Redis of them, and of their function."""
    return json.loads(run_client(world, server, "copied", "COMPLETE"))


def check_hash(asker, of):
    wait_until(lambda: asker.hash(of["key"]) == of["hash"],
               f"the hash {of['key']} to be {of['hash']}; it is {asker.hash(of['key'])}")
    kept = asker.ask("TTL", of["key"])
    check(0 < kept <= A_DAY, f"{of['key']} is kept for {kept} s")


def takes_tasks(server):
    def post(path, **body):
        status, _, answer = server.request("POST", path, {"Content-Type": "application/json"}, json.dumps(body))
        return json.loads(answer) if status == 200 else None
    function = post("/register_function", name="len", payload="gAJjYnVpbHRpbnMKbGVuCi4=")
    task = function and post("/execute_function", **function, payload="gAIpfYYu")
    # It reads by several connections, each of which comes back by itself.
    return task and all(server.request("GET", f"/status/{task['task_id']}")[0] == 200 for _ in range(12))


def test_builders_hashes_and_messages_are_in_redis(world):
    store = redis(world)
    server = builders_server(world, f"--store={store.url}", "--builders-status-word=complete")
    asker, subscriber = Asker(store.port), Asker(store.port)
    subscriber.ask("SUBSCRIBE", "Tasks")
    shown = copied(world, server)
    for task in shown["tasks"]:
        check_hash(asker, task)
        message = subscriber.reply()
        check(message == ["message", "Tasks", task["message"]], f"the channel said {message}, not {task['message']!r}")
    check_hash(asker, shown["function"])

    # What Redis loses of it comes no more; what is new does, when it is back.
    asker.close()
    subscriber.close()
    store.kill()
    store.start()
    wait_until(lambda: takes_tasks(server), "the server to have found Redis again")
    shown = copied(world, server)
    asker = Asker(store.port)
    for of in (*shown["tasks"], shown["function"]):
        check_hash(asker, of)


def test_builders_tasks_run_in_redis_while_they_run(world):
    store = redis(world)
    flags = (f"--store={store.url}", "--builders-time-limit=30s")
    server = builders_server(world, *flags)
    other = builders_server(world, *flags)
    tasks = json.loads(run_client(world, server, "leave"))
    asker, seen, states = Asker(store.port), set(), []

    def ended():
        states[:] = [asker.hash(f"{name}") for name in asker.ask("KEYS", "task:*")]
        seen.update(state.get("status") for state in states)
        return len(states) == len(tasks) and all(state.get("status") == "COMPLETED" and state["result"] for state in states)
    try:
        wait_until(ended, f"the hashes of {len(tasks)} tasks to say that they have ended", 120)
    except Failure as failure:
        raise Failure(f"{failure}; they say {states}") from failure
    check("RUNNING" in seen, f"they were {seen}")
    # A server that copies nothing changes nothing.
    for one in (server, other):
        check(one.stop() == 0, one.text())
    before = sorted(asker.ask("KEYS", "[ft]*:*"))
    server.flags.append("--builders-mirror=off")
    server.restart()
    copied_not = json.loads(run_client(world, server, "copied"))
    check(sorted(asker.ask("KEYS", "[ft]*:*")) == before, f"{copied_not} is in Redis")
