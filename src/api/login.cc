// POST /v1/login: a name and a password for a key.

#include <utility>

#include "api/auth.h"
#include "api/change.h"
#include "api/fields.h"
#include "api/keys.h"
#include "api/users.h"
#include "crypto/password.h"

namespace canopy::api {
namespace {

const std::string usual_expiry = "12h";
constexpr Duration expiry_max = std::chrono::hours(24 * 31);

struct Login {
  std::string user;
  std::string password;
  WallTime expires{};
};

Result<Login> read_login(std::string_view body, WallTime now) {
  CANOPY_TRY(const auto fields, Fields::read(body, {"user", "password", "expires"}));
  CANOPY_TRY(const auto user, fields.text("user"));
  CANOPY_TRY(const auto password, fields.text("password"));
  if (!user || !password) return fail(Code::invalid, "send {\"user\": NAME, \"password\": PASSWORD}");
  if (!is_name_part(*user) || password->size() > crypto::password_bytes_max) {
    return fail(Code::invalid, "no user has that name, or that long a password");
  }
  CANOPY_TRY(const auto expires, fields.text("expires"));
  CANOPY_TRY(const WallTime until, read_expiry(expires.value_or(usual_expiry), now));
  if (until > now + expiry_max) return fail(Code::invalid, "a login lasts 31 days at most");
  return Login{.user = *user, .password = *password, .expires = until};
}

}  // namespace

net::Task<net::HttpResponse> log_in(const Here& here, net::HttpExchange& exchange) {
  Platform& platform = here.platform;
  const auto login = read_login(exchange.request().body, platform.clock.wall_now());
  if (!login) co_return error_response(login.error());
  const auto gate = platform.login_gate.enter(login->user, platform.clock.now());
  if (!gate.admitted) {
    const Error error{Code::exhausted, "too many passwords were tried for that name; wait, then try again"};
    co_return error_response(error, std::nullopt, gate.retry_after);
  }
  store::Users& users = platform.catalog.users();
  const auto accounts = users.snapshot();
  const auto user = accounts->users.find(login->user);
  const std::string stored = user == accounts->users.end() ? "" : user->second->password_hash;
  const std::function<Result<bool>()> check = [&] { return crypto::check_password(login->password, stored); };
  const Result<bool> right = co_await net::run_blocking(platform.passwords, check);
  if (!right) co_return error_response({Code::exhausted, "too many log in at once; try again shortly"});
  if (!*right || user->second->disabled) {
    const Error error{Code::unauthorized, "the name or the password is wrong; check both"};
    co_return unauthorized_response(error);
  }
  const crypto::NewApiKey fresh = crypto::make_api_key();
  Key draft = draft_key(fresh);
  draft.user = user->second->id;
  draft.label = "login";
  draft.role = user->second->role;
  draft.expires = login->expires;
  const store::Actor actor{.user = user->second->name, .key = ""};
  using Made = std::shared_ptr<const Key>;
  const std::function<Result<Made>()> work = [&] { return users.add_key(draft, actor); };
  const Result<Made> made = co_await change(here, work);
  if (!made) co_return error_response(made.error());
  wire::JsonWriter json;
  write_key(json, **made, user->second->name, &fresh);
  co_return json_response(json.take_text(), 201);
}

}  // namespace canopy::api
