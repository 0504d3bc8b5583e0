#pragma once
// For tests: a whole server on a port of its own, with functions that are C++ lambdas and a catalog in
// memory, and a client for it.
//
// Nothing sleeps: who waits for something asks for it again and again, so often and no more.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api/server.h"
#include "base/check.h"
#include "base/clock.h"
#include "exec/fake_runtime.h"
#include "net/http_client.h"
#include "store/catalog.h"

namespace canopy::api {

// Asks until `condition` holds; false when it never did.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 5'000'000; ++i) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return false;
}

class LiveServer {
 public:
  using Change = std::function<void(Options& options)>;
  using Headers = std::vector<net::HttpHeader>;
  // For who needs more: other protocols; the functions of a second runtime, and its name.
  struct More {
    std::function<void(ServerParts& parts)> equip = {};
    std::function<void(exec::FakeRuntime& js)> add_functions = {};
    std::string second = "js";
  };

  explicit LiveServer(const Change& change = {}) : LiveServer(change, More()) {}
  LiveServer(const Change& change, const More& more) {
    ServerParts parts;
    parts.options.listen = "127.0.0.1:0";
    parts.options.core_count = 2;
    if (change) change(parts.options);
    parts.program_version = "1.2.3-test";
    parts.catalog = store::make_memory_catalog(system_clock());
    catalog = parts.catalog.get();
    if (more.equip) more.equip(parts);
    parts.make_runtimes = [this, more](const RuntimeParts& given) -> Result<Runtimes> {
      store::Catalog& from = given.catalog;
      auto fake = std::make_unique<exec::FakeRuntime>(
          [&from](std::string_view digest) { return from.code_path(digest); });
      runtime = fake.get();
      add_functions();
      Runtimes runtimes;
      runtimes.emplace("wasm", std::move(fake));
      if (more.add_functions) {
        auto second = std::make_unique<exec::FakeRuntime>(
            [&from](std::string_view digest) { return from.code_path(digest); });
        js = second.get();
        more.add_functions(*js);
        runtimes.emplace(more.second, std::move(second));
      }
      return runtimes;
    };
    auto started = Server::start(std::move(parts), system_clock());
    CANOPY_CHECK(started.has_value());
    server = *std::move(started);
  }

  net::HttpClientResponse request(std::string method, std::string target, std::string body = {},
                                  Headers headers = {}) const {
    net::HttpClientRequest request;
    request.url = server->url();
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    request.headers = std::move(headers);
    auto response = net::send(request);
    if (response) return *std::move(response);
    net::HttpClientResponse failed;
    failed.body = response.error().message;
    return failed;
  }
  net::HttpClientResponse get(std::string target, Headers headers = {}) const {
    return request("GET", std::move(target), {}, std::move(headers));
  }
  net::HttpClientResponse post(std::string target, std::string body = {}, Headers headers = {}) const {
    return request("POST", std::move(target), std::move(body), std::move(headers));
  }
  // `code` names one of the fake functions.
  net::HttpClientResponse deploy(const std::string& name, std::string code,
                                 const std::string& query = {}) const {
    return request("PUT", "/v1/functions/" + name + query, std::move(code),
                   {{"Content-Type", "application/wasm"}});
  }

  store::Catalog* catalog = nullptr;
  exec::FakeRuntime* runtime = nullptr;
  exec::FakeRuntime* js = nullptr;
  std::unique_ptr<Server> server;

 private:
  void add_functions() const;
};

inline void LiveServer::add_functions() const {
  const auto echo = [](Call& call, Reply& reply) { reply.output = call.input; };
  runtime->add("echo", {.begin = {}, .end = echo});
  runtime->add("wait", {.begin = [](Call& call) { call.log->write(CallLog::Stream::err, "began\n"); },
                        .waits = true,
                        .end =
                            [](Call& call, Reply& reply) {
                              call.log->write(CallLog::Stream::err, "went on\n");
                              reply.output = "waited";
                            }});
  runtime->add("log",
               {.begin = [](Call& call) { call.log->write(CallLog::Stream::out, call.input); }, .end = {}});
  const auto show = [](Call& call, Reply& reply) {
    reply.output =
        std::string(call.method) + " " + std::string(call.path) + "?" + std::string(call.query) + "\n";
    for (const HeaderView& header : call.headers) {
      reply.output += std::string(header.name) + ": " + std::string(header.value) + "\n";
    }
  };
  const auto env = [](Call& call, Reply& reply) {
    for (const auto& [name, value] : call.function->env)
      reply.output.append(name).append("=").append(value).append("\n");
  };
  runtime->add("env", {.begin = {}, .end = env});
  runtime->add("show", {.begin = {}, .end = show});
  const auto answer = [](Call&, Reply& reply) {
    reply.status = 418;
    reply.headers = {
        {"Content-Type", "text/teapot"}, {"X-Own", "yes"},     {"X-Call-Id", "forged"},
        {"Connection", "upgrade"},       {"Bad\r\nName", "x"}, {"X-Split", "a\r\nSet-Cookie: b"}};
    reply.output = "short and stout";
  };
  runtime->add("teapot", {.begin = {}, .end = answer});
  const auto fails = [](Call&, Reply& reply) {
    reply.exit_code = 3;
    reply.error = Error{Code::function_failed, "the function ended with code 3", Stage::run};
  };
  runtime->add("fail", {.begin = {}, .end = fails});
  const auto traps = [](Call& call, Reply& reply) {
    call.log->write(CallLog::Stream::err, "last words\n");
    reply.error = Error{Code::died, "unreachable at main+0x12", Stage::run};
  };
  runtime->add("trap", {.begin = {}, .end = traps});
  runtime->add("bytes", {.begin = {},
                         .end = [](Call&, Reply& reply) { reply.output = std::string("\0\x01\xff", 3); }});
  runtime->add("bad-status", {.begin = {}, .end = [](Call&, Reply& reply) { reply.status = 700; }});
  const auto many = [](Call&, Reply& reply) {
    for (int i = 0; i < 300; ++i) reply.headers.push_back({"X-" + std::to_string(i), "y"});
  };
  runtime->add("many-headers", {.begin = {}, .end = many});
}

}  // namespace canopy::api
