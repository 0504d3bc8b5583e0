"""MUCPD's API as its clients use it, with real JavaScript: exact answers, and what must survive a kill -9."""
import json

from world import check, wait_until

ONE = b'{"error":false,"res":1}'


def ask(server, method, path, body=None, kind="text/plain", status=200):
    got, headers, answer = server.request(method, path, {"Content-Type": kind} if body is not None else {}, body)
    check(got == status, f"{method} {path}: {got} {answer!r}")
    return answer


def add(server, user, **sources):
    check(ask(server, "POST", f"/u/{user}") == ONE, f"the user {user} was not added")
    for name, source in sources.items():
        check(ask(server, "POST", f"/u/{user}/fn/{name}", source.encode()) == ONE, f"{name} was not added")


def submit(server, path, arguments="[]", kind="application/json"):
    answer = json.loads(ask(server, "POST", f"{path}/run", arguments.encode(), kind))
    check(answer["error"] is False and len(answer["res"]) == 24, f"{answer}")
    return answer["res"]


def finish(server, job):
    wait_until(lambda: ask(server, "GET", f"/j/{job}") == ONE, f"the end of job {job}")
    return job


def result(server, path, arguments="[]"):
    job = finish(server, submit(server, path, arguments))
    return ask(server, "GET", f"/j/{job}/res"), json.loads(ask(server, "GET", f"/j/{job}/typed"))["res"]


# Source, arguments, MUCPD's string, and the typed result as far as it is looked at.
RESULTS = [
    ("function add(a,b){ return a+b }", "[4,7]", "11", {"ok": True, "type": "number", "value": 11}),
    ("(a,b)=>a+b", "[4,7]", "11", {"ok": True, "type": "number", "value": 11}),
    ("async function (a) { return a }", '["x"]', "x", {"ok": True, "type": "string", "value": "x"}),
    ("async (n) => { await new Promise((go) => setTimeout(go, n)); return n * 2 }", "[5]", "10",
     {"ok": True, "type": "number", "value": 10}),
    ("() => ({a: [1]})", "[]", "[object Object]", {"ok": True, "type": "object", "value": {"a": [1]}}),
    ("() => [1, 2]", "[]", "1,2", {"ok": True, "type": "array", "value": [1, 2]}),
    ("() => {}", "[]", "undefined", {"ok": True, "type": "undefined"}),
    ("() => null", "[]", "null", {"ok": True, "type": "null", "value": None}),
    ("() => 10n", "[]", "10", {"ok": True, "type": "bigint"}),
    ("() => Symbol('s')", "[]", "Symbol(s)", {"ok": True, "type": "symbol"}),
    ("() => { const a = {}; a.a = a; return a }", "[]", "[object Object]", {"ok": True, "type": "object"}),
    ("() => Object.create(null)", "[]", "[object Object]", {"ok": True, "type": "object", "value": {}}),
    ("() => '\\ud800\\u{1F600}\\n'", "[]", "\ufffd\U0001F600\n", None),
    ("() => { throw new Error('boom') }", "[]", "Error: boom", {"ok": False, "type": "object"}),
    ("async () => { throw 'text' }", "[]", "text", {"ok": False, "type": "string", "error": {"message": "text"}}),
    ("(...a) => a.length", json.dumps(list(range(1000))), "1000", {"ok": True, "type": "number", "value": 1000}),
    ("() => argv.length + ':' + typeof promise", "[1,2]", "2:undefined", None),
    ("() => this === undefined", "[]", "false", {"ok": True, "type": "boolean", "value": False}),
    ("42", "[]", "TypeError: fn is not a function", {"ok": False, "type": "object"}),
    ("nowhere", "[]", "ReferenceError: nowhere is not defined", {"ok": False, "type": "object"}),
    ("a => a + 1 // a comment", "[1]", "2", {"ok": True, "type": "number", "value": 2}),
    ("a => b(a); function b(a) { return a * 3 }", "[2]", "6", {"ok": True, "type": "number", "value": 6}),
]


def test_mucpd_results_are_strings_and_typed(world):
    server = world.own_server()
    add(server, "alice")
    for source, arguments, text, typed in RESULTS:
        check(ask(server, "POST", "/u/alice/fn/f", source.encode()) == ONE, source)
        check(ask(server, "GET", "/u/alice/fn/f") == json.dumps(
            {"error": False, "res": {"name": "f", "src": source, "f_name": "f"}},
            separators=(",", ":"), ensure_ascii=False).encode(), source)
        said, also = result(server, "/u/alice/fn/f", arguments)
        want = json.dumps({"error": False, "res": text}, separators=(",", ":"), ensure_ascii=False).encode()
        check(said == want, f"{source}: {said!r}, and not {want!r}")
        if typed is not None:
            check({key: also.get(key) for key in typed} == typed or typed.get("error"), f"{source}: {also}")
    # What is no JavaScript is taken, and its jobs say so.
    check(ask(server, "POST", "/u/alice/fn/f", b"function (a { ;") == ONE, "a syntax error was refused")
    said, also = result(server, "/u/alice/fn/f")
    check(said.startswith(b'{"error":false,"res":"SyntaxError: '), said)
    check(also["ok"] is False and also["error"]["name"] == "SyntaxError", f"{also}")


