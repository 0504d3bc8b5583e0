#include "api/deploy.h"

#include <cmath>
#include <memory>
#include <mutex>
#include <utility>

#include "api/upload.h"
#include "base/log.h"
#include "base/sha256.h"
#include "store/deploy_rules.h"
#include "wire/json.h"
#include "wire/json_read.h"

namespace canopy::api {
namespace {

constexpr std::string_view keeping_runtime =
    "python";  // The one whose processes can serve more than one call.

// Where the client says that we are; our own word for it where it says something odd.
std::string base_url(const Here& here, const net::HttpRequest& request) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
  const std::string_view host = request.header("Host");
  const bool usable = !host.empty() && host.find_first_not_of(plain) == std::string_view::npos;
  const std::string scheme = here.platform.options.tls_cert.empty() ? "http://" : "https://";
  return scheme + (usable ? std::string(host) : here.platform.options.listen);
}

Result<Function> make_draft(const Here& here, const Upload& upload, FunctionName name) {
  const Options& options = here.platform.options;
  Function draft;
  draft.name = std::move(name);
  draft.limits.memory_bytes = std::min(options.memory_bytes, options.memory_bytes_max);
  draft.limits.timeout = options.call_timeout;
  wire::apply(upload.manifest, draft);
  draft.code_bytes = upload.code.size();
  if (upload.manifest.keep_warm.value_or(0) > 0 && draft.runtime != keeping_runtime) {
    return fail(Code::invalid, "'keep_warm' is for functions in Python, and this one runs with '" +
                                   log_safe(draft.runtime, 80) +
                                   "', where a fresh instance costs nothing; leave it out");
  }
  if (draft.limits.memory_bytes > options.memory_bytes_max) {
    return fail(Code::invalid, "the function asks for " + size_text(draft.limits.memory_bytes) +
                                   " of memory, and may have " + size_text(options.memory_bytes_max) +
                                   " here; ask for less, or raise 'memory-limit'");
  }
  if (upload.manifest.tmp_bytes && draft.limits.tmp_bytes > options.memory_bytes_max) {
    return fail(Code::invalid, "the function asks for " + size_text(draft.limits.tmp_bytes) +
                                   " of /tmp, which is memory, and may have " +
                                   size_text(options.memory_bytes_max) +
                                   " here; ask for less, or raise 'memory-limit'");
  }
  if (draft.limits.timeout > options.call_timeout_max) {
    return fail(Code::invalid, "the function asks for a timeout of " + duration_text(draft.limits.timeout) +
                                   ", and calls may take " + duration_text(options.call_timeout_max) +
                                   " here; ask for less, or raise 'call-timeout-max'");
  }
  return draft;
}

// What the owner of its namespace may have, were `next` the current version of its name.
Result<void> check_quotas(Platform& platform, const Function& next) {
  const auto accounts = platform.catalog.users().snapshot();
  const auto owner = accounts->owners.find(next.name.space);
  if (owner == accounts->owners.end()) return {};
  const User& user = *owner->second;
  const auto snapshot = platform.catalog.snapshot();
  const auto before = Owners::kept(user, snapshot->functions, next.name);
  const std::string_view quota = policy::exceeded(user.quotas, before, kept(next));
  if (quota.empty()) return {};
  return fail(Code::exhausted, "with this version of " + to_text(next.name) + " " + user.name +
                                   " would have more than the quota '" + std::string(quota) +
                                   "' allows; remove what is not used, or ask an administrator for more");
}

// On the disk pool: looks at what was uploaded, stores what was uploaded, and whether it was compiled before.
Result<std::shared_ptr<exec::Template>> store_code(Platform& platform, exec::Runtime& runtime,
                                                   const Upload& upload, Function& draft) {
  store::Catalog& catalog = platform.catalog;
  CANOPY_TRY_VOID(runtime.check(draft, upload.code));
  runtime.bind(draft, upload.code);
  CANOPY_TRY_VOID(check_quotas(platform, draft));  // What it becomes counts, too.
  CANOPY_TRY(draft.digest, catalog.put_code(upload.code));
  for (const UploadedFile& file : upload.files) {
    CANOPY_TRY(std::string digest, catalog.put_code(file.content));
    draft.files.push_back(
        {.path = file.path, .digest = std::move(digest), .size_bytes = file.content.size()});
  }
  return runtime.find(draft);
}

// What is asked of the catalog: by whom, and within which quotas.
store::Change change_of(const Here& here) {
  return {.actor = here.who->actor(), .allow = [&platform = here.platform](const Function& next) {
            return check_quotas(platform, next);
          }};
}

// For who deploys, all that is wrong with the code is a refusal of the code.
Error deploy_error(Error error) {
  const bool about_code = error.code == Code::limit || error.code == Code::deadline ||
                          error.code == Code::died || error.code == Code::function_failed;
  if (about_code) error.code = Code::refused;
  error.stage = Stage::none;
  return error;
}

std::string_view result_word(const store::PutResult& result) {
  if (result.unchanged) return "unchanged";
  return result.created ? "new" : "changed";
}

// What deploying it would come to. The version and the time of one that is new or changed are 0: it has none.
Result<store::PutResult> foresee(Platform& platform, const Upload& upload, Function draft) {
  CANOPY_TRY(const auto runtime, platform.templates.find_runtime(draft.runtime));
  CANOPY_TRY_VOID(runtime->check(draft, upload.code));
  runtime->bind(draft, upload.code);
  draft.digest = sha256_hex(upload.code);
  for (const UploadedFile& file : upload.files) {
    draft.files.push_back(
        {.path = file.path, .digest = sha256_hex(file.content), .size_bytes = file.content.size()});
  }
  CANOPY_TRY_VOID(store::make_ready(draft));
  const auto snapshot = platform.catalog.snapshot();
  const auto current = snapshot->functions.find(draft.name);
  const bool created = current == snapshot->functions.end();
  if (!created && store::same_deployment(*current->second, draft)) {
    return store::PutResult{.function = current->second, .unchanged = true};
  }
  return store::PutResult{.function = std::make_shared<const Function>(std::move(draft)), .created = created};
}

std::string result_json(const Here& here, const net::HttpRequest& request, const store::PutResult& result) {
  std::string json = function_json(*result.function, here, request);
  json.pop_back();
  return json + ",\"result\":\"" + std::string(result_word(result)) + "\"}";
}

net::Task<net::HttpResponse> dry_run(const Here& here, const net::HttpRequest& request, const Upload& upload,
                                     const Function& draft) {
  const std::function<Result<store::PutResult>()> work = [&] {
    return foresee(here.platform, upload, draft);
  };
  const Result<store::PutResult> result = co_await net::run_blocking(here.platform.disk, work);
  if (!result) co_return error_response(deploy_error(result.error()));
  co_return json_response(result_json(here, request, *result));
}

void announce(const Here& here, Happening::Kind kind, const FunctionName& name, const std::string& json) {
  here.platform.feed.publish({.kind = kind, .function = name, .call = {}, .text = {}},
                             [&json] { return json; });
}

using Store = std::function<Result<std::shared_ptr<exec::Template>>(exec::Runtime& runtime)>;

// Has `store` store it, compiles it where that was not done before, and then has the catalog show it.
net::Task<Result<store::PutResult>> deploy(const Here& here, Store store, Function& draft) {
  Platform& platform = here.platform;
  const auto runtime = platform.templates.find_runtime(draft.runtime);
  if (!runtime) co_return tl::unexpected(runtime.error());

  using Made = std::shared_ptr<exec::Template>;
  const std::function<Result<Made>()> keep = [&] { return store(**runtime); };
  Result<Made> made = co_await net::run_blocking(platform.disk, keep);
  if (made && *made == nullptr) {
    const std::function<Result<Made>()> prepare = [&] { return platform.templates.make(**runtime, draft); };
    const CompileQueue::Line line = platform.compile.line(draft.name.space);
    made = co_await net::run_blocking(line, prepare);
  }
  if (!made) co_return tl::unexpected(deploy_error(std::move(made).error()));

  const std::function<Result<store::PutResult>()> put = [&]() -> Result<store::PutResult> {
    const std::lock_guard lock(platform.deploying);
    return platform.catalog.put(draft, change_of(here));
  };
  co_return co_await net::run_blocking(platform.disk, put);
}

net::Task<Result<store::PutResult>> deploy(const Here& here, const Upload& upload, Function& draft) {
  const Store store = [&](exec::Runtime& runtime) {
    return store_code(here.platform, runtime, upload, draft);
  };
  return deploy(here, store, draft);
}

}  // namespace

