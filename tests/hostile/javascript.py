"""Functions in JavaScript that loop, grow, recurse, and look for what is not theirs."""
import time

from harness import Place, expect, expect_error

LIMITS = "?timeout=1s&memory=32MiB&output=1MiB&log=64KiB"


def make_place():
    return Place("--records-max=1000", "--records-bytes=8MiB", "--compile-timeout=60s")


def put(server, name, source, query=LIMITS):
    return server.request("PUT", f"/v1/functions/hostile/{name}{query}", source.encode(),
                          {"Content-Type": "text/javascript"}, timeout=120)


def deployed(server, name, source, query=LIMITS):
    reply = put(server, name, source, query)
    expect(reply.status in (200, 201), f"{name} could not be deployed: {reply}")


def called(server, name, source, body=b""):
    deployed(server, name, source)
    return server.call(f"hostile/{name}", body)


def test_loop(server):
    expect_error(called(server, "loop", "export default () => { for (;;); }"), 504, "deadline", "timeout")


def test_loop_of_promises(server):
    source = "const again = () => Promise.resolve().then(again); export default again"
    reply = called(server, "promises", source)  # Each promise waits for the next: time or memory ends it.
    expect(reply.json()["error"]["code"] in ("deadline", "limit"), f"{reply}")


def test_loop_in_getter(server):
    source = "export default () => ({ get x() { for (;;); } })"
    expect_error(called(server, "getter", source), 504, "deadline")


def test_loop_in_to_json(server):
    source = "export default () => ({ toJSON() { for (;;); } })"
    expect_error(called(server, "tojson", source), 504, "deadline")


def test_loop_of_microtasks_and_timers(server):
    source = "export default () => new Promise(() => { setInterval(() => queueMicrotask(() => {}), 0); })"
    expect_error(called(server, "timers", source), 504, "deadline")


def test_regular_expression(server):
    source = "export default () => /^(a+)+$/.test('a'.repeat(40) + '!')"
    expect_error(called(server, "regex", source), 504, "deadline")


def test_memory(server):
    bombs = {"arrays": "const a = []; for (;;) a.push(new Array(1000).fill(1));",
             "strings": "const a = []; for (;;) a.push('x'.repeat(100000) + a.length);",
             "buffers": "const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1));",
             "closures": "let f = () => 1; for (;;) { const g = f; f = () => g; }",
             "map": "const m = new Map(); for (let i = 0; ; ++i) m.set('k' + i, {i});"}
    for name, body in bombs.items():
        reply = called(server, f"bomb-{name}", f"export default () => {{ {body} }}")
        if reply.status == 504:
            continue  # It had not come to its limit in time.
        expect_error(reply, 502, "limit", "32MiB of memory", "raise 'memory'")


def test_memory_cannot_be_caught(server):
    source = "export default () => { const a = []; for (;;) { try { for (;;) a.push(new Array(1000).fill(1)); } catch {} } }"
    reply = called(server, "caught", source)
    expect(reply.status in (502, 504), f"{reply}")


def test_ten_million_timers(server):
    source = "export default () => { for (let i = 0; i < 1e7; ++i) setTimeout(() => {}, 1e6); return 1; }"
    reply = called(server, "many-timers", source)
    expect(reply.status in (502, 504) and reply.json()["error"]["code"] in ("limit", "deadline"), f"{reply}")


def test_recursion(server):
    deep = {"calls": "function f() { return f() + 1; } return f();",
            "getters": "const o = { get x() { return this.x; } }; return o.x;",
            "proxies": "const p = new Proxy({}, { get(t, k, r) { return r[k]; } }); return p.x;",
            "strings": "const o = { toString() { return `${this}`; } }; return `${o}`;",
            "sort": "const f = () => [2, 1].sort(f); return f();",
            "classes": "class A { constructor() { new this.constructor(); } } new A();"}
    for name, body in deep.items():
        reply = called(server, f"deep-{name}", f"export default () => {{ {body} }}")
        expect(reply.status in (424, 502), f"{name}: {reply}")
        expect(reply.json()["error"]["code"] in ("function_failed", "died", "limit"), f"{name}: {reply}")


