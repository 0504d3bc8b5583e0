#include "builders/server.h"

#include <functional>
#include <utility>

#include "api/calls.h"
#include "api/deploy.h"
#include "api/durable_log.h"
#include "api/large_body.h"
#include "api/other_sites.h"
#include "api/stores.h"
#include "base/units.h"
#include "builders/body.h"
#include "builders/builders.h"
#include "builders/function.h"
#include "builders/reply.h"
#include "wire/base64.h"
#include "wire/json_writer.h"
#include "wire/manifest.h"
#include "wire/pickle.h"

namespace canopy::builders {
namespace {

constexpr std::uint64_t nobodys_code_bytes_max = GiB;

// What Python's str.strip() leaves nothing of, in ASCII.
bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\n\r\f\v\x1c\x1d\x1e\x1f") == std::string_view::npos;
}

net::HttpResponse no_function() { return detail(404, "Function not found"); }
net::HttpResponse no_task() { return detail(404, "Task not found"); }

std::string_view completed_word(const Options& options) {
  return options.builders_status_word == "complete" ? "COMPLETE" : "COMPLETED";
}

Failures failures(const Options& options) {
  return options.builders_failures == "exceptions" ? Failures::exceptions : Failures::strings;
}

Result<std::optional<Mirror::End>> find_end(store::CallLog& log, const Options& options, CallId task) {
  const auto result = log.result(task);
  if (!result && result.error().code == Code::not_found) return std::nullopt;
  if (!result) return tl::unexpected(result.error());
  if (result->state == State::queued || result->state == State::running) return std::nullopt;
  return Mirror::End{.status = std::string(status_word(result->state, completed_word(options))),
                     .result = result_text(*result, failures(options)).value_or("")};
}

// What dill wrote, out of what the client sent.
Result<std::string> read_payload(std::string_view payload) {
  CANOPY_TRY(std::string code, wire::read_base64(payload));
  CANOPY_TRY_VOID(wire::check_pickle(code));
  return code;
}

// What was sent, or the answer to it.
template <class T>
using Body = tl::expected<T, net::HttpResponse>;

template <class T>
net::Task<Body<T>> take_body(const api::Here& here, const net::HttpRequest& request,
                             Body<T> (*reader)(const net::HttpRequest& request)) {
  const std::function<Result<Body<T>>()> work = [&request, reader] {
    return Result<Body<T>>(reader(request));
  };
  auto body = co_await api::read_body(here, request.body.size(), work);
  if (!body) co_return tl::unexpected(failure(body.error()));
  co_return *std::move(body);
}

net::HttpResponse registration_failure(const Error& error) {
  return error.code == Code::refused ? invalid_payload(error.message)
                                     : failure(error, "Error registering function: ");
}

// Quotas bound what an owner has. What is nobody's is of strangers, who would fill the disk.
std::optional<std::string> refuse_more(const api::Here& here, const std::string& space) {
  if (here.platform.owners.of(space) != nullptr) return std::nullopt;
  const std::uint64_t count_max = here.platform.options.builders_functions;
  const auto snapshot = here.platform.catalog.snapshot();
  policy::Kept all;
  for (auto at = snapshot->functions.lower_bound({.space = space, .name = ""});
       at != snapshot->functions.end() && at->first.space == space; ++at) {
    ++all.functions;
    all.code_bytes += at->second->code_bytes;
  }
  if (all.functions < count_max && all.code_bytes < nobodys_code_bytes_max) return std::nullopt;
  const std::string what = all.functions < count_max
                               ? "their code has " + size_text(nobodys_code_bytes_max)
                               : "there are " + std::to_string(count_max) + " of them (--builders-functions)";
  return "Error registering function: as many functions are registered as may be where nobody owns the "
         "namespace " +
         space + ": " + what + "; remove some with `canopy remove " + space +
         "/ID`, or give the namespace to a user, whose quotas hold then";
}

std::string id_json(std::string_view name, const Uuid& id) {
  wire::JsonWriter json;
  json.begin_object();
  json.member(name, to_text(id));
  json.end_object();
  return json.take_text();
}

net::HttpResponse redirect_to(const api::Here& here, const net::HttpRequest& request, std::string_view path) {
  const std::string_view host = request.header("Host");
  std::string to = here.platform.options.tls_cert.empty() ? "http://" : "https://";
  to += host.empty() ? here.platform.options.listen : std::string(host);
  to += path;
  if (!request.query.empty()) to += "?" + std::string(request.query);
  return redirect(to);
}

}  // namespace