std::string function_json(const Function& function, const Here& here, const net::HttpRequest& request) {
  std::string json = wire::to_json(function);
  json.pop_back();
  json += ",\"url\":";
  wire::append_json_string(base_url(here, request) + "/function/" + to_text(function.name), json);
  return json + "}";
}

Result<std::uint32_t> read_rollback(std::string_view body) {
  const auto bad = [](const std::string& what) {
    return fail(Code::invalid, what + R"(; send {"version": N}, or nothing for the version before)");
  };
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return 0;
  CANOPY_TRY(const auto json, wire::parse_json(body, {.bytes_max = 4 * KiB}));
  const auto* const object = json.if_object();
  if (object == nullptr) return bad("the body is not an object");
  for (const auto& member : *object) {
    const std::string_view key(member.key().data(), member.key().size());
    if (key != "version") return bad("the body has an unknown key '" + log_safe(key, 80) + "'");
  }
  const auto* const version = object->if_contains("version");
  if (version == nullptr) return 0;
  // 3.0 is a whole number too.
  const double number = version->is_number() ? version->to_number<double>() : 0;
  if (!(number >= 1 && number <= 0xffff'ffff) || number != std::floor(number)) {
    return bad("'version' is not a whole number from 1 to 4294967295");
  }
  return static_cast<std::uint32_t>(number);
}

net::Task<net::HttpResponse> put_function(const Here& here, net::HttpExchange& exchange, FunctionName name) {
  Platform& platform = here.platform;
  const auto upload = read_upload(exchange.request(), name);
  if (!upload) co_return error_response(upload.error());
  auto draft = make_draft(here, *upload, std::move(name));
  if (!draft) co_return error_response(draft.error());
  if (const auto allowed = check_quotas(platform, *draft); !allowed) {
    co_return error_response(allowed.error());
  }
  if (upload->dry_run) co_return co_await dry_run(here, exchange.request(), *upload, *draft);
  const Result<store::PutResult> result = co_await deploy(here, *upload, *draft);
  if (!result) co_return error_response(result.error());
  const Function& function = *result->function;
  if (!result->unchanged) {
    announce(here, Happening::Kind::deployed, function.name,
             function_json(function, here, exchange.request()));
    log::info("deployed {} version {}", to_text(function.name), function.version);
  }
  net::HttpResponse response =
      json_response(result_json(here, exchange.request(), *result), result->created ? 201 : 200);
  if (result->created) response.headers.push_back({"Location", "/v1/functions/" + to_text(function.name)});
  co_return response;
}

net::Task<Result<std::shared_ptr<const Function>>> deploy_uncompiled(const Here& here, Function draft,
                                                                     std::string code) {
  using Deployed = std::shared_ptr<const Function>;
  Platform& platform = here.platform;
  const auto runtime = platform.templates.find_runtime(draft.runtime);
  if (!runtime) co_return tl::unexpected(runtime.error());
  const std::function<Result<Deployed>()> work = [&]() -> Result<Deployed> {
    CANOPY_TRY_VOID((*runtime)->check(draft, code));
    draft.code_bytes = code.size();
    CANOPY_TRY(draft.digest, platform.catalog.put_code(code));
    const std::lock_guard lock(platform.deploying);
    CANOPY_TRY(auto done, platform.catalog.put(draft, change_of(here)));
    return done.function;
  };
  Result<Deployed> deployed = co_await net::run_blocking(platform.disk, work);
  if (!deployed) co_return deployed;
  const auto forget = [](const Templates::Made&) {};
  platform.templates.get(*deployed, forget);
  announce(here, Happening::Kind::deployed, (*deployed)->name,
           function_json(**deployed, here, net::HttpRequest()));
  co_return deployed;
}

net::Task<Result<std::shared_ptr<const Function>>> deploy_made(const Here& here, Function draft,
                                                               std::string code) {
  Upload upload;
  upload.code = code;
  draft.code_bytes = upload.code.size();
  if (const auto allowed = check_quotas(here.platform, draft); !allowed) {
    co_return tl::unexpected(allowed.error());
  }
  const Result<store::PutResult> result = co_await deploy(here, upload, draft);
  if (!result) co_return tl::unexpected(result.error());
  announce(here, Happening::Kind::deployed, draft.name,
           function_json(*result->function, here, net::HttpRequest()));
  co_return result->function;
}

net::Task<Result<std::shared_ptr<const Function>>> deploy_stored(const Here& here, Function draft) {
  if (const auto allowed = check_quotas(here.platform, draft); !allowed) {
    co_return tl::unexpected(allowed.error());
  }
  const Store store = [&draft](exec::Runtime& runtime) {
    return Result<std::shared_ptr<exec::Template>>(runtime.find(draft));
  };
  const Result<store::PutResult> result = co_await deploy(here, store, draft);
  if (!result) co_return tl::unexpected(result.error());
  if (!result->unchanged) {
    announce(here, Happening::Kind::deployed, draft.name,
             function_json(*result->function, here, net::HttpRequest()));
  }
  co_return result->function;
}

net::Task<Result<std::shared_ptr<const Function>>> deploy_unchecked(const Here& here, Function draft,
                                                                    std::string code) {
  using Deployed = std::shared_ptr<const Function>;
  Platform& platform = here.platform;
  const std::function<Result<Deployed>()> work = [&]() -> Result<Deployed> {
    draft.code_bytes = code.size();
    CANOPY_TRY(draft.digest, platform.catalog.put_code(code));
    const std::lock_guard lock(platform.deploying);
    CANOPY_TRY(auto done, platform.catalog.put(draft, change_of(here)));
    return done.function;
  };
  co_return co_await net::run_blocking(platform.disk, work);
}

net::Task<Result<bool>> remove_functions(const Here& here, std::vector<FunctionName> names) {
  const std::function<Result<bool>()> work = [&]() -> Result<bool> {
    for (const FunctionName& name : names) {
      const auto removed = here.platform.catalog.remove(name, change_of(here));
      if (!removed && removed.error().code != Code::not_found) return tl::unexpected(removed.error());
    }
    return true;
  };
  const Result<bool> done = co_await net::run_blocking(here.platform.disk, work);
  if (!done) co_return done;
  for (const FunctionName& name : names) {
    std::string json = "{\"removed\":";
    wire::append_json_string(to_text(name), json);
    announce(here, Happening::Kind::removed, name, json + "}");
  }
  co_return done;
}

net::Task<net::HttpResponse> roll_back(const Here& here, net::HttpExchange& exchange, FunctionName name) {
  const auto to = read_rollback(exchange.request().body);
  if (!to) co_return error_response(to.error());
  using Current = std::shared_ptr<const Function>;
  const std::function<Result<Current>()> work = [&]() -> Result<Current> {
    const std::lock_guard lock(here.platform.deploying);
    return here.platform.catalog.rollback(name, *to, change_of(here));
  };
  const Result<Current> current = co_await net::run_blocking(here.platform.disk, work);
  if (!current) co_return error_response(current.error());
  std::string json = function_json(**current, here, exchange.request());
  announce(here, Happening::Kind::rolled_back, name, json);
  log::info("rolled {} back to version {}", to_text(name), (*current)->version);
  co_return json_response(std::move(json));
}

net::Task<net::HttpResponse> remove_function(const Here& here, net::HttpExchange& /*exchange*/,
                                             FunctionName name) {
  const std::function<Result<bool>()> work = [&]() -> Result<bool> {
    CANOPY_TRY_VOID(here.platform.catalog.remove(name, change_of(here)));
    return true;
  };
  const Result<bool> removed = co_await net::run_blocking(here.platform.disk, work);
  if (!removed) co_return error_response(removed.error());
  std::string json = "{\"removed\":";
  wire::append_json_string(to_text(name), json);
  json += "}";
  announce(here, Happening::Kind::removed, name, json);
  log::info("removed {}", to_text(name));
  co_return json_response(std::move(json));
}

}  // namespace canopy::api
