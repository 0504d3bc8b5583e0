#include "api/auth.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "api/call_reply.h"
#include "crypto/api_key.h"
#include "wire/headers.h"
#include "wire/json_writer.h"

namespace canopy::api {
namespace {

constexpr std::string_view header_name = "Authorization";
constexpr std::string_view scheme = "Bearer";

std::shared_ptr<const Principal> make_nobody() {
  auto made = std::make_shared<Principal>();
  made->subject = {.role = Role::caller, .every_space = false};
  return made;
}

std::shared_ptr<const Principal> make_principal(const std::shared_ptr<const User>& user,
                                                const std::shared_ptr<const Key>& key) {
  auto made = std::make_shared<Principal>();
  made->user = user->id;
  made->user_name = user->name;
  made->key = key->id;
  made->expires = key->expires;
  made->from_user = user;
  made->from_key = key;
  policy::Subject& subject = made->subject;
  subject.role = policy::lower(user->role, key->role);
  const bool everywhere = user->role == Role::admin;
  subject.every_space = everywhere && key->spaces.empty();
  if (everywhere) {
    subject.spaces = key->spaces;
  } else if (key->spaces.empty()) {
    subject.spaces = user->spaces;
  } else {
    std::ranges::set_intersection(user->spaces, key->spaces, std::back_inserter(subject.spaces));
  }
  return made;
}

// What stands after "Bearer "; "" for another scheme.
std::string_view token_of(std::string_view value) {
  const std::size_t space = value.find(' ');
  if (space != scheme.size() || !wire::same_word(value.substr(0, space), scheme)) return {};
  const std::size_t begin = value.find_first_not_of(' ', space);
  return begin == std::string_view::npos ? std::string_view() : value.substr(begin);
}

tl::unexpected<Error> deny(std::string why) {
  return fail(Code::unauthorized,
              std::move(why) + "; send 'Authorization: Bearer KEY' with a key that `canopy key create` made");
}

}  // namespace

policy::Need need_of(wire::Target target, std::string_view method) {
  using policy::Need;
  using policy::Reach;
  using wire::Target;
  const bool reads = method == "GET" || method == "HEAD";
  switch (target) {
    case Target::healthz:
    case Target::readyz:
    case Target::openapi:
    case Target::docs:
    case Target::dashboard:
    case Target::wrong_method:
    case Target::options:
    case Target::login:
      return Need{.role = Role::caller, .reach = Reach::everybody};
    case Target::call:
    case Target::async_call:
    case Target::batch_calls:
      return Need{.role = Role::caller, .reach = Reach::space};
    case Target::call_record:
    case Target::call_result:
      return Need{.role = Role::caller, .reach = Reach::own};
    case Target::calls:
    case Target::call_logs:
    case Target::call_retry:
    case Target::functions:
    case Target::events:
    case Target::keys:
    case Target::key:
    case Target::usage:
    case Target::secrets:
      return Need{.role = Role::developer, .reach = Reach::own};
    case Target::quotas:
      return Need{.role = Role::caller, .reach = Reach::own};
    case Target::user:
      return Need{.role = reads ? Role::caller : Role::developer, .reach = Reach::own};
    case Target::function:
    case Target::versions:
    case Target::rollback:
    case Target::function_logs:
    case Target::secret:
      return Need{.role = Role::developer, .reach = Reach::space};
    default:
      return Need{};
  }
}

Doorman::Doorman(const store::Users& users, policy::Place place, const Clock& clock)
    : users_(users),
      place_(place),
      clock_(clock),
      nobody_(make_nobody()),
      everybody_(std::make_shared<const Principal>()) {}

void Doorman::refresh() {
  seen_version_ = users_.version();  // Before the snapshot: a change in between is seen next time.
  accounts_ = users_.snapshot();
  demands_keys_ = policy::demands_keys(place_, !accounts_->users.empty());
  cache_.clear();
}

Result<std::shared_ptr<const Principal>> Doorman::identify(const net::HttpRequest& request) {
  if (users_.version() != seen_version_) refresh();
  if (!demands_keys_) return everybody_;
  const std::string_view value = request.header(header_name);
  if (value.empty()) return deny("a key is needed here");
  const std::string_view text = token_of(value);
  if (text.size() != crypto::api_key_size) return deny("what was sent is no key");
  const crypto::KeyedDigest digest = hash_(text);
  std::uint64_t index = 0;
  std::memcpy(&index, digest.data(), sizeof(index));
  if (const auto at = cache_.find(index);
      at != cache_.end() && crypto::same_digest(at->second.digest, digest)) {
    if (!has_expired(*at->second.who)) return at->second.who;
    return deny("the key " + at->second.who->key + " has expired");
  }
  CANOPY_TRY(auto who, look_up(text));
  if (cache_.size() >= cache_count_max) cache_.clear();
  cache_.insert_or_assign(index, Known{.digest = digest, .who = who});
  return who;
}

Result<std::shared_ptr<const Principal>> Doorman::look_up(std::string_view text) const {
  const auto parts = crypto::parse_api_key(text);
  if (!parts) return deny("what was sent is no key");
  const Sha256Digest digest = crypto::digest_of_secret(parts->secret);
  const auto key = accounts_->keys.find(parts->id);
  const bool known = key != accounts_->keys.end();
  // A key that is unknown is compared as well, so that ids cannot be told apart by time.
  const Sha256Digest wanted = known ? key->second->digest : Sha256Digest{};
  if (const bool same = crypto::same_digest(wanted, digest); !same || !known) {
    return deny("the key is not known here, or was revoked");
  }
  const auto user = accounts_->by_id.find(key->second->user);
  if (user == accounts_->by_id.end()) return deny("the key belongs to nobody");
  if (user->second->disabled) return deny("the user " + user->second->name + " is disabled");
  auto who = make_principal(user->second, key->second);
  if (has_expired(*who)) return deny("the key " + who->key + " has expired");
  return who;
}

bool Doorman::has_expired(const Principal& who) const {
  return who.expires != WallTime() && clock_.wall_now() >= who.expires;
}

bool Doorman::is_still(const Principal& who) {
  if (users_.version() != seen_version_) refresh();
  if (who.from_key == nullptr) return !demands_keys_;
  if (has_expired(who)) return false;
  const auto key = accounts_->keys.find(who.key);
  const auto user = accounts_->by_id.find(who.user);
  return key != accounts_->keys.end() && key->second == who.from_key && user != accounts_->by_id.end() &&
         user->second == who.from_user;
}

net::HttpResponse unauthorized_response(const Error& error) {
  net::HttpResponse response = error_response(error);
  response.headers.push_back({"WWW-Authenticate", R"(Bearer realm="canopy")"});
  return response;
}

Error role_too_low(const Principal& who, const policy::Need& need) {
  const std::string needed(name(need.role));
  if (who.subject.role >= need.role) {
    return {Code::forbidden, "this key counts for some namespaces only; use one that counts for all"};
  }
  return {Code::forbidden, "this needs the role " + needed + ", and the key has " +
                               std::string(name(who.subject.role)) + "; use a key of that role"};
}

bool shows_key(std::string_view authorization) {
  return token_of(authorization).starts_with(crypto::api_key_prefix);
}

}  // namespace canopy::api
