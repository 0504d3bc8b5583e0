#include "mucpd/server.h"

#include <algorithm>

#include "api/other_sites.h"
#include "base/utf8.h"
#include "mucpd/mucpd.h"
#include "mucpd/names.h"
#include "mucpd/reply.h"
#include "policy/access.h"

namespace canopy::mucpd {
namespace {

// Express reads texts up to 100 KiB. We read on for a while, to answer in its words.
constexpr std::size_t text_bytes_max = 100 * KiB;
constexpr std::uint64_t read_bytes_max = MiB;

bool has_text(Door door) { return door == Door::add_function || door == Door::run; }
bool is_about_job(Door door) { return door >= Door::job_status && door <= Door::remove_job; }

policy::Need need_of(Door door) {
  const bool calls = door == Door::run || is_about_job(door);
  return {.role = calls ? Role::caller : Role::developer,
          .reach = is_about_job(door) ? policy::Reach::own : policy::Reach::space};
}

}  // namespace

Error no_user(std::string_view user) {
  return {Code::not_found, "User <" + std::string(user) + "> does not exist."};
}

Error no_function(std::string_view function) {
  return {Code::not_found, "User function <" + std::string(function) + "> does not exist."};
}

bool has_user(const store::Snapshot& snapshot, std::string_view user) {
  return snapshot.functions.contains(marker_of(user));
}

std::string text_of(std::string_view body) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (body.starts_with(byte_order_mark)) body.remove_prefix(byte_order_mark.size());
  return repaired_utf8(body);
}

Duration job_timeout(const Options& options) {
  constexpr Duration longest = std::chrono::minutes(15);
  return std::min(longest, options.call_timeout_max);
}

std::uint64_t MucpdServer::body_bytes_max(const net::HttpRequest& /*head*/) const { return read_bytes_max; }

std::optional<net::HttpResponse> MucpdServer::judge(const api::Here& here, const Asked& asked) const {
  if (open_) return std::nullopt;
  const policy::Need need = need_of(asked.door);
  const std::string space = space_of(asked.user);
  switch (policy::judge(here.who->subject, need, space)) {
    case policy::Verdict::allowed:
      return std::nullopt;
    case policy::Verdict::refused:
      return forbidden("[ERR] " + api::role_too_low(*here.who, need).message);
    case policy::Verdict::hidden:
      break;
  }
  if (asked.door != Door::add_user) return failure(no_user(asked.user));
  return forbidden("[ERR] the key does not count for the namespace " + space +
                   "; an administrator can give it to its user");
}

std::optional<net::HttpResponse> MucpdServer::refuse(const api::Here& here, const net::HttpRequest& request,
                                                     const Asked& asked,
                                                     const std::optional<Error>& refusal) const {
  if (asked.door == Door::nowhere) return not_found();
  if (asked.door == Door::no_text) return bad_request();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads && api::is_of_other_site(request, here.platform.options.cors_origin)) {
    return forbidden("[ERR] pages of other sites may not do that; --cors-origin says which may");
  }
  if (refusal && !open_) return unauthorized(*refusal);
  if (has_text(asked.door) && request.body.size() > text_bytes_max) return too_large();
  for (const auto& [what, name] : {std::pair("User", &asked.user), std::pair("Function", &asked.function)}) {
    if (name->size() <= name_bytes_max) continue;
    return failure("[ERR] " + std::string(what) + " name is longer than " + std::to_string(name_bytes_max) +
                   " bytes.");
  }
  return judge(here, asked);
}

net::Task<net::HttpResponse> MucpdServer::serve(const api::Here& here, net::HttpExchange& exchange,
                                                const std::optional<Error>& refusal) {
  const net::HttpRequest& request = exchange.request();
  Asked asked = read_request(request.method, request.path);
  if (auto refused = refuse(here, request, asked, refusal)) co_return *std::move(refused);
  switch (asked.door) {
    case Door::add_user:
      co_return co_await add_user(here, std::move(asked));
    case Door::remove_user:
      co_return co_await remove_user(here, std::move(asked));
    case Door::user_time:
      co_return co_await user_time(here, std::move(asked));
    case Door::functions:
      co_return functions(here, asked);
    case Door::function:
      co_return function(here, asked);
    case Door::add_function:
      co_return co_await add_function(here, exchange, std::move(asked));
    case Door::remove_function:
      co_return co_await remove_function(here, std::move(asked));
    case Door::run:
      co_return co_await run(here, exchange, std::move(asked));
    case Door::job_status:
      co_return co_await job_status(here, std::move(asked));
    case Door::remove_job:
      co_return co_await remove_job(here, std::move(asked));
    default:
      co_return co_await job_result(here, std::move(asked));
  }
}

void MucpdServer::on_ended(CallId id, const FunctionName& function, State state) {
  if (is_space(function.space)) {
    recent_.note(id, state == State::canceled ? Progress::gone : Progress::ended);
  }
}

std::unique_ptr<api::Protocol> make_protocol(const Options& options) {
  if (options.mucpd == "off") return nullptr;
  return std::make_unique<MucpdServer>(options.mucpd == "on");
}

}  // namespace canopy::mucpd
