// JavaScript end to end: source in, replies out, with the compile child being this program.
#include "js/language.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "guest/host.h"
#include "wasm/engines.h"

namespace canopy::js {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

wasm::Host make_host(const std::shared_ptr<Fetcher>& fetcher) {
  guest::GuestOptions options;
  if (fetcher) options.make_extension = make_extension(fetcher);
  wasm::Host host = guest::make_host(std::move(options));
  host.language_imports = make_imports();
  return host;
}

Result<net::HttpClientResponse> echo_web(const net::HttpClientRequest& request) {
  if (request.target == "/broken") return fail(Code::unavailable, "the connection broke");
  return net::HttpClientResponse{.status = 201,
                                 .headers = {{"Content-Type", "text/plain"}, {"X-Method", request.method}},
                                 .body = request.url + request.target + " " + request.body};
}

// One core, one folder and one interpreter for all tests: compiling it takes a second.
class JavaScript : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::filesystem::temp_directory_path() / ("canopy-js-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    wasm::RuntimeOptions options;
    options.pool.instances_max = 16;
    options.compile.code_folder = folder_;
    options.compiled_folder = folder_ / "compiled";
    options.code_path = [](std::string_view digest) -> Result<std::filesystem::path> {
      return folder_ / digest;
    };
    const auto fetcher = std::make_shared<Fetcher>(FetchOptions{.thread_count = 1}, echo_web);
    core_ = new exec::Core(0, system_clock());
    pool_ = new net::BlockingPool(1, 16);
    auto engines = wasm::Engines::make(options, {core_}, make_host(fetcher), *pool_);
    ASSERT_TRUE(engines) << engines.error().message;
    runtime_ = wasm::make_language_runtime(make_language(), *engines).release();
  }

  static void TearDownTestSuite() {
    delete runtime_;
    delete pool_;
    delete core_;
    std::filesystem::remove_all(folder_);
  }

  static Function function(std::string_view source) {
    Function made;
    made.name = {"test", "js"};
    made.runtime = "js";
    made.digest = sha256_hex(source);
    made.env = {{"GREETING", "hello"}, {"CANOPY_FETCH", "a.org"}};
    std::ofstream(folder_ / made.digest, std::ios::binary) << source;
    return made;
  }

  Reply call(std::string_view source, std::string_view input = "", std::vector<HeaderView> headers = {}) {
    const Function made = function(source);
    const auto ready = runtime_->prepare(made);
    EXPECT_TRUE(ready) << ready.error().message;
    return ready ? run(made, **ready, input, std::move(headers)) : Reply{};
  }

