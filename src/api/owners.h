#pragma once
// Whose a function is: the user that its namespace belongs to, with what the user's functions may have
// together on this machine, and with the secrets they are given.
//
// Quotas of calls are kept over all cores: those under way exactly, those per minute by one bucket that all
// cores share (policy/quota.h says how exact), bytes of logs and results after they came.
//
// Threads: any.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "api/places.h"
#include "base/error.h"
#include "model/user.h"
#include "policy/quota.h"
#include "store/users.h"

namespace canopy::api {

// What changes with each call; the same for a user however often the quotas change.
struct Spending {
  Spending(std::size_t core_count, std::uint32_t concurrency) : places(core_count, concurrency) {}

  Places places;
  alignas(64) std::atomic<policy::BucketState> calls = 0;
  std::atomic<policy::BucketState> log_bytes = 0;
  std::atomic<policy::BucketState> result_bytes = 0;
};

// A user as the functions see it. Immutable, but for what is spent.
class Owner {
 public:
  Owner(std::shared_ptr<const User> user, std::shared_ptr<Spending> spending)
      : user_(std::move(user)), spending_(std::move(spending)) {}

  std::uint64_t id() const { return user_->id; }
  const std::shared_ptr<const User>& user() const { return user_; }
  const Quotas& quotas() const { return user_->quotas; }

  // Lets one call in, and sets `retry_after` where not. leave() for each that was let in.
  //   exhausted  a quota is used up; the message names it
  Result<void> enter(std::size_t core, Time now, Duration& retry_after) const;
  // Takes in a durable call, whose input lies on the disk as long as its result will, and counts as one.
  //   exhausted  as enter()
  Result<void> keep(Time now, std::uint64_t input_bytes, Duration& retry_after) const;
  // What a call may log now that the limit of its function is `log_bytes`.
  std::uint64_t log_bytes(Time now, std::uint64_t log_bytes) const;
  void leave(std::size_t core, Time now, std::uint64_t log_bytes, std::uint64_t result_bytes) const;

  std::uint64_t running_count() const { return quotas().concurrency ? spending_->places.taken() : 0; }

 private:
  Result<void> look_at_results(Time now, Duration& retry_after) const;
  tl::unexpected<Error> refuse(std::string_view quota, std::uint64_t value) const;

  const std::shared_ptr<const User> user_;
  const std::shared_ptr<Spending> spending_;
};

class Owners {
 public:
  Owners(const store::Users& users, std::size_t core_count) : users_(users), core_count_(core_count) {}

  // Grows when anything below may answer differently.
  std::uint64_t version() const { return users_.version(); }

  // Null where a namespace belongs to nobody. The same object while the user is the same.
  std::shared_ptr<const Owner> of(std::string_view space);

  // The function with its secrets among its variables; `function` itself where it has none. A variable that
  // was deployed gives way to a secret, and a namespace's secret to the function's own.
  //   unavailable  one of them cannot be opened here: it is not to run without
  Result<std::shared_ptr<const Function>> as_called(const std::shared_ptr<const Function>& function) const;

  // What the functions of a user take; `without` is not counted.
  static policy::Kept kept(const User& user,
                           const std::map<FunctionName, std::shared_ptr<const Function>>& all,
                           const FunctionName& without);

 private:
  std::shared_ptr<const Owner> make(const std::shared_ptr<const User>& user);

  const store::Users& users_;
  const std::size_t core_count_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<const Owner>> owners_;  // Guarded by mutex_.
  std::map<std::uint64_t, std::shared_ptr<Spending>> spendings_;  // Guarded by mutex_.
};

// What a function takes of its owner's quotas.
policy::Kept kept(const Function& function);

}  // namespace canopy::api