def test_mucpd_calls_see_nothing_of_each_other(world):
    server = world.own_server()
    add(server, "alice", count="() => globalThis.n = (globalThis.n ?? 0) + 1",
        escape="() => this.constructor.constructor('return typeof process.exit + typeof require')()",
        spoil="() => { JSON.stringify = () => '\"forged\"\\n[]'; String = null; Array.isArray = null; "
              "Promise.prototype.then = null; return {a: 1} }")
    for name, text, words in [*[("count", "1", "a call found what another left")] * 3,
                              ("escape", "undefinedundefined", "there is a way out"),
                              ("spoil", "[object Object]", "a call forged its result")]:
        said, _ = result(server, f"/u/alice/fn/{name}")
        check(said == f'{{"error":false,"res":"{text}"}}'.encode(), f"{words}: {said!r}")


def test_mucpd_loses_nothing_by_a_kill(world):
    """MUCPD found its jobs again as [object Object], and never ran them."""
    server = world.own_server("--calls-running=4")
    add(server, "alice", slow="async (n) => { await new Promise((go) => setTimeout(go, 200)); return n }",
        quick="(n) => n")
    known = finish(server, submit(server, "/u/alice/fn/quick", "[7]"))
    before = json.loads(ask(server, "GET", "/u/alice/time"))["res"]
    check(0 < before < 900, f"a job that does nothing took {before} ms")
    jobs = [submit(server, "/u/alice/fn/slow", f"[{n}]") for n in range(40)]
    removed = jobs.pop()
    check(ask(server, "DELETE", f"/j/{removed}") == ONE, "a job that waits was not removed")
    server.kill()
    server.restart()
    check(ask(server, "GET", f"/j/{known}/res") == b'{"error":false,"res":"7"}', "a result was lost")
    for n, job in enumerate(jobs):
        finish(server, job)
        check(ask(server, "GET", f"/j/{job}/res") == f'{{"error":false,"res":"{n}"}}'.encode(), f"job {n}")
    check(ask(server, "GET", f"/j/{removed}") == b'{"error":false}', "a removed job came back")
    check(ask(server, "GET", f"/j/{removed}/res") == b'{"error":false}', "a removed job ran")
    after = json.loads(ask(server, "GET", "/u/alice/time"))["res"]
    check(after >= before, f"time went from {before} ms to {after} ms")
    check(after > 200, f"40 jobs of 200 ms took {after} ms")
    check(ask(server, "POST", "/u/alice") == ONE, "re-registration")
    check(ask(server, "GET", "/u/alice/time") == b'{"error":false,"res":0}', "time was not wiped")
    check(ask(server, "GET", "/u/alice/fn") == b'{"error":false,"res":{}}', "functions were not wiped")
    server.kill()
    server.restart()
    check(ask(server, "GET", "/u/alice/time") == b'{"error":false,"res":0}', "time came back")


def test_mucpd_ends_what_does_not_end(world):
    server = world.own_server("--call-timeout-max=2s", "--call-timeout=1s")
    add(server, "alice", loop="() => { for (;;); }", never="() => new Promise(() => {})",
        memory="() => { const all = []; for (;;) all.push(new Uint8Array(1 << 20)) }",
        waits="() => new Promise((go) => setTimeout(go, 60000))")
    check(result(server, "/u/alice/fn/loop")[0] ==
          b'{"error":false,"res":"Error: Script execution timed out after 2000ms"}', "an endless loop")
    for name in ("never", "memory"):
        said, also = result(server, f"/u/alice/fn/{name}")
        check(b"Error: " in said and also["ok"] is False, f"{name}: {said!r} {also}")
    job = submit(server, "/u/alice/fn/waits")
    check(ask(server, "DELETE", f"/j/{job}") == ONE, "a running job was not removed")
    check(ask(server, "GET", f"/j/{job}") == b'{"error":false}', "a removed job is there")


def test_mucpd_asks_for_keys_where_they_are_demanded(world):
    server = world.own_server("--auth=on")
    answer = json.loads(ask(server, "POST", "/u/alice", status=401))
    check(answer["error"] is True and answer["res"].startswith("[ERR] a key is needed"), f"{answer}")
    server = world.own_server("--auth=on", "--mucpd=on")
    add(server, "alice", add="(a, b) => a + b")
    check(result(server, "/u/alice/fn/add", "[4,7]")[0] == b'{"error":false,"res":"11"}', "without a key")
    ask(server, "GET", "/v1/functions", status=401)
    server = world.own_server("--mucpd=off")
    ask(server, "POST", "/u/alice", status=404)