const policy::Subject& BuildersServer::subject(const api::Here& here) const {
  return open_ ? everybody_ : here.who->subject;
}

std::optional<net::HttpResponse> BuildersServer::refuse(const api::Here& here,
                                                        const net::HttpRequest& request, const Asked& asked,
                                                        const std::optional<Error>& refusal) const {
  switch (asked.door) {
    case Door::nowhere:
      return not_found();
    case Door::other_method:
      return method_not_allowed(asked.allowed);
    case Door::slash_behind:
      return redirect_to(here, request, asked.path);
    default:
      break;
  }
  if (request.method == "POST" && api::is_of_other_site(request, here.platform.options.cors_origin)) {
    return detail(403, "pages of other sites may not do that; --cors-origin says which may");
  }
  if (refusal && !open_) return unauthorized(*refusal);
  return std::nullopt;
}

net::Task<net::HttpResponse> BuildersServer::serve(const api::Here& here, net::HttpExchange& exchange,
                                                   const std::optional<Error>& refusal) {
  const net::HttpRequest& request = exchange.request();
  Asked asked = read_request(request.method, request.path);
  if (auto refused = refuse(here, request, asked, refusal)) co_return *std::move(refused);
  switch (asked.door) {
    case Door::register_function:
      co_return co_await register_function(here, exchange);
    case Door::execute_function:
      co_return co_await execute_function(here, exchange);
    case Door::status:
      co_return co_await status(here, std::move(asked));
    default:
      co_return co_await result(here, std::move(asked));
  }
}

net::Task<net::HttpResponse> BuildersServer::register_function(const api::Here& here,
                                                               net::HttpExchange& exchange) {
  const Body<Registration> body = co_await take_body(here, exchange.request(), read_registration);
  if (!body) co_return body.error();
  if (is_blank(body->name) || is_blank(body->payload)) {
    co_return detail(400, "Name and payload must not be empty");
  }
  if (body->name.size() > name_bytes_max || body->name.find('\0') != std::string::npos) {
    co_return detail(400, "Name must not have more than " + std::to_string(name_bytes_max) +
                              " bytes, nor a NUL among them");
  }
  std::string space = space_for(subject(here));
  const policy::Need need{.role = Role::developer, .reach = policy::Reach::space};
  if (space.empty()) {
    co_return detail(403, "the key counts for no namespace; an administrator can give its user one");
  }
  if (policy::judge(subject(here), need, space) != policy::Verdict::allowed) {
    co_return detail(403, api::role_too_low(*here.who, need).message);
  }
  if (const auto full = refuse_more(here, space)) co_return detail(429, *full);
  const std::function<Result<std::string>()> unpack = [&body] { return read_payload(body->payload); };
  auto code = co_await api::read_body(here, body->payload.size(), unpack);
  if (!code) co_return invalid_payload(code.error().message);
  const Options& options = here.platform.options;
  const Uuid id = random_uuid();
  Function draft = make_function(std::move(space), id, *body);
  draft.limits.memory_bytes = std::min(options.memory_bytes, options.memory_bytes_max);
  draft.limits.timeout = options.call_timeout_max;  // What a task may take is said with it.
  if (options.builders_keep_warm > 0) {
    draft.env.emplace(wire::keep_warm_variable, std::to_string(options.builders_keep_warm));
  }
  const auto deployed = co_await api::deploy_made(here, std::move(draft), *std::move(code));
  if (!deployed) co_return registration_failure(deployed.error());
  if (mirror_) mirror_->add_function(id, body->name, body->payload);
  co_return answer(id_json("function_id", id));
}

net::Task<net::HttpResponse> BuildersServer::execute_function(const api::Here& here,
                                                              net::HttpExchange& exchange) {
  Body<Execution> body = co_await take_body(here, exchange.request(), read_execution);
  if (!body) co_return body.error();
  const auto snapshot = here.platform.catalog.snapshot();
  const auto function = find_function(*snapshot, subject(here), body->function);
  if (function == nullptr) co_return no_function();
  const policy::Need need{.role = Role::caller, .reach = policy::Reach::space};
  if (policy::judge(subject(here), need, function->name.space) != policy::Verdict::allowed) {
    co_return detail(403, api::role_too_low(*here.who, need).message);
  }
  constexpr std::string_view before = "Error creating task: ";
  if (here.platform.draining) co_return failure(api::stopping(), before);
  DurableCall call;
  call.function = function->name;
  std::string copy = mirror_ ? body->payload : std::string();
  call.input = std::move(body->payload);
  call.timeout = here.platform.options.builders_time_limit;
  Duration retry_after{};
  if (const auto kept = api::keep_input(here, call, retry_after); !kept) {
    co_return failure(kept.error(), before);
  }
  const auto accepted = co_await api::append_durable(here, std::move(call));
  if (!accepted) co_return failure(accepted.error(), before);
  if (mirror_) mirror_->add_task(accepted->id, body->function, std::move(copy));
  co_return answer(id_json("task_id", task_uuid(accepted->id)));
}

