"""Functions in JavaScript that loop, grow, recurse, and look for what is not theirs."""
import threading
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


# How a call may end: an answer, what it threw, a limit, its deadline. Never anything else.
ENDS = {200: None, 424: {"function_failed"}, 502: {"limit", "died"}, 504: {"deadline"}}


def called_together(server, group, sources, headers=None, patient=()):
    """The reply of each of `sources`, called at once; each with an end that is known. Those named in `patient` have
    time enough on a machine that has other things to do."""
    replies = {}
    for name, source in sources.items():
        deployed(server, f"{group}-{name}", source, LIMITS.replace("=1s", "=60s") if name in patient else LIMITS)

    def call(name):
        replies[name] = server.call(f"hostile/{group}-{name}", headers=headers)

    threads = [threading.Thread(target=call, args=(name,)) for name in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in sources:
        expect(name in replies, f"{group}-{name} had no reply")
        reply = replies[name]
        expect(reply.status in ENDS, f"{group}-{name}: {reply}")
        expect(reply.status == 200 or reply.json()["error"]["code"] in ENDS[reply.status], f"{group}-{name}: {reply}")
    return replies


def test_loops_in_what_the_engine_calls(server):
    """Wherever the platform asks the function's own objects for something, they can loop: the deadline ends them."""
    sources = {
        "proxy-keys": "() => new Proxy({}, { ownKeys() { for (;;); } })",
        "proxy-get": "() => new Proxy({}, { get() { for (;;); } })",
        "proxy-prototype": "() => new Proxy({}, { getPrototypeOf() { for (;;); } })",
        "json-prototype": "() => { Object.prototype.toJSON = () => { for (;;); }; return { a: 1 }; }",
        "json-array": "() => [1, { toJSON() { for (;;); } }]",
        "thenable": "() => ({ then() { for (;;); } })",
        "then-getter": "() => ({ get then() { for (;;); } })",
        "instance": "() => { Object.defineProperty(Response, Symbol.hasInstance, { value() { for (;;); } }); return {}; }",
        "thrown": "() => { throw { toString() { for (;;); } }; }",
        "thrown-primitive": "() => { throw { [Symbol.toPrimitive]() { for (;;); } }; }",
        "stack": "() => { const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { for (;;); } }); throw e; }",
        "message": "() => { const e = new Error(); Object.defineProperty(e, 'message', { get() { for (;;); } }); throw e; }",
        "name": "() => { Error.prototype.toString = () => { for (;;); }; throw new Error('x'); }",
        "log": "() => { console.log({ get x() { for (;;); } }); console.log({ toString() { for (;;); } }); for (;;); }",
        "header-value": "() => new Response('x', { headers: { a: { toString() { for (;;); } } } })",
        "body": "() => new Response({ toString() { for (;;); } })",
        "await": "async () => { for (;;) await null; }",
        "generator": "() => { function* g() { for (;;) yield; } for (const x of g()); }",
        "timeout-zero": "() => new Promise(() => { const again = () => setTimeout(again, 0); again(); })",
        "immediate": "() => new Promise(() => { const again = () => setImmediate(again); again(); })",
        "timer-value": "() => setTimeout(() => {}, { valueOf() { for (;;); } })",
        "finally": "() => { for (;;) { try { for (;;); } finally { continue; } } }",
        "sort": "() => { const a = Array.from({ length: 1e5 }, (_, i) => i); for (;;) a.sort(() => Math.random() - 0.5); }",
        "bigint": "() => String(7n ** 9000000n)",
        "compile": "() => { for (;;) new Function('a', 'return ' + 'a+'.repeat(1e4) + '1'); }",
    }
    replies = called_together(server, "loop", {name: f"export default {source}" for name, source in sources.items()})
    for name, reply in replies.items():
        expect_error(reply, 504, "deadline", "timeout")
    # What a subclass lays over a Response is not asked, as the Fetch standard has it.
    sources = {
        "status": "() => { class R extends Response { get status() { for (;;); } } return new R('x'); }",
        "headers": "() => { class R extends Response { get headers() { for (;;); } } return new R('x'); }",
    }
    replies = called_together(server, "unasked", {name: f"export default {source}" for name, source in sources.items()})
    for name, reply in replies.items():
        expect((reply.status, reply.body) == (200, b"x"), f"{name}: {reply}")


def test_loops_of_web_handlers(server):
    sources = {
        "fetch": "fetch() { for (;;); }",
        "wait-until": "fetch(r, e, ctx) { ctx.waitUntil(new Promise(() => setInterval(() => {}, 1))); return new Response('x'); }",
        "wait-chain": "fetch(r, e, ctx) { const again = () => ctx.waitUntil(Promise.resolve().then(again)); again(); return new Response('x'); }",
    }
    wrapped = {name: f"export default {{ {source} }}" for name, source in sources.items()}
    for reply in called_together(server, "web", wrapped).values():
        expect_error(reply, 504, "deadline")


def test_bombs(server):
    """What needs more memory or time than there is, asked for in one step."""
    sources = {
        "sparse": "() => { const a = []; a[4294967294] = 1; return a; }",
        "length": "() => { const a = []; a.length = 4294967295; return a; }",
        "fill": "() => new Array(4294967295).fill(0)",
        "holes": "() => Object.assign([], { 4000000000: 1 }).map(String)",
        "from": "() => Array.from({ length: 2 ** 40 })",
        "spread": "() => Math.max(...new Array(1e7))",
        "apply": "() => String.fromCharCode.apply(null, { length: 1e8 })",
        "repeat": "() => 'x'.repeat(2 ** 29)",
        "doubling": "() => { let s = 'x'; for (;;) s += s; }",
        "rope": "() => { let s = 'x'; for (let i = 0; i < 25; ++i) s = s + s + i; return s; }",
        "pad": "() => 'a'.padEnd(2 ** 30, 'bc')",
        "join": "() => new Array(1e8).join('abc')",
        "replace": "() => 'a'.repeat(1e6).replace(/a/g, () => 'b'.repeat(1e6))",
        "bigint": "() => 2n ** 2n ** 40n",
        "shift": "() => 1n << 2000000000n",
        "buffer": "() => new ArrayBuffer(2 ** 31)",
        "resizable": "() => new ArrayBuffer(8, { maxByteLength: 2 ** 31 - 1 }).resize(2 ** 31 - 1)",
        "to-json": "() => { let n = 0; return { toJSON() { return { a: 'x'.repeat(1e6), b: { toJSON: this.toJSON } }; } }; }",
        "wide-json": "() => JSON.stringify(new Array(1e5).fill(new Array(1e4).fill(1)))",
        "indent": "() => { let o = {}; for (let i = 0; i < 1e4; ++i) o = { o }; return JSON.stringify(o, null, 10); }",
        "promises": "() => Promise.all(Array.from({ length: 1e7 }, () => new Promise(() => {})))",
        "symbols": "() => { const o = {}; for (;;) o[Symbol()] = 1; }",
        "classes": "() => { let C = class {}; for (;;) C = class extends C {}; }",
        "listeners": "() => { const s = new AbortController().signal; for (;;) s.addEventListener('abort', () => {}); }",
        "headers": "() => { const h = new Headers(); for (let i = 0; ; ++i) h.append('a' + i, 'b'); }",
        "params": "() => { const p = new URLSearchParams(); for (let i = 0; ; ++i) p.append('a', 'b' + i); }",
        "clone": "() => { let o = [1]; for (let i = 0; i < 40; ++i) o = [o, structuredClone(o)]; return o; }",
        "finalizers": "() => { const r = new FinalizationRegistry(() => {}); for (;;) r.register({}, 1); }",
        "weak": "() => { const a = []; for (;;) a.push(new WeakRef({})); }",
        "errors": "() => { let e; for (;;) e = new Error('x', { cause: e }); }",
        "bound": "() => { let f = () => 1; for (;;) f = f.bind(null, 1); }",
        "prototype-chain": "() => { let o = {}; for (let i = 0; i < 1e6; ++i) o = Object.create(o); return o.x; }",
    }
    replies = called_together(server, "one-step", {name: f"export default {source}" for name, source in sources.items()})
    for name, reply in replies.items():
        if name not in ("indent", "prototype-chain", "clone"):
            expect(reply.status != 200, f"{name} was too much, and was answered: {reply.status} {reply.body[:200]}")


def test_regular_expressions(server):
    """Patterns that take for ever, the function's own and in what it is given."""
    sources = {
        "nested": "/^(a+)+$/.test('a'.repeat(40) + '!')",
        "alternation": "/^(a|a)*$/.test('a'.repeat(40) + '!')",
        "lookahead": "/^(?=(a+)+b).*$/.test('a'.repeat(40))",
        "backreference": "/^(a+)+\\1$/.test('a'.repeat(40) + '!')",
        "unicode": "/^(\\p{L}+)+$/u.test('\\u00e4'.repeat(40) + '!')",
        "sticky": "(() => { const r = /(x+x+)+y/g; for (;;) r.exec('x'.repeat(40)); })()",
        "split": "'a'.repeat(40).concat('!').split(/^(a+)+$/)",
        "replace": "('a'.repeat(40) + '!').replace(/^(a+)+$/, '')",
        "counted": "/^(a{1,30}){1,30}b/.test('a'.repeat(60))",
        "case-blind": "/^([a-z]+)+$/i.test('A'.repeat(40) + '!')",
    }
    replies = called_together(server, "regex", {name: f"export default () => {source}" for name, source in sources.items()})
    for name, reply in replies.items():
        expect_error(reply, 504, "deadline")


def test_the_parsers_of_the_platform_take_time_that_is_in_proportion(server):
    """Long and odd input for what the prelude parses: what were quadratic would take more than the second that a call has."""
    sources = {
        "url-dots": "new URL('http://a/' + '../'.repeat(2e4)).href.length",
        "url-host": "URL.canParse('http://' + 'a.'.repeat(2e4))",
        "url-percent": "new URL('http://a/' + '%'.repeat(2e4)).href.length",
        "url-at": "URL.canParse('http://' + '@'.repeat(2e4))",
        "url-colons": "URL.canParse('http://' + ':'.repeat(2e4))",
        "url-brackets": "URL.canParse('http://' + '['.repeat(2e4))",
        "url-spaces": "URL.canParse(' '.repeat(2e4) + 'http://a/' + ' '.repeat(2e4))",
        "url-tabs": "new URL('ht\\ttp://a/' + '\\t'.repeat(2e4)).href",
        "url-octets": "URL.canParse('http://' + '1.'.repeat(2e4) + '/')",
        "url-backslashes": "new URL('http:' + '\\\\'.repeat(2e4) + 'a').href",
        "params": "new URLSearchParams('a=b&'.repeat(1e4)).toString().length",
        "params-percent": "new URLSearchParams('%'.repeat(2e4)).toString().length",
        "header-spaces": "new Headers([['a', ' '.repeat(2e4) + 'x' + ' '.repeat(2e4)]]).get('a')",
        "header-many": "new Headers(Array.from({ length: 1000 }, (_, i) => ['a' + i, 'b'])).get('a999')",
        "atob": "(() => { try { return atob('='.repeat(2e4)); } catch { return 'refused'; } })()",
        "btoa": "btoa('x'.repeat(2e4)).length",
        "decode": "new TextDecoder().decode(new Uint8Array(2e4).fill(255)).length",
        "method": "(() => { try { return new Request('http://a/', { method: '!'.repeat(2e4) + ' ' }); } catch { return 'refused'; } })()",
        "clone": "structuredClone(Array.from({ length: 1e4 }, (_, i) => ({ i }))).length",
    }
    slow = [name for name, reply in called_together(
        server, "parse", {name: f"export default () => {source}" for name, source in sources.items()}).items()
        if reply.status not in (200, 424)]
    for name in slow:  # All at once share two cores: alone it has its second for itself.
        reply = server.call(f"hostile/parse-{name}")
        expect(reply.status in (200, 424), f"{name}: {reply}")


def test_odd_requests_to_a_web_handler(server):
    deployed(server, "request", "export default { fetch(r) { return new Response(new URL(r.url).pathname.length + ' ' + r.url.length); } }")
    for path in ("/" + "a" * 7000, "/" + "../" * 2000, "/" + "%2e/" * 1500, "//" * 3000, "/%00%ff%", "/;" * 3000, "/?" + "a=b&" * 1700,
                 "/?" + "%" * 5000, "/\\..\\" * 1000, "/:@[]{}|^`"):
        for host in ("a", "x" * 250, "1." * 100, "[::1]", "a..b", "-", "a:0", "a:99999", "%61", "xn--" * 50, "\u00e4"):
            reply = server.request("GET", "/function/hostile/request" + path, headers={"Host": host})
            expect(reply.status in (200, 400, 404, 414, 424), f"{path[:40]} at {host[:40]}: {reply}")


def test_no_host_behind_the_constructors(server):
    """Every way to code from text gives the function's own world, in which the host is not."""
    ways = {
        "this": "this?.constructor?.constructor?.('return globalThis')() ?? globalThis",
        "function": "Function('return this')()",
        "async": "(async () => {}).constructor('return globalThis')",
        "generator": "(function* () {}).constructor('return globalThis')().next().value",
        "eval": "(0, eval)('globalThis')",
        "error": "new Error('x').constructor.constructor('return globalThis')()",
        "native": "setTimeout.constructor('return globalThis')()",
        "class": "Response.constructor('return globalThis')()",
        "console": "console.log.constructor('return globalThis')()",
        "array": "[].map.constructor('return globalThis')()",
        "proxy": "Reflect.construct(Proxy, [class {}, {}]).constructor('return globalThis')()",
        "accessor": "Object.getOwnPropertyDescriptor(Request.prototype, 'url').get.constructor('return globalThis')()",
    }
    look = ("let world = %s; if (typeof world === 'function') world = await world();"
            " const names = ['require', 'Deno', 'Bun', 'std', 'os', 'bjson', 'print', 'load', 'loadScript', 'scriptArgs', 'Worker', '__proto_host__'];"
            " const found = names.filter((name) => typeof world[name] !== 'undefined');"
            " const process = Object.keys(world.process ?? {});"
            " return [world === globalThis, found, process.filter((name) => name !== 'env' && name !== 'nextTick'), typeof world.module?.require];")
    for name, reply in called_together(server, "way", {
            name: f"export default async function () {{ {look % way} }}" for name, way in ways.items()}).items():
        expect(reply.status == 200 and reply.json() == [True, [], [], "undefined"], f"{name}: {reply}")
    # A frame of the prelude cannot be reached, and neither can what it closes over.
    reply = called(server, "callers", "export default () => { const seen = []; const look = () => { try { seen.push(typeof look.caller); }"
                   " catch (e) { seen.push(e.name); } try { seen.push(typeof arguments.callee); } catch (e) { seen.push(e.name); } return 'x'; };"
                   " new Response({ toString: look }); return seen; }")
    expect(b"function" not in reply.body.replace(b"function_failed", b""), f"{reply}")


def test_imports_of_all_kinds(server):
    for index, name in enumerate(("fs", "node:fs", "./other.js", "http://127.0.0.1/x.js", "data:text/javascript,export default 1",
                                  "/etc/passwd", "", "function.js", "canopy:core")):
        source = f"export default async () => {{ try {{ return Object.keys(await import({name!r})); }} catch (e) {{ return 'refused: ' + e.message; }} }}"
        reply = called(server, f"import-{index}", source)
        if name == "function.js" and reply.status == 200:
            continue  # Itself.
        expect(reply.status == 200 and b"refused: " in reply.body, f"{name}: {reply}")
        expect(b"root:" not in reply.body, f"{name}: {reply}")


def test_poisoned_prototypes(server):
    """What the platform uses after the handler has returned is broken first: an error or an answer, nobody else's."""
    poisons = {
        "array-push": "Array.prototype.push = () => { throw 1; };",
        "array-setter": "Object.defineProperty(Array.prototype, 0, { set() { throw 1; }, configurable: true });",
        "array-iterator": "Array.prototype[Symbol.iterator] = function* () { yield ['set-cookie', 'a=b\\r\\nX-Evil: 1']; };",
        "map": "Map.prototype.get = Map.prototype.set = Map.prototype.has = () => { throw 1; };",
        "map-iterator": "Map.prototype[Symbol.iterator] = Map.prototype.entries = function* () { yield ['x-evil', ['1\\r\\nX-Evil: 2']]; };",
        "promise-then": "Promise.prototype.then = () => { throw 1; };",
        "promise-constructor": "Promise.prototype.constructor = { [Symbol.species]: function () { throw 1; } };",
        "promise": "globalThis.Promise = class { static resolve() { throw 1; } };",
        "function-call": "Function.prototype.call = Function.prototype.apply = () => { throw 1; };",
        "object-then": "Object.prototype.then = function (f) { f('stolen'); };",
        "object-get": "Object.defineProperty(Object.prototype, 'default', { get() { throw 1; }, configurable: true });",
        "string": "String.prototype.replace = String.prototype.toLowerCase = String.prototype.toWellFormed = () => { throw 1; };",
        "string-iterator": "String.prototype[Symbol.iterator] = () => { throw 1; };",
        "regexp": "RegExp.prototype.test = RegExp.prototype.exec = () => { throw 1; };",
        "typed": "Uint8Array.prototype.slice = Uint8Array.prototype.set = () => { throw 1; };",
        "typed-length": "Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), 'length', { get() { return 2 ** 31; } });",
        "buffer": "Object.defineProperty(ArrayBuffer.prototype, 'byteLength', { get() { return 2 ** 31; } });",
        "json": "JSON.stringify = JSON.parse = () => { throw 1; };",
        "headers": "Headers.prototype[Symbol.iterator] = Headers.prototype.entries = function* () { yield ['a\\r\\nb', 'c\\r\\nd']; };",
        "response": "Object.defineProperty(Response.prototype, 'status', { get() { return 'abc'; } });",
        "status": "Object.defineProperty(Response.prototype, 'status', { get() { return 99999; } });",
        "response-headers": "Object.defineProperty(Response.prototype, 'headers', { get() { return { [Symbol.iterator]: null }; } });",
        "symbol": "globalThis.Symbol = undefined; globalThis.Object = undefined;",
        "globals": "for (const name of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[name]; } catch {} }",
        "frozen": "for (const name of Object.getOwnPropertyNames(globalThis)) { try { Object.freeze(globalThis[name]); Object.freeze(globalThis[name].prototype); } catch {} }",
    }
    sources = {}
    for name, poison in poisons.items():
        sources[f"json-{name}"] = f"export default async () => {{ {poison} return {{ a: [1, 'x'] }}; }}"
        sources[f"web-{name}"] = (f"export default {{ async fetch(r) {{ {poison} const made = new Response('hello', {{ headers: {{ 'x-own': '1' }} }});"
                                  " return made; } }")
        sources[f"top-{name}"] = f"{poison} export default async () => ({{ a: [1, 'x'] }})"
    for name, source in list(sources.items()):
        if name.startswith("top-") and put(server, f"poison-{name}", source).status == 422:
            del sources[name]  # It broke its own deployment.
    for name, reply in called_together(server, "poison", sources).items():
        expect("X-Evil" not in reply.headers and "X-Evil: " not in str(reply.headers), f"{name} split the reply: {reply.headers}")
        if reply.status == 200 and name.startswith("web-"):
            expect(len(reply.body) <= 5, f"{name}: {reply}")
    reply = called(server, "after", "export default async () => ({ a: [1, 'x'] })")
    expect(reply.body == b'{"a":[1,"x"]}', f"another function after it: {reply}")


test_poisoned_prototypes.rss_margin = 128 << 20  # It deploys some seventy functions, which stay loaded.


def test_odd_results(server):
    sources = {
        "shrunk": ("() => { const b = new ArrayBuffer(64, { maxByteLength: 1 << 16 }); const u = new Uint8Array(b, 32); b.resize(8); return u; }", (200, 424)),
        "shrunk-random": ("() => { const b = new ArrayBuffer(64, { maxByteLength: 1 << 16 }); const u = new Uint8Array(b, 32); b.resize(8);"
                          " crypto.getRandomValues(u); return 'x'; }", (200, 424)),
        "detached": ("() => { const b = new ArrayBuffer(64); const u = new Uint8Array(b); b.transfer(); return u; }", (200, 424)),
        "detached-body": ("() => { const b = new ArrayBuffer(64); const r = new Response(b); b.transfer(); return r; }", (200,)),
        "shared": ("() => new Uint8Array(new SharedArrayBuffer(16))", (200, 424)),
        "data-view": ("() => new DataView(new ArrayBuffer(16), 4, 4)", (200,)),
        "cycle": ("() => { const o = {}; o.o = o; return o; }", (424,)),
        "bigint": ("() => 1n", (424,)),
        "symbol": ("() => Symbol('x')", (200, 424)),
        "function": ("() => () => 1", (200, 424)),
        "revoked": ("() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy; }", (424,)),
        "fake-response": ("() => Object.setPrototypeOf({}, Response.prototype)", (424,)),
        "response-of-bodies": ("() => { const r = new Response('x'); r.text(); return r; }", (424,)),
        "crlf-header": ("() => new Response('x', { headers: { a: 'b\\r\\nX-Evil: 1' } })", (424,)),
        "nul-header": ("() => new Response('x', { headers: { a: 'b\\0c' } })", (424,)),
        "own-headers": ("() => new Response('x', { headers: { 'x-call-id': 'forged' } })", (424,)),
        "framing": ("() => new Response('x', { headers: { 'content-length': '99', 'transfer-encoding': 'chunked', connection: 'close' } })", (200,)),
        "huge-header": ("() => new Response('x', { headers: { a: 'b'.repeat(1 << 20) } })", (424, 502)),
        "many-headers": ("() => new Response('x', { headers: Array.from({ length: 5000 }, (_, i) => ['a' + i, 'b']) })", (424, 502)),
        "surrogates": ("() => ['\\ud800', '\\udc00\\ud800']", (200,)),
        "throw-null": ("() => { throw null; }", (424,)),
        "reject-null": ("async () => { throw null; }", (424,)),
        "throw-undefined": ("() => { throw undefined; }", (424,)),
        "throw-symbol": ("() => { throw Symbol('x'); }", (424,)),
        "throw-proxy": ("() => { throw new Proxy({}, { get() { throw new Proxy({}, {}); } }); }", (424,)),
        "throw-long": ("() => { throw new Error('x'.repeat(1e6)); }", (424,)),
        "throw-controls": ("() => { throw new Error('\\x1b[31m\\0\\x07\\u202e'); }", (424,)),
        "throw-forged": ("() => { throw new InternalError('out of memory!'); }", (424, 502)),
        "wait": ("() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)", (200, 424)),
        "wait-for-ever": ("() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", (424, 504)),
        "finalizer": ("() => { new FinalizationRegistry(() => { for (;;); }).register({}, 1); return 'x'; }", (200, 504)),
        "never": ("() => new Promise(() => {})", (424,)),
    }
    replies = called_together(server, "odd", {name: f"export default {source}" for name, (source, _) in sources.items()},
                              patient=[name for name, (_, statuses) in sources.items() if 504 not in statuses])
    for name, reply in replies.items():
        expect(reply.status in sources[name][1], f"{name}: {reply}")
        expect("X-Evil" not in reply.headers and "forged" not in str(reply.headers), f"{name}: {reply.headers}")
        if reply.status != 200:
            error = reply.json()["error"]
            expect(len(error["message"]) < 16384, f"{name}: {len(error['message'])} characters")
            controls = [c for c in error["message"] if ord(c) < 32 and c not in "\n\t"]
            expect(not controls, f"{name}: {reply}")
        if name in ("throw-null", "reject-null"):
            expect(reply.json()["error"]["code"] == "function_failed", f"{name}: {reply}")


def test_floods_from_everywhere(server):
    """Logs from microtasks, timers and finally blocks: they end at the log's limit or the deadline, and cost nobody else."""
    line = "console.log('x'.repeat(1000))"
    sources = {
        "microtasks": f"() => new Promise(() => {{ const again = () => {{ {line}; Promise.resolve().then(again); }}; again(); }})",
        "queued": f"() => new Promise(() => {{ const again = () => {{ {line}; queueMicrotask(again); }}; again(); }})",
        "timers": f"() => new Promise(() => setInterval(() => {{ for (let i = 0; i < 1000; ++i) {line}; }}, 0))",
        "large": "() => { for (;;) console.error('x'.repeat(1 << 20)); }",
        "rejections": "() => { for (let i = 0; i < 1e5; ++i) Promise.reject(new Error('x'.repeat(100))); return 1; }",
        "objects": "() => { const o = {}; for (let i = 0; i < 1e4; ++i) o['k' + i] = i; for (;;) console.log(o); }",
        "nested": "() => { let o = {}; for (let i = 0; i < 1e4; ++i) o = { o }; console.log(o); return 1; }",
    }
    called_together(server, "flood", {name: f"export default {source}" for name, source in sources.items()})
    # Their logs are looked at as durable calls', which the neighbour's many records do not push out.
    ids = {name: server.request("POST", f"/async-function/hostile/flood-{name}").json()["id"] for name in sources}
    for name, id in ids.items():
        ended = server.request("GET", f"/v1/calls/{id}?wait=30s")
        expect(ended.json()["state"] in ("COMPLETED", "FAILED"), f"{name}: {ended}")
        log = server.request("GET", f"/v1/calls/{id}/logs")
        expect(log.status == 200 and len(log.body) <= 80 << 10, f"{name}: {log.status}, a log of {len(log.body)} bytes")
