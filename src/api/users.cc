#include "api/users.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "api/auth.h"
#include "api/change.h"
#include "api/fields.h"
#include "api/keys.h"
#include "api/page.h"
#include "api/parameters.h"
#include "api/quotas.h"
#include "base/log.h"
#include "crypto/password.h"

namespace canopy::api {
namespace {

void write_user(wire::JsonWriter& json, const User& user) {
  json.begin_object();
  json.member("name", user.name);
  json.member("role", name(user.role));
  json.member("disabled", user.disabled);
  json.key("namespaces");
  json.begin_array();
  for (const std::string& space : user.spaces) json.value(space);
  json.end_array();
  json.key("quotas");
  write_quotas(json, user.quotas);
  json.member("has_password", !user.password_hash.empty());
  json.member("created", user.created);
  json.end_object();
}

std::string user_json(const User& user) {
  wire::JsonWriter json;
  write_user(json, user);
  return json.take_text();
}

Result<std::optional<Role>> read_role(const Fields& fields) {
  CANOPY_TRY(const auto text, fields.text("role"));
  if (!text) return std::optional<Role>();
  const auto role = parse_role(*text);
  if (!role) return fail(Code::invalid, "'role' is none of caller, developer, admin");
  return role;
}

// Hashing takes tens of milliseconds of a core and 64 MiB: one at a time, and few wait.
net::Task<Result<std::string>> hash(const Here& here, std::optional<std::string> password) {
  if (!password) co_return std::string();
  const std::function<Result<std::string>()> work = [&password] { return crypto::hash_password(*password); };
  co_return co_await net::run_blocking(here.platform.passwords, work);
}

struct NewUser {
  User user;
  std::optional<std::string> password;
  bool with_key = true;
};

Result<NewUser> read_new_user(const Fields& fields, bool is_first) {
  NewUser made;
  CANOPY_TRY(const auto name, fields.text("name"));
  if (!name) return fail(Code::invalid, "a user needs a name: {\"name\": …}");
  made.user.name = *name;
  CANOPY_TRY(const auto role, read_role(fields));
  made.user.role = role.value_or(is_first ? Role::admin : Role::developer);
  if (is_first && made.user.role != Role::admin) {
    return fail(Code::conflict,
                "the first user must be an administrator, since from then on keys are "
                "demanded; make one first: canopy user add admin --role=admin");
  }
  CANOPY_TRY(auto spaces, fields.texts("namespaces"));
  made.user.spaces = spaces ? *std::move(spaces) : std::vector{*name};
  CANOPY_TRY(made.password, fields.text("password"));
  CANOPY_TRY(const auto quotas, fields.object("quotas"));
  made.user.quotas = default_quotas(made.user.role);
  if (quotas) CANOPY_TRY_VOID(read_quotas(*quotas, made.user.quotas));
  CANOPY_TRY(const auto with_key, fields.flag("key"));
  made.with_key = with_key.value_or(true);
  if (is_first && !made.with_key) {
    return fail(Code::invalid, "the first user needs a key: nobody could make one after it");
  }
  return made;
}

bool is_only_admin(const store::Accounts& accounts, const User& user) {
  if (user.role != Role::admin || user.disabled) return false;
  return std::ranges::none_of(accounts.users, [&user](const auto& entry) {
    const User& other = *entry.second;
    return other.id != user.id && other.role == Role::admin && !other.disabled;
  });
}

struct UserChange {
  std::optional<Role> role;
  std::optional<bool> disabled;
  std::optional<std::vector<std::string>> spaces;
  std::optional<boost::json::object> quotas;
  bool sets_password = false;
  std::optional<std::string> password;  // Nothing: it shall have none.