net::Task<Result<std::optional<BuildersServer::Found>>> BuildersServer::find_task(const api::Here& here,
                                                                                  Uuid id,
                                                                                  bool with_result) const {
  using Wanted = std::optional<Found>;
  const auto call = find_call_id(*here.platform.call_log, id);
  if (!call) co_return std::nullopt;
  const Failures how = failures(here.platform.options);
  // To judge a large result takes long, too.
  const std::function<Result<Wanted>()> work = [&log = *here.platform.call_log, id = *call, with_result, how,
                                                who = here.who, all = open_]() -> Result<Wanted> {
    const auto record = log.find(id);
    if (!record && record.error().code == Code::not_found) return std::nullopt;
    if (!record) return tl::unexpected(record.error());
    const Record& seen = record->record;
    if (!is_registered(seen.function) || !(all || who->sees(seen))) return std::nullopt;
    Found found{.state = seen.state};
    if (with_result && api::has_ended(seen)) {
      CANOPY_TRY(const store::StoredResult result, log.result(id));
      found.text = result_text(result, how);
    }
    return found;
  };
  co_return co_await net::run_blocking<Wanted>(here.platform.disk, work);
}

net::Task<net::HttpResponse> BuildersServer::status(const api::Here& here, Asked asked) {
  const auto id = read_task(asked.task);
  if (!id) co_return id.error();
  const auto task = co_await find_task(here, *id, false);
  if (!task) co_return failure(task.error(), "Error retrieving task status: ");
  if (!*task) co_return no_task();
  wire::JsonWriter json;
  json.begin_object();
  json.member("task_id", to_text(*id));
  json.member("status", status_word((*task)->state, completed_word(here.platform.options)));
  json.end_object();
  co_return answer(json.take_text());
}

net::Task<net::HttpResponse> BuildersServer::result(const api::Here& here, Asked asked) {
  const auto id = read_task(asked.task);
  if (!id) co_return id.error();
  const auto task = co_await find_task(here, *id, true);
  constexpr std::string_view no_result = "Error retrieving task result";
  if (!task) co_return failure(task.error(), std::string(no_result) + ": ");
  if (!*task) co_return no_task();
  const State state = (*task)->state;
  const std::optional<std::string>& text = (*task)->text;
  if (!text) co_return detail(500, no_result);
  wire::JsonWriter json;
  json.begin_object();
  json.member("task_id", to_text(*id));
  json.member("status", status_word(state, completed_word(here.platform.options)));
  json.member("result", *text);
  json.end_object();
  co_return answer(json.take_text());
}

void BuildersServer::start(const api::Platform& platform) {
  const Options& options = platform.options;
  if (options.store.empty() || options.builders_mirror != "on") return;
  auto address = api::redis_address(options);
  if (!address) return;  // Then the server does not start.
  const auto find = [&log = *platform.call_log, &options](CallId task) {
    return find_end(log, options, task);
  };
  mirror_ = std::make_unique<Mirror>(*std::move(address), options.result_ttl, find, platform.clock,
                                     Mirror::Limits{});
}

void BuildersServer::stop() {
  if (mirror_) mirror_->stop();
}

void BuildersServer::on_begun(CallId id, const FunctionName& function) {
  if (mirror_ && is_registered(function)) mirror_->begun(id);
}

void BuildersServer::on_ended(CallId id, const FunctionName& function, State /*state*/) {
  if (mirror_ && is_registered(function)) mirror_->ended(id);
}

std::unique_ptr<api::Protocol> make_protocol(const Options& options) {
  if (options.builders == "off") return nullptr;
  return std::make_unique<BuildersServer>(options.builders == "on", options.body_bytes_max);
}

}  // namespace canopy::builders