  Reply run(const Function& made, exec::Template& ready, std::string_view input,
            std::vector<HeaderView> headers) {
    CallLog log(10'000);
    Call one;
    one.function = &made;
    one.log = &log;
    one.input = input;
    one.headers = std::move(headers);
    one.method = "PUT";
    one.path = "/some/path";
    one.query = "q=1";
    one.queued = core_->clock().now();
    one.deadline = one.queued + seconds(60);
    std::optional<Reply> reply;
    const auto instance = ready.start(*core_);
    net::asio::co_spawn(core_->io(), instance->run(one),
                        [&reply](const std::exception_ptr&, Reply given) { reply = std::move(given); });
    const Time end = system_clock().now() + seconds(60);
    while (!reply && system_clock().now() < end) {
      if (core_->poll(100) == 0) core_->io().run_one_for(milliseconds(1));
    }
    log_ = log.text();
    EXPECT_TRUE(reply) << "no reply within a minute";
    return reply.value_or(Reply{});
  }

  // The reply's output, or the error.
  std::string answer(std::string_view source, std::string_view input = "",
                     std::vector<HeaderView> headers = {}) {
    Reply reply = call(source, input, std::move(headers));
    return reply.error ? std::string(name(reply.error->code)) + ": " + reply.error->message : reply.output;
  }

  std::string refusal(std::string_view source) {
    const auto made = runtime_->prepare(function(source));
    if (made) return "it was not refused";
    return std::string(name(made.error().code)) + ": " + made.error().message;
  }

  static inline std::filesystem::path folder_;
  static inline exec::Core* core_;
  static inline net::BlockingPool* pool_;
  static inline exec::Runtime* runtime_;
  std::string log_;
};

TEST_F(JavaScript, TakesFunctionsInEveryForm) {
  for (const char* source :
       {"async (a, b) => a + b", "(a, b) => a + b", "function (a, b) { return a + b }",
        "function add(a, b) { return a + b }", "async function add(a, b) { return a + b };",
        "export default (a, b) => a + b", "export default async function add(a, b) { return a + b }",
        "export function handler(a, b) { return a + b }", "module.exports = (a, b) => a + b",
        "exports.main = async (a, b) => a + b", "const main = 1; function handler(a, b) { return a + b }",
        "const helper = (x) => x; function add(a, b) { return helper(a) + b }",
        "// a comment\nasync (a, b) => a + b // and one\n", "await null; export default (a, b) => a + b"}) {
    EXPECT_EQ(answer(source, "[2, 3]"), "5") << source;
  }
}

TEST_F(JavaScript, ReadsArgumentsByTheirType) {
  constexpr std::string_view source =
      "export default (...all) => all.map((one) => one?.constructor?.name ?? String(one))";
  const auto typed = [](std::string_view type) { return std::vector<HeaderView>{{"Content-Type", type}}; };
  EXPECT_EQ(answer(source, ""), "[]");
  EXPECT_EQ(answer(source, " \n"), "[]");
  EXPECT_EQ(answer(source, "[1, \"a\", null]"), R"(["Number","String","null"])");
  EXPECT_EQ(answer(source, R"({"a": 1})"), R"(["Object"])");
  EXPECT_EQ(answer(source, "just words"), R"(["String"])");
  EXPECT_EQ(answer(source, "[1", typed("application/x-www-form-urlencoded")), R"(["String"])");
  EXPECT_EQ(answer(source, "[1]", typed("Text/Plain; charset=utf-8")), R"(["String"])");
  EXPECT_EQ(answer(source, "[1]", typed("application/octet-stream")), R"(["Uint8Array"])");
  EXPECT_EQ(answer(source, "[1]", typed("application/vnd.x+json")), R"(["Number"])");
  const std::string bad = answer(source, "{\"a\":\n nope}", typed("application/json; charset=utf-8"));
  EXPECT_TRUE(bad.starts_with("invalid: the body is no argument")) << bad;
  EXPECT_NE(bad.find("body:2:"), std::string::npos) << bad;
  std::string many = "[1";
  for (int i = 0; i < 256; ++i) many += ",1";
  EXPECT_NE(answer(source, many + "]").find("more than 256 arguments"), std::string::npos);
}

TEST_F(JavaScript, WritesResultsByTheirKind) {
  EXPECT_EQ(answer("() => undefined"), "");
  EXPECT_EQ(answer("() => null"), "null");
  EXPECT_EQ(answer("() => 'text'"), "\"text\"");
  EXPECT_EQ(answer("() => 'text'", "", {{"Accept", "text/plain"}}), "text");
  EXPECT_EQ(answer("() => ({a: [1, {b: 'é'}]})"), R"({"a":[1,{"b":"é"}]})");
  EXPECT_EQ(answer("() => new Uint8Array([104, 105])"), "hi");
  EXPECT_EQ(answer("() => new Uint8Array([0, 104, 105]).subarray(1)"), "hi");
  EXPECT_EQ(answer("() => new TextEncoder().encode('buffer').buffer"), "buffer");
  EXPECT_TRUE(answer("() => 10n").starts_with("function_failed: TypeError"));
  const Reply response = call("() => new Response('made', {status: 202, headers: {'X-A': 'b'}})");
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.output, "made");
  const Reply json = call("() => 1");
  ASSERT_EQ(json.headers.size(), 1U);
  EXPECT_EQ(json.headers[0].value, "application/json");
}

TEST_F(JavaScript, ErrorsSayWhereInTheSourcesOwnLines) {
  EXPECT_EQ(
      answer("export default function outer() {\n  return inner();\n}\nfunction inner() {\n  throw new "
             "TypeError('no');\n}"),
      "function_failed: TypeError: no\n    at inner (function.js:5:13)\n    at outer (function.js:2:10)");
  EXPECT_TRUE(answer("async () => { await null; throw new RangeError('late'); }")
                  .starts_with("function_failed: RangeError: late\n"));
  EXPECT_EQ(answer("() => { throw 'a text'; }"), "function_failed: a text");
  EXPECT_TRUE(answer("() => { throw {toString() { throw 1; }}; }")
                  .starts_with("function_failed: an error that has no words"));
  EXPECT_TRUE(answer("() => new Promise(() => {})").find("can never settle") != std::string::npos);
  EXPECT_TRUE(
      answer("() => { setTimeout(() => { throw new Error('in a timer'); }); return new Promise(() => {}); }")
          .starts_with("function_failed: Error: in a timer"));
  EXPECT_TRUE(answer("function f() { return f() + 1; }")
                  .starts_with("function_failed: RangeError: Maximum call stack"));
}