  std::string text() const {
    std::string words;
    const auto also = [&words](const std::string& word) { words += (words.empty() ? "" : ", ") + word; };
    if (role) also("role " + std::string(name(*role)));
    if (disabled) also(*disabled ? "disabled" : "enabled");
    if (spaces) also("namespaces");
    if (quotas) also("quotas");
    if (sets_password) also(password ? "password" : "no password");
    return words;
  }
};

// With a password one makes keys of the user's whole role: a lesser key must not lead to one.
bool may_set_password(const Principal& who) {
  if (who.is_admin() || who.from_key == nullptr) return true;
  const Key& key = *who.from_key;
  return key.spaces.empty() && key.role >= who.from_user->role && key.expires == WallTime();
}

Result<UserChange> read_change(const Principal& who, const Fields& fields) {
  UserChange asked;
  CANOPY_TRY(asked.role, read_role(fields));
  CANOPY_TRY(asked.disabled, fields.flag("disabled"));
  CANOPY_TRY(asked.spaces, fields.texts("namespaces"));
  CANOPY_TRY(asked.quotas, fields.object("quotas"));
  asked.sets_password = fields.has("password");
  if (!fields.is_null("password")) {
    CANOPY_TRY(asked.password, fields.text("password"));
  }
  const bool more = asked.role || asked.disabled || asked.spaces || asked.quotas;
  if (more && !who.is_admin()) {
    return fail(Code::forbidden, "of itself a user changes the password only; ask an administrator");
  }
  if (asked.sets_password && !may_set_password(who)) {
    return fail(Code::forbidden,
                "a password opens all that the user may, and this key does not; use one of the "
                "user's own role, for all namespaces and without an end, or ask an "
                "administrator");
  }
  return asked;
}

}  // namespace

Error no_such_user(std::string_view name) {
  return {Code::not_found, "there is no user " + log_safe(name, 80) + "; /v1/users lists who there is"};
}

net::HttpResponse list_users(const Here& here, const net::HttpRequest& request) {
  const auto parameters = Parameters::read(request.query, {"limit", "after"});
  if (!parameters) return error_response(parameters.error());
  const auto asked = read_page(*parameters);
  if (!asked) return error_response(asked.error());
  if (asked->after && !is_name_part(*asked->after)) {
    return error_response(
        {Code::invalid, "the parameter 'after': '" + log_safe(*asked->after, 80) + "' is no user's name"});
  }
  wire::JsonWriter json;
  json.begin_object();
  json.key("users");
  json.begin_array();
  const auto accounts = here.platform.catalog.users().snapshot();
  const auto& users = accounts->users;
  PageWriter page(asked->limit);
  for (auto at = asked->after ? users.upper_bound(*asked->after) : users.begin(); at != users.end(); ++at) {
    if (!page.takes(at->first)) break;
    write_user(json, *at->second);
  }
  json.end_array();
  page.write_next(json);
  json.end_object();
  return json_response(json.take_text());
}

net::Task<net::HttpResponse> add_user(const Here& here, net::HttpExchange& exchange) {
  const auto fields =
      Fields::read(exchange.request().body, {"name", "role", "namespaces", "password", "quotas", "key"});
  if (!fields) co_return error_response(fields.error());
  store::Users& users = here.platform.catalog.users();
  auto draft = read_new_user(*fields, users.snapshot()->users.empty());
  if (!draft) co_return error_response(draft.error());
  auto hashed = co_await hash(here, draft->password);
  if (!hashed) co_return error_response(hashed.error());
  draft->user.password_hash = *std::move(hashed);
  const crypto::NewApiKey fresh = crypto::make_api_key();
  std::optional<Key> key;
  if (draft->with_key) {
    key = draft_key(fresh);
    key->label = "first";
    key->role = draft->user.role;
  }
  using Made = std::shared_ptr<const User>;
  const std::function<Result<Made>()> work = [&] {
    return users.add_user(draft->user, key, here.who->actor());
  };
  const Result<Made> made = co_await change(here, work);
  if (!made) co_return error_response(made.error());
  wire::JsonWriter json;
  json.begin_object();
  json.key("user");
  write_user(json, **made);
  json.key("key");
  if (key) {
    key->created = (*made)->created;
    write_key(json, *key, (*made)->name, &fresh);
  } else {
    json.null();
  }
  json.end_object();
  log::info("made user {}", (*made)->name);
  co_return json_response(json.take_text(), 201);
}

net::HttpResponse get_user(const Here& here, const net::HttpRequest& request, const std::string& name) {
  const auto parameters = Parameters::read(request.query, {});
  if (!parameters) return error_response(parameters.error());
  const auto accounts = here.platform.catalog.users().snapshot();
  const auto at = accounts->users.find(name);
  const bool may = here.who->is_admin() || name == here.who->user_name;
  if (!may || at == accounts->users.end()) return error_response(no_such_user(name));
  return json_response(user_json(*at->second));
}

net::Task<net::HttpResponse> change_user(const Here& here, net::HttpExchange& exchange, std::string name) {
  if (!here.who->is_admin() && name != here.who->user_name) co_return error_response(no_such_user(name));
  const auto fields =
      Fields::read_some(exchange.request().body, {"role", "disabled", "namespaces", "quotas", "password"});
  if (!fields) co_return error_response(fields.error());
  const auto asked = read_change(*here.who, *fields);
  if (!asked) co_return error_response(asked.error());
  const auto hashed = co_await hash(here, asked->password);
  if (!hashed) co_return error_response(hashed.error());
  store::Users& users = here.platform.catalog.users();
  const auto apply = [&](User& user) -> Result<void> {
    const bool was_only_admin = is_only_admin(*users.snapshot(), user);
    if (asked->role) user.role = *asked->role;
    if (asked->disabled) user.disabled = *asked->disabled;
    if (asked->spaces) user.spaces = *asked->spaces;
    if (asked->quotas) CANOPY_TRY_VOID(read_quotas(*asked->quotas, user.quotas));
    if (asked->sets_password) user.password_hash = *hashed;
    if (!was_only_admin || (user.role == Role::admin && !user.disabled)) return {};
    return fail(Code::conflict, user.name + " is the only administrator; make another one first");
  };
  using Made = std::shared_ptr<const User>;
  const std::function<Result<Made>()> work = [&] {
    // Two administrators do not go at once, one changed and one removed.
    const std::lock_guard lock(here.platform.deploying);
    return users.change_user(name, apply, asked->text(), here.who->actor());
  };
  const Result<Made> made = co_await change(here, work);
  if (!made) co_return error_response(made.error());
  co_return json_response(user_json(**made));
}

net::Task<net::HttpResponse> remove_user(const Here& here, net::HttpExchange& /*exchange*/,
                                         std::string name) {
  if (!here.who->is_admin()) {
    // Of others it is not said whether they are there.
    const bool own = name == here.who->user_name;
    const Error only_admins{Code::forbidden, "a user cannot remove itself; ask an administrator"};
    co_return error_response(own ? only_admins : no_such_user(name));
  }
  Platform& platform = here.platform;
  const std::function<Result<bool>()> work = [&]() -> Result<bool> {
    const std::lock_guard lock(platform.deploying);  // No function comes between the look and the removal.
    store::Users& users = platform.catalog.users();
    const auto accounts = users.snapshot();
    const auto at = accounts->users.find(name);
    if (at == accounts->users.end()) return tl::unexpected(no_such_user(name));
    if (is_only_admin(*accounts, *at->second)) {
      return fail(Code::conflict, name + " is the only administrator; make another one first");
    }
    const auto left = Owners::kept(*at->second, platform.catalog.snapshot()->functions, {});
    if (left.functions > 0) {
      return fail(Code::conflict, name + " has " + std::to_string(left.functions) +
                                      " functions; remove them, or give the namespaces to another user");
    }
    CANOPY_TRY_VOID(users.remove_user(name, here.who->actor()));
    return true;
  };
  const Result<bool> removed = co_await change(here, work);
  if (!removed) co_return error_response(removed.error());
  log::info("removed user {}", name);
  co_return json_response("{\"removed\":\"" + name + "\"}");
}

}  // namespace canopy::api
