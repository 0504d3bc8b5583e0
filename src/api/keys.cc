#include "api/keys.h"

#include <algorithm>
#include <utility>

#include "api/auth.h"
#include "api/change.h"
#include "api/fields.h"
#include "api/page.h"
#include "api/parameters.h"
#include "api/users.h"
#include "base/log.h"

namespace canopy::api {
namespace {

constexpr Duration expiry_max = std::chrono::hours(24 * 366 * 10);

Error no_such_key(std::string_view id) {
  return {Code::not_found, "there is no key " + log_safe(id, 80) + "; /v1/keys lists what there is"};
}

bool is_key_id(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Whose key it is to be: one's own; an administrator may say another's.
Result<std::shared_ptr<const User>> find_user(const Principal& who, const store::Accounts& accounts,
                                              const std::optional<std::string>& asked) {
  const std::string& name = asked ? *asked : who.user_name;
  if (name.empty()) return fail(Code::invalid, "say whose key it is to be: {\"user\": NAME}");
  const auto at = accounts.users.find(name);
  const bool may = who.is_admin() || name == who.user_name;
  if (!may || at == accounts.users.end()) return tl::unexpected(no_such_user(name));
  return at->second;
}

// No more than the key it is made with.
Result<void> bound_by(const Principal& who, Key& key) {
  if (key.role > who.subject.role) {
    return fail(Code::forbidden, "a key of the role " + std::string(name(who.subject.role)) +
                                     " makes none of the role " + std::string(name(key.role)));
  }
  if (who.subject.every_space) return {};
  // A key for all namespaces made by a key for some is for those.
  if (key.spaces.empty() && who.from_key != nullptr) key.spaces = who.from_key->spaces;
  for (const std::string& space : key.spaces) {
    if (who.reaches(space)) continue;
    return fail(Code::not_found, "there is no namespace " + log_safe(space, 80) + " of yours");
  }
  return {};
}

// Whether all that `key` may, whoever asks may: so that a lesser key that was lost locks nobody out.
bool covers(const Principal& who, const Key& key, Role user_role) {
  if (who.is_admin()) return true;
  if (policy::lower(key.role, user_role) > who.subject.role) return false;
  if (who.from_key == nullptr || who.from_key->spaces.empty()) return true;
  return !key.spaces.empty() &&
         std::ranges::all_of(key.spaces, [&who](const std::string& space) { return who.reaches(space); });
}

// Namespaces come to be with their first function, or as an administrator gives them to a user: so a key may
// be for one that is none yet, or a slip of the hand.
std::vector<std::string> doubts(const Key& key, const User& owner, const store::Accounts& accounts,
                                const store::Snapshot& catalog) {
  std::vector<std::string> sentences;
  for (const std::string& space : key.spaces) {
    const auto first = catalog.functions.lower_bound({.space = space, .name = ""});
    const bool has_functions = first != catalog.functions.end() && first->first.space == space;
    if (owner.role != Role::admin && std::ranges::find(owner.spaces, space) == owner.spaces.end()) {
      sentences.push_back(owner.name + " has no namespace " + log_safe(space, 80) +
                          ": the key opens nothing there unless " + owner.name + " is given it");
    } else if (!has_functions && !accounts.owners.contains(space)) {
      sentences.push_back("there is no namespace " + log_safe(space, 80) +
                          ": no user has it and no function is in it, so the key opens nothing there yet");
    }
  }
  return sentences;
}

Result<Key> read_draft(const Principal& who, const store::Accounts& accounts, const Fields& fields,
                       const crypto::NewApiKey& fresh, WallTime now) {
  Key key = draft_key(fresh);
  CANOPY_TRY(const auto asked, fields.text("user"));
  CANOPY_TRY(const auto user, find_user(who, accounts, asked));
  key.user = user->id;
  CANOPY_TRY(const auto label, fields.text("label"));
  key.label = label.value_or("");
  CANOPY_TRY(const auto role_text, fields.text("role"));
  const auto role = role_text ? parse_role(*role_text) : policy::lower(user->role, who.subject.role);
  if (!role) return fail(Code::invalid, "'role' is none of caller, developer, admin");
  if (*role > user->role) {
    return fail(Code::forbidden,
                user->name + " is no more than " + std::string(name(user->role)) + ", and so are its keys");
  }
  key.role = *role;
  CANOPY_TRY(auto spaces, fields.texts("namespaces"));
  key.spaces = std::move(spaces).value_or(std::vector<std::string>());
  CANOPY_TRY(const auto expires, fields.text("expires"));
  CANOPY_TRY(key.expires, read_expiry(expires, now));
  if (who.expires != WallTime()) {
    if (expires && key.expires > who.expires) {
      return fail(Code::forbidden,
                  "no key makes one that lasts longer than itself; ask for less in 'expires'");
    }
    if (!expires) key.expires = who.expires;
  }
  CANOPY_TRY_VOID(bound_by(who, key));
  return key;
}

}  // namespace

Key draft_key(const crypto::NewApiKey& fresh) {
  Key key;
  key.id = fresh.id;
  key.digest = fresh.digest;
  return key;
}

Result<WallTime> read_expiry(const std::optional<std::string>& text, WallTime now) {
  if (!text) return WallTime();
  const auto duration = parse_duration(*text);
  if (!duration || *duration <= Duration::zero() || *duration > expiry_max) {
    return fail(Code::invalid, "'expires' is a time from now such as 30d or 12h, at most ten years");
  }
  return now + *duration;
}

void write_key(wire::JsonWriter& json, const Key& key, std::string_view user_name,
               const crypto::NewApiKey* shown, const std::vector<std::string>& warnings) {
  json.begin_object();
  json.member("id", key.id);
  if (shown != nullptr) json.member("key", shown->text);
  json.member("user", user_name);
  json.member("label", key.label);
  json.member("role", name(key.role));
  json.key("namespaces");
  if (key.spaces.empty()) {
    json.null();
  } else {
    json.begin_array();
    for (const std::string& space : key.spaces) json.value(space);
    json.end_array();
  }
  json.member("created", key.created);
  json.member("expires", key.expires);
  if (!warnings.empty()) {
    json.key("warnings");
    json.begin_array();
    for (const std::string& sentence : warnings) json.value(sentence);
    json.end_array();
  }
  json.end_object();
}

net::HttpResponse list_keys(const Here& here, const net::HttpRequest& request) {
  const auto parameters = Parameters::read(request.query, {"user", "limit", "after"});
  if (!parameters) return error_response(parameters.error());
  const auto page_asked = read_page(*parameters);
  if (!page_asked) return error_response(page_asked.error());
  const Principal& who = *here.who;
  if (const auto& place = page_asked->after; place && !is_key_id(*place)) {
    return error_response(
        {Code::invalid, "the parameter 'after': '" + log_safe(*place, 80) + "' is no key's id"});
  }
  const auto asked = parameters->text("user");
  if (asked && !is_name_part(*asked)) {
    return error_response(
        {Code::invalid, "the parameter 'user': '" + log_safe(*asked, 80) + "' is no user's name"});
  }
  const auto accounts = here.platform.catalog.users().snapshot();
  if (asked && *asked != who.user_name && !(who.is_admin() && accounts->users.contains(*asked))) {
    return error_response(no_such_user(*asked));
  }
  wire::JsonWriter json;
  json.begin_object();
  json.key("keys");
  json.begin_array();
  const auto& keys = accounts->keys;
  const auto& after = page_asked->after;
  PageWriter page(page_asked->limit);
  for (auto at = after ? keys.upper_bound(*after) : keys.begin(); at != keys.end(); ++at) {
    const Key& key = *at->second;
    const auto user = accounts->by_id.find(key.user);
    if (user == accounts->by_id.end()) continue;
    const bool wanted = asked ? user->second->name == *asked : who.is_admin() || key.user == who.user;
    if (!wanted) continue;
    if (!page.takes(key.id)) break;
    write_key(json, key, user->second->name);
  }
  json.end_array();
  page.write_next(json);
  json.end_object();
  return json_response(json.take_text());
}

net::Task<net::HttpResponse> add_key(const Here& here, net::HttpExchange& exchange) {
  const auto fields =
      Fields::read(exchange.request().body, {"label", "role", "namespaces", "expires", "user"});
  if (!fields) co_return error_response(fields.error());
  store::Users& users = here.platform.catalog.users();
  const auto accounts = users.snapshot();
  const crypto::NewApiKey fresh = crypto::make_api_key();
  auto draft = read_draft(*here.who, *accounts, *fields, fresh, here.platform.clock.wall_now());
  if (!draft) co_return error_response(draft.error());
  using Made = std::shared_ptr<const Key>;
  const std::function<Result<Made>()> work = [&] { return users.add_key(*draft, here.who->actor()); };
  const Result<Made> made = co_await change(here, work);
  if (!made) co_return error_response(made.error());
  wire::JsonWriter json;
  const User& owner = *accounts->by_id.find(draft->user)->second;
  const auto warnings = doubts(**made, owner, *accounts, *here.platform.catalog.snapshot());
  write_key(json, **made, owner.name, &fresh, warnings);
  co_return json_response(json.take_text(), 201);
}

net::Task<net::HttpResponse> remove_key(const Here& here, net::HttpExchange& /*exchange*/, std::string id) {
  store::Users& users = here.platform.catalog.users();
  const auto accounts = users.snapshot();
  const auto at = accounts->keys.find(id);
  const bool mine =
      at != accounts->keys.end() && (here.who->is_admin() || at->second->user == here.who->user);
  if (!mine) co_return error_response(no_such_key(id));
  const auto owner = accounts->by_id.find(at->second->user);
  if (owner != accounts->by_id.end() && !covers(*here.who, *at->second, owner->second->role)) {
    co_return error_response(
        {Code::forbidden, "the key " + id +
                              " may more than the one that was shown, which cannot revoke it; "
                              "use one that may as much, or ask an administrator"});
  }
  const std::function<Result<bool>()> work = [&]() -> Result<bool> {
    CANOPY_TRY_VOID(users.remove_key(id, here.who->actor()));
    return true;
  };
  const Result<bool> removed = co_await change(here, work);
  if (!removed) co_return error_response(removed.error());
  co_return json_response("{\"revoked\":\"" + id + "\"}");
}

}  // namespace canopy::api
