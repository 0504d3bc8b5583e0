"""FaaS Builders' API as a client of the course speaks it, with dill on its side. For client.py, whose first argument is the
server's address, and whose third, if there is one, what a task that succeeded is called."""
import codecs
import json
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

import dill

URL = sys.argv[1].rstrip("/")
WORD = sys.argv[3] if len(sys.argv) > 3 else "COMPLETED"
PATIENCE = 120  # Nothing takes so long unless it is broken.
STATES = ("QUEUED", "RUNNING", WORD, "FAILED")
one_at_a_time = threading.RLock()  # dill keeps what it is at in its module.


def serialize(value, **how):
    with one_at_a_time:
        return codecs.encode(dill.dumps(value, **how), "base64").decode()


def deserialize(text):
    with one_at_a_time:
        return dill.loads(codecs.decode(text.encode(), "base64"))


def request(method, path, body=None):
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = urllib.request.Request(URL + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def same(got, wanted):
    assert got == wanted, f"{got!r}, and not {wanted!r}"


def register(function, name="f", **how):
    status, answer = request("POST", "/register_function", {"name": name, "payload": serialize(function, **how)})
    same(status, 200)
    assert list(answer) == ["function_id"] and uuid.UUID(answer["function_id"]).version == 4, answer
    return answer["function_id"]


def submit(function_id, payload):
    status, answer = request("POST", "/execute_function", {"function_id": function_id, "payload": payload})
    assert status == 200, (status, answer)
    assert list(answer) == ["task_id"] and uuid.UUID(answer["task_id"]).version == 4, answer
    return answer["task_id"]


def start(function_id, *args, **kwargs):
    return submit(function_id, serialize((args, kwargs)))


def status_of(task):
    status, answer = request("GET", f"/status/{task}")
    same(status, 200)
    same(list(answer), ["task_id", "status"])
    same(answer["task_id"], task)
    assert answer["status"] in STATES, answer
    return answer["status"]


def result_of(task):
    status, answer = request("GET", f"/result/{task}")
    same(status, 200)
    same(list(answer), ["task_id", "status", "result"])
    same(answer["task_id"], task)
    return answer["status"], answer["result"]


def finish(task):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status, result = result_of(task)
        if status in (WORD, "FAILED"):
            return status, deserialize(result)
        same(result, "")
        time.sleep(0.03)
    raise AssertionError(f"task {task} has not ended")


def succeeds(function, *args, **kwargs):
    status, value = finish(start(register(function), *args, **kwargs))
    assert status == WORD, (status, value)
    return value


def fails(function, *args, **kwargs):
    status, value = finish(start(register(function), *args, **kwargs))
    assert status == "FAILED", (status, value)
    return value