// What canopy deploy leaves in the last line of a plain file.
TEST_F(JavaScript, AStackNamesTheFileThatTheSourceSaysItIs) {
  const std::string source = "() => { throw new Error('no'); }\n//# sourceURL=";
  EXPECT_NE(answer(source + "sub/hello-1.js\n").find("(sub/hello-1.js:1:"), std::string::npos);
  EXPECT_NE(refusal("const x =\n  (=> 3\n//# sourceURL=hello.js").find("hello.js:2:"), std::string::npos);
  for (const std::string& odd :
       {std::string(), std::string("a b.js"), std::string("a:1:2)"), std::string(500, 'x')}) {
    EXPECT_NE(answer(source + odd).find("(function.js:1:"), std::string::npos) << odd;
  }
}

// What esbuild leaves in the last line of a bundle; without it a stack would be in lines that nobody wrote.
TEST_F(JavaScript, AStackOfABundleIsInTheLinesOfItsFiles) {
  const std::string map =
      "//# "
      "sourceMappingURL=data:application/"
      "json;base64,"
      "eyJ2ZXJzaW9uIjogMywgInNvdXJjZXMiOiBbInNyYy91c2VyLnRzIiwgIm90aGVyLnRzIl0sICJtYXBwaW5ncyI6ICI7QUFTSTtBQ1"
      "RKIiwgIm5hbWVzIjogW119\n";
  const std::string source =
      "// A bundle.\n"
      "function inner() { throw new TypeError('no'); }\n"
      "export default (log) => { if (!log) inner(); try { inner(); } catch (e) { console.error(e); } }\n";
  EXPECT_EQ(answer(source + map),
            "function_failed: TypeError: no\n    at inner (src/user.ts:10:5)\n    at default (other.ts:1:1)");
  EXPECT_EQ(answer(source + map, "1"), "");
  EXPECT_NE(log_.find("[error] TypeError: no\n    at inner (src/user.ts:10:5)\n"), std::string::npos) << log_;
  const std::string plain =
      R"(//# sourceMappingURL=data:application/json,{"sources":["a.ts","b.ts"],"mappings":";AASI;ACTJ"})";
  EXPECT_NE(answer(source + plain).find("at inner (a.ts:10:5)\n    at default (b.ts:1:1)"),
            std::string::npos);
  // A map that is none changes nothing.
  for (const char* const odd : {"e30=", "bm8=", "eyJtYXBwaW5ncyI6MX0=", "%%%", ""}) {
    const std::string bad = "//# sourceMappingURL=data:application/json;base64," + std::string(odd);
    EXPECT_NE(answer(source + bad).find("at inner (function.js:2:"), std::string::npos) << odd;
  }
}

TEST_F(JavaScript, RefusesWhatIsNoFunction) {
  EXPECT_TRUE(refusal("const x =\n  (=> 3").starts_with("refused: SyntaxError: "))
      << refusal("const x =\n  (=> 3");
  EXPECT_NE(refusal("const x =\n  (=> 3").find("function.js:2:"), std::string::npos);
  EXPECT_NE(refusal("export default () => {\n\n  let 1;\n}").find("function.js:3:"), std::string::npos);
  EXPECT_NE(refusal("1 + 1").find("there is no function to call"), std::string::npos);
  EXPECT_NE(refusal("export const a = 1").find("there is no function to call"), std::string::npos);
  EXPECT_NE(refusal("throw new Error('at the top')").find("Error: at the top"), std::string::npos);
  EXPECT_NE(refusal("import a from 'b'; export default a").find("cannot import 'b'"), std::string::npos);
  EXPECT_NE(refusal("const a = []; for (;;) a.push(new Array(1000).fill(1))").find("memory"),
            std::string::npos);
}

TEST_F(JavaScript, ChecksASourceBeforeItIsKept) {
  EXPECT_TRUE(check_source("() => 1"));
  EXPECT_TRUE(check_source("() => 'é'"));
  for (const std::string& bad : {std::string(), std::string(" \n\t"), std::string("() => '\xff'"),
                                 std::string("() => 1 //\0", 11), std::string("\0asm\1\0\0\0", 8)}) {
    const auto checked = check_source(bad);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().code, Code::refused);
  }
  EXPECT_NE(check_source("a\nb\n\xff").error().message.find("line 3"), std::string::npos);
  EXPECT_FALSE(check_source(std::string(source_bytes_max + 1, 'a')));
}

