#pragma once
// Who asks, and whether that may be: looked at before anything else of a request.
//
// Each core keeps who its keys belong to, by a hash that nobody outside the process can compute, and forgets
// all of it when users or keys change; so a key that was revoked opens nothing from the moment on at which
// its revocation was answered. What runs by then, runs on; what is followed (events, logs) ends.
//
// Threads: a Doorman belongs to its core.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/error.h"
#include "crypto/keyed_hash.h"
#include "model/record.h"
#include "net/http.h"
#include "policy/access.h"
#include "store/users.h"
#include "wire/route.h"

namespace canopy::api {

// Whoever asks. Immutable.
struct Principal {
  policy::Subject subject{};
  std::uint64_t user = 0;  // 0: nobody; a key was not needed.
  std::string user_name;
  std::string key;  // Its id.
  WallTime expires{};
  // What it was made from; both null where no key was needed.
  std::shared_ptr<const User> from_user;
  std::shared_ptr<const Key> from_key;

  bool is_admin() const { return subject.role == Role::admin && subject.every_space; }
  bool reaches(std::string_view space) const { return policy::reaches(subject, space); }
  // Calls are seen by whoever owned their function when they were made, in namespaces that the key counts
  // for.
  bool sees(const Record& record) const {
    return subject.every_space || (record.owner == user && reaches(record.function.space));
  }
  store::Actor actor() const { return {.user = user_name, .key = key}; }
};

// What a door asks for. What is not in the table is for admins.
policy::Need need_of(wire::Target target, std::string_view method);

class Doorman {
 public:
  Doorman(const store::Users& users, policy::Place place, const Clock& clock);

  // unauthorized  a key is demanded; and there is none, or it is none, unknown, revoked or expired
  Result<std::shared_ptr<const Principal>> identify(const net::HttpRequest& request);

  // Whether what was identified would be again: for what takes long.
  bool is_still(const Principal& who);

  // For doors that are open to everybody.
  const std::shared_ptr<const Principal>& nobody() const { return nobody_; }

  static constexpr std::size_t cache_count_max = 4096;

 private:
  struct Known {
    crypto::KeyedDigest digest;
    std::shared_ptr<const Principal> who;
  };

  void refresh();
  Result<std::shared_ptr<const Principal>> look_up(std::string_view text) const;
  bool has_expired(const Principal& who) const;

  const store::Users& users_;
  const policy::Place place_;
  const Clock& clock_;
  const crypto::KeyedHash hash_;
  const std::shared_ptr<const Principal> nobody_;
  const std::shared_ptr<const Principal> everybody_;
  std::uint64_t seen_version_ = 0;
  bool demands_keys_ = true;
  std::shared_ptr<const store::Accounts> accounts_;
  std::unordered_map<std::uint64_t, Known> cache_;
};

// The 401 and 403 of a door.
net::HttpResponse unauthorized_response(const Error& error);
Error role_too_low(const Principal& who, const policy::Need& need);

// Whether a header's value shows a key of ours, which no function may see.
bool shows_key(std::string_view authorization);

}  // namespace canopy::api
