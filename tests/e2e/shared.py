"""Two servers that share a Redis, and what happens when one of the three goes."""
import json
import signal

from world import check, wait_until


def two_servers(world):
    store = world.own_redis()
    flags = (f"--store={store.url}", "--call-lease=5s")
    return store, world.own_server(*flags), world.own_server(*flags)


def deploy_echo(world, server, other):
    world.must("deploy", world.built("examples/echo"), "--name=t/echo", url=server.url)
    wait_until(lambda: other.request("POST", "/function/t/echo", {}, b"hi")[0] == 200, "the function at the other")


def submit(server, body, **headers):
    status, answered, text = server.request("POST", "/async-function/t/echo", headers, body)
    return status, answered, json.loads(text)


def record(server, call, wait="20s"):
    status, _, text = server.request("GET", f"/v1/calls/{call}?wait={wait}")
    check(status == 200, f"the record was answered {status}: {text}")
    return json.loads(text)


def test_two_servers_share_functions_and_calls(world):
    store, first, second = two_servers(world)
    deploy_echo(world, first, second)
    status, _, body = second.request("POST", "/function/t/echo", {}, b"here too")
    check((status, body) == (200, b"here too"), f"it was answered {status} {body}")

    status, _, answer = submit(first, b"durable", **{"Idempotency-Key": "one"})
    check(status == 202, f"the call was answered {status}")
    status, headers, again = submit(second, b"durable", **{"Idempotency-Key": "one"})
    check(status == 202 and again["id"] == answer["id"], f"one key names two calls: {answer} {again}")
    check(headers["Idempotency-Replayed"] == "true", "nobody said that it was there before")
    check(record(second, answer["id"])["state"] == "COMPLETED", "it did not complete")
    status, _, body = second.request("GET", f"/v1/calls/{answer['id']}/result")
    check((status, body) == (200, b"durable"), f"the result was answered {status} {body}")

    status, _, _ = second.request("DELETE", "/v1/functions/t/echo")
    check(status in (200, 204), f"removing it was answered {status}")
    wait_until(lambda: first.request("POST", "/function/t/echo", {}, b"hi")[0] == 404, "its end at the other")


def test_a_server_that_dies_is_no_loss_to_the_other(world):
    store, first, second = two_servers(world)
    deploy_echo(world, first, second)
    calls = [submit(first, f"call {number}".encode())[2]["id"] for number in range(20)]
    first.kill()
    for number, call in enumerate(calls):
        # Those that ran there when it died run again when their leases are over.
        wait_until(lambda call=call: record(second, call)["state"] == "COMPLETED", f"the end of call {number}")
        _, _, body = second.request("GET", f"/v1/calls/{call}/result")
        check(body == f"call {number}".encode(), f"call {number} put out {body}")


def test_redis_goes_and_comes_back(world):
    store, first, second = two_servers(world)
    deploy_echo(world, first, second)
    kept = submit(first, b"kept")[2]["id"]
    record(first, kept)
    store.kill()
    for server in (first, second):
        status, headers, answer = submit(server, b"while it is away")
        check(status == 503, f"it was answered {status} {answer}")
        check(int(headers["Retry-After"]) > 0, "nobody said when to come back")
    # What needs no store goes on.
    status, _, body = first.request("POST", "/function/t/echo", {}, b"plain")
    check((status, body) == (200, b"plain"), f"a plain call was answered {status} {body}")
    status, _, _ = first.request("DELETE", "/v1/functions/t/echo")
    check(status == 503, f"a change was answered {status}")
    store.start()
    for server in (first, second):
        wait_until(lambda server=server: submit(server, b"again")[0] == 202, "calls being taken again")
    _, _, body = second.request("GET", f"/v1/calls/{kept}/result")
    check(body == b"kept", f"what was kept is {body}")

    store.signal(signal.SIGSTOP)
    status, headers, answer = submit(first, b"while it hangs")
    check(status == 503, f"it was answered {status} {answer}")
    store.signal(signal.SIGCONT)
    wait_until(lambda: submit(first, b"again")[0] == 202, "calls being taken again")