TEST_F(JavaScript, EachCallIsFresh) {
  const std::string_view source =
      "let count = 0; globalThis.seen = []; export default (x) => { seen.push(x); Array.prototype.x = x; "
      "return [++count, seen.length] }";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answer(source, "[1]"), "[1,1]");
}

TEST_F(JavaScript, NothingThatDiffersIsFrozen) {
  for (const char* source :
       {"const id = crypto.randomUUID(); export default () => id",
        "const n = Math.random(); export default () => n",
        "const b = crypto.getRandomValues(new Uint8Array(16)); export default () => [...b]",
        "export default () => Math.random()"}) {
    EXPECT_NE(answer(source), answer(source)) << source;
  }
  EXPECT_EQ(answer("const t = Date.now(); export default () => Math.abs(Date.now() - t) < 60000"), "true");
  EXPECT_EQ(answer("const t = performance.now(); export default () => performance.now() - t < 60000"),
            "true");
  EXPECT_EQ(answer("const g = process.env.GREETING; export default () => g"), "\"hello\"");
  EXPECT_EQ(answer("let fired = 0; setTimeout(() => { fired = 1; }); export default () => new Promise((r) => "
                   "setTimeout(() => r(fired), 5))"),
            "1");
}

TEST_F(JavaScript, TimersFireInOrder) {
  EXPECT_EQ(answer(R"(export default async () => {
    const seen = [];
    const kept = setTimeout(() => seen.push('cleared'), 1);
    clearTimeout(kept);
    clearTimeout(kept);
    clearTimeout('nothing');
    setTimeout((a, b) => seen.push(a + b), 6, 'x', 'y');
    setTimeout(() => seen.push('first'), 2);
    queueMicrotask(() => seen.push('micro'));
    let count = 0;
    await new Promise((done) => { const id = setInterval(() => { if (++count === 3) { clearInterval(id); done(); } }, 1); });
    await new Promise((done) => setTimeout(done, 10));
    return [...seen, count];
  })"),
            R"(["micro","first","xy",3])");
}

TEST_F(JavaScript, LogsAsPeopleReadIt) {
  call(
      "() => { console.log('a %s %d', 'b', 3, {x: [1, 'two'], y: new Map([[1, 2]])}); console.error(new "
      "Error('bad')); }");
  EXPECT_NE(log_.find("[info] a b 3 { x: [ 1, 'two' ], y: Map(1) { 1 => 2 } }\n"), std::string::npos) << log_;
  EXPECT_NE(log_.find("[error] Error: bad\n    at <anonymous> (function.js:1:"), std::string::npos) << log_;
  call("() => { Promise.reject(new Error('left alone')); }");
  EXPECT_NE(log_.find("nobody handled it: Error: left alone"), std::string::npos) << log_;
}

TEST_F(JavaScript, ServesTheWebsWay) {
  const Reply reply = call(R"(export default { async fetch(request, env, ctx) {
    const url = new URL(request.url);
    ctx.waitUntil(Promise.resolve().then(() => console.log('later')));
    return Response.json({method: request.method, path: url.pathname, q: url.searchParams.get('q'), host: url.host,
      text: await request.text(), used: request.bodyUsed, x: request.headers.get('x-a'), env: env.GREETING},
      {status: 418, headers: [['Set-Cookie', 'a=1'], ['Set-Cookie', 'b=2']]});
  } })",
                           "body", {{"Host", "ex.org"}, {"X-A", "1"}, {"X-a", "2"}});
  ASSERT_FALSE(reply.error) << reply.error->message;
  EXPECT_EQ(reply.status, 418);
  EXPECT_EQ(
      reply.output,
      R"({"method":"PUT","path":"/some/path","q":"1","host":"ex.org","text":"body","used":true,"x":"1, 2","env":"hello"})");
  EXPECT_EQ(reply.headers.size(), 3U);
  EXPECT_NE(log_.find("later"), std::string::npos);
  EXPECT_NE(answer("export default { fetch() { return 'no response'; } }").find("must return a Response"),
            std::string::npos);
  EXPECT_NE(answer("export default { fetch() { return new Response('', {headers: {'x-call-id': '1'}}); } }")
                .find("x-call-id"),
            std::string::npos);
}