def test_deep_values(server):
    for name, body in {"parse": "JSON.parse('['.repeat(1e6))", "regex": "new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5))",
                       "eval": "eval('('.repeat(1e6))"}.items():
        reply = called(server, f"nested-{name}", f"export default () => {body}")
        expect(reply.status in (200, 424, 502), f"{name}: {reply}")
    reply = called(server, "nested-body", "export default (x) => 1", b"[" * 1_000_000)
    expect(reply.status in (200, 424, 502), f"{reply}")


def test_nothing_of_the_host(server):
    sources = ["this.constructor.constructor('return process')().mainModule",
               "(function () { return this; })().require",
               "globalThis.constructor.constructor('return this')().Deno",
               "(() => {}).constructor('return typeof require + typeof module.require + typeof std + typeof os')()",
               "Object.getOwnPropertyNames(globalThis).filter((name) => /std|^os$|bjson|print|require|load/i.test(name))"]
    for index, source in enumerate(sources):
        reply = called(server, f"escape-{index}", f"export default () => ({source}) ?? 'nothing'")
        expect(reply.status == 424 or b"nothing" in reply.body or b"undefined" in reply.body or reply.body == b"[]",
               f"{source}: {reply}")


def test_no_other_call(server):
    source = ("globalThis.seen ??= []; export default (x) => { seen.push(x); Array.prototype.stolen = x;"
              " Object.prototype.polluted = x; JSON.stringify.kept = x; return seen.length; }")
    deployed(server, "leak", source)
    for round_ in range(200):
        reply = server.call("hostile/leak", b'["secret-%d"]' % round_)
        expect(reply.status == 200 and reply.body == b"1", f"call {round_} saw another: {reply}")
    look = "export default () => String([].stolen) + String({}.polluted) + String(JSON.stringify.kept) + typeof seen"
    reply = called(server, "look", look)
    expect(reply.body == b'"undefinedundefinedundefinedundefined"', f"{reply}")


def test_nothing_random_is_frozen(server):
    source = ("const id = crypto.randomUUID(); const number = Math.random();"
              " export default () => [id, number, crypto.randomUUID(), Math.random()]")
    deployed(server, "random", source)
    seen = [value for _ in range(20) for value in server.call("hostile/random").json()]
    expect(len(set(seen)) == len(seen), "a random value came twice")


def test_broken_prototypes(server):
    source = ("Array.prototype[Symbol.iterator] = () => { throw 1; }; Object.prototype.then = (f) => f(7);"
              " Promise.prototype.then = () => { for (;;); }; JSON.stringify = () => { for (;;); };"
              " export default async () => ({ a: 1 })")
    reply = called(server, "prototypes", source)
    expect(reply.status in (200, 424, 504), f"{reply}")


def test_floods(server):
    reply = called(server, "logs", "export default () => { for (let i = 0; i < 1e5; ++i) console.log('x'.repeat(100)); return 1; }")
    expect(reply.status in (200, 504), f"{reply}")
    deployed(server, "output", "export default () => 'x'.repeat(4 << 20)", LIMITS.replace("timeout=1s", "timeout=20s"))
    reply = server.call("hostile/output")
    expect_error(reply, 502, "limit", "output limit of 1MiB")


def test_bad_sources(server):
    bad = {"syntax": ("const x =\n  (=> 3", "function.js:2:"), "empty": ("  \n", "empty"), "nothing": ("1 + 1", "no function"),
           "import": ("import x from 'y'; export default x", "cannot import 'y'"), "throws": ("throw new Error('at the top')", "at the top"),
           "wasm": ("\0asm", "WebAssembly"), "nul": ("export default () => 1 // \0", "not UTF-8")}
    for name, (source, words) in bad.items():
        expect_error(put(server, f"bad-{name}", source), 422, "refused", words)
    reply = server.request("PUT", "/v1/functions/hostile/bytes", b"export default () => '\xff\xfe'",
                           {"Content-Type": "text/javascript"})
    expect_error(reply, 422, "refused", "not UTF-8")


def test_top_level_loop(server):
    began = time.monotonic()
    expect_error(put(server, "top", "for (;;);"), 422, "refused", "top level")
    expect(time.monotonic() - began < 60, "the deployment took too long")


def test_top_level_bomb(server):
    expect_error(put(server, "top-bomb", "const a = []; for (;;) a.push(new Array(1000).fill(1));"), 422, "refused", "memory")