TEST_F(JavaScript, TheUrlOfARequestIsInNormalForm) {
  const auto url_at = [this](std::string_view host) {
    return call("export default {fetch(request) { return new Response(request.url); }}", "",
                {{"Host", std::string(host)}})
        .output;
  };
  EXPECT_EQ(url_at("127.0.0.1:8080"), "http://127.0.0.1:8080/some/path?q=1");
  EXPECT_EQ(url_at("localhost"), "http://localhost/some/path?q=1");
  EXPECT_EQ(url_at("a-1.Example.ORG:80"), "http://a-1.example.org/some/path?q=1");
  EXPECT_EQ(url_at("127.1"), "http://127.0.0.1/some/path?q=1");
  EXPECT_EQ(url_at("0x7f.1"), "http://127.0.0.1/some/path?q=1");
  EXPECT_EQ(url_at("010.0.0.1"), "http://8.0.0.1/some/path?q=1");
  EXPECT_EQ(url_at("[::1]:81"), "http://[::1]:81/some/path?q=1");
  EXPECT_EQ(url_at("a b"), "http://localhost/some/path?q=1");
  EXPECT_EQ(url_at("a:99999"), "http://localhost/some/path?q=1");
}

TEST_F(JavaScript, HeadersAndBodiesAsTheStandardHasThem) {
  EXPECT_EQ(
      answer(R"(() => {
    const headers = new Headers({'X-B': ' b\t', a: 1});
    headers.append('x-b', 'c');
    headers.append('Set-Cookie', 'x=1');
    headers.append('set-cookie', 'y=2');
    const copy = new Headers(headers);
    headers.set('set-cookie', 'z=3');
    headers.delete('A');
    const errors = [() => new Headers({'a b': 1}), () => headers.set('a', 'b\nc'), () => new Headers([['a']])].map((f) => {
      try { f(); return 'none'; } catch (error) { return error.name; }
    });
    return [[...headers], [...copy.keys()], copy.get('set-cookie'), copy.getSetCookie().length, copy.has('A'), errors];
  })"),
      R"([[["set-cookie","z=3"],["x-b","b, c"]],["a","set-cookie","set-cookie","x-b"],"x=1, y=2",2,true,)"
      R"(["TypeError","TypeError","TypeError"]])");
  EXPECT_EQ(
      answer(R"(async () => {
    const text = new Response('\ufeffa\ud800', {status: 201, headers: {'content-type': 'x/y'}});
    const copy = text.clone();
    const bytes = new Uint8Array([1, 2]);
    const binary = new Response(bytes);
    bytes[0] = 9;
    const twice = await text.text().then(() => text.text()).catch((error) => error.name);
    return [text.bodyUsed, twice, copy.status, copy.headers.get('Content-Type'), (await copy.text()).charCodeAt(1),
      [...await binary.bytes()], binary.headers.has('content-type'), new Response(null).body, new Response('ab').body.length,
      (await new Response(null).arrayBuffer()).byteLength, new Response(new URLSearchParams({a: 'b'})).headers.get('content-type'),
      await new Request('http://a/', {method: 'post', body: '{"b":1}'}).json()];
  })"),
      R"([true,"TypeError",201,"x/y",65533,[1,2],false,null,2,0,"application/x-www-form-urlencoded;charset=UTF-8",{"b":1}])");
  const Reply reply = call("() => new Response('é', {headers: {Server: 'mine', 'X-A': 'b'}})");
  EXPECT_EQ(reply.output, "é");
  EXPECT_EQ(reply.headers.size(), 2U);
}

TEST_F(JavaScript, FetchesWhereItMay) {
  EXPECT_EQ(answer(R"(export default async () => {
    const response = await fetch('https://a.org/x?y=1', {method: 'post', body: 'sent'});
    return [response.status, response.ok, response.url, response.headers.get('x-method'), await response.text()];
  })"),
            R"([201,true,"https://a.org/x?y=1","POST","https://a.org/x?y=1 sent"])");
  EXPECT_EQ(answer("async () => (await Promise.all([1, 2, 3].map(async (n) => (await "
                   "fetch(`http://a.org/${n}`)).text()))).join()"),
            R"("http://a.org/1 ,http://a.org/2 ,http://a.org/3 ")");
  EXPECT_NE(answer("() => fetch('http://b.org/')").find("may not fetch from b.org:80"), std::string::npos);
  EXPECT_NE(answer("() => fetch('http://a.org/broken')").find("the connection broke"), std::string::npos);
  EXPECT_NE(answer("() => fetch('no url')").find("Invalid URL"), std::string::npos);
  EXPECT_EQ(answer("async () => { try { await fetch('http://a.org/', {signal: AbortSignal.abort()}); } catch "
                   "(e) { return e.name; } }"),
            "\"AbortError\"");
}

TEST_F(JavaScript, HasWhatTheWebHas) {
  EXPECT_EQ(answer(R"(() => {
    const bytes = new TextEncoder().encode('h\u00e9\ud83d\ude00');
    return [bytes.length, new TextDecoder().decode(bytes), new TextDecoder().decode(new Uint8Array([0x61, 0xff, 0xe2, 0x82])),
      btoa('abc'), atob('YWJj'), new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))];
  })"),
            "[7,\"hé😀\",\"a\ufffd\ufffd\",\"YWJj\",\"abc\",\"a\"]");
  EXPECT_EQ(
      answer(
          R"(() => { try { new TextDecoder('utf-8', {fatal: true}).decode(new Uint8Array([0xff])); } catch (e) { return e.name; } })"),
      "\"TypeError\"");
  EXPECT_EQ(answer(R"(() => {
    const value = {d: new Date(0), m: new Map([[1, new Set([2])]]), b: new Uint8Array([1, 2])};
    value.self = value;
    const copy = structuredClone(value);
    return [copy !== value, copy.self === copy, copy.d.getTime(), [...copy.m.get(1)], copy.b];
  })"),
            R"([true,true,0,[2],{"0":1,"1":2}])");
  EXPECT_EQ(answer("() => { try { structuredClone(() => {}); } catch (e) { return e.name; } }"),
            "\"DataCloneError\"");
}

TEST_F(JavaScript, UrlsAsTheStandardHasThem) {
  const auto href = [&](const std::string& input, const std::string& base = "undefined") {
    return answer(
        "(input, base) => { try { return new URL(input, base ?? undefined).href; } catch (e) { return "
        "e.name; } }",
        "[\"" + input + "\"" + (base == "undefined" ? "" : ",\"" + base + "\"") + "]");
  };
  EXPECT_EQ(href("HTTP://EXAMPLE.com:80/a/./b/../c?q=a b#f g"), "\"http://example.com/a/c?q=a%20b#f%20g\"");
  EXPECT_EQ(href("../x?y", "http://a.org/b/c/d?e#f"), "\"http://a.org/b/x?y\"");
  EXPECT_EQ(href("//b.org/x", "https://a.org/"), "\"https://b.org/x\"");
  EXPECT_EQ(href("#only", "https://a.org/p?q"), "\"https://a.org/p?q#only\"");
  EXPECT_EQ(href("http://0x7f.1/"), "\"http://127.0.0.1/\"");
  EXPECT_EQ(href("http://[2001:0db8::0:1]:8080/"), "\"http://[2001:db8::1]:8080/\"");
  EXPECT_EQ(href("http://user:p%40ss@a.org/"), "\"http://user:p%40ss@a.org/\"");
  EXPECT_EQ(href("https://m\u00fcnchen.de/\u00e4"), "\"https://xn--mnchen-3ya.de/%C3%A4\"");
  EXPECT_EQ(href("mailto:a@b.org"), "\"mailto:a@b.org\"");
  EXPECT_EQ(href("no scheme"), "\"TypeError\"");
  EXPECT_EQ(href("http://a b/"), "\"TypeError\"");
  EXPECT_EQ(href("http://a.org:99999/"), "\"TypeError\"");
  EXPECT_EQ(answer(R"(() => {
    const url = new URL('https://a.org/p?x=1&y=2');
    url.searchParams.append('z', 'a b&c');
    url.searchParams.delete('x');
    url.hash = 'h';
    url.port = '8443';
    url.pathname = '/new path';
    return url.href;
  })"),
            R"("https://a.org:8443/new%20path?y=2&z=a+b%26c#h")");
}

}  // namespace
}  // namespace canopy::js

int main(int count, char** arguments) {
  if (canopy::wasm::is_compile_child(count, arguments)) {
    return canopy::wasm::compile_child(count, arguments,
                                       [](const auto& /*folder*/) { return canopy::js::make_host(nullptr); });
  }
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
