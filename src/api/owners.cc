#include "api/owners.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "wire/image_bytes.h"

namespace canopy::api {
namespace {

constexpr std::uint32_t places_max = std::numeric_limits<std::int32_t>::max();

// Processes of these serve more than one call, and may keep what is their owner's. They are told whose they
// are by a variable: where that is another, they are made anew, as where a secret has changed.
constexpr std::array<std::string_view, 2> keeping_runtimes = {"python", "container"};
constexpr std::string_view owner_variable = "CANOPY_OWNER";

std::uint32_t places_of(const Quotas& quotas) {
  const std::uint64_t wanted = quotas.concurrency.value_or(places_max);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, places_max));
}

void charge(std::atomic<policy::BucketState>& bucket, Time now, std::uint64_t per_minute,
            std::uint64_t cost) {
  policy::BucketState before = bucket.load(std::memory_order_relaxed);
  while (!bucket.compare_exchange_weak(before, policy::charge(before, now, per_minute, cost),
                                       std::memory_order_relaxed)) {
  }
}

// The secrets of `space` and `function`, in order of their names.
//   unavailable  one of them cannot be opened here
Result<void> add_secrets(const store::Accounts& accounts, const std::string& space,
                         const std::string& function, std::map<std::string, std::string>& env) {
  auto at = accounts.secrets.lower_bound({.space = space, .function = function, .name = ""});
  for (; at != accounts.secrets.end(); ++at) {
    if (at->first.space != space || at->first.function != function) break;
    if (at->second.value == nullptr) {
      return fail(Code::unavailable,
                  "the function is not run here without its secret " + at->first.name +
                      ": this server's key " +
                      "for secrets does not open it. An administrator restores the key file, or names the " +
                      "right one with --secret-key-file; or set the secret anew",
                  Stage::start);
    }
    env.insert_or_assign(at->first.name, *at->second.value);
  }
  return {};
}

}  // namespace

tl::unexpected<Error> Owner::refuse(std::string_view quota, std::uint64_t value) const {
  return fail(Code::exhausted,
              "the quota '" + std::string(quota) + "' of " + user_->name + " is used up, which is " +
                  std::to_string(value) + "; wait, or ask an administrator for more",
              Stage::queue);
}

Result<void> Owner::look_at_results(Time now, Duration& retry_after) const {
  const auto& per_minute = quotas().result_bytes_per_minute;
  if (!per_minute) return {};
  const auto left = policy::look(spending_->result_bytes.load(std::memory_order_relaxed), now, *per_minute);
  if (left.admitted) return {};
  retry_after = left.retry_after;
  return refuse("result_bytes_per_minute", *per_minute);
}

Result<void> Owner::keep(Time now, std::uint64_t input_bytes, Duration& retry_after) const {
  CANOPY_TRY_VOID(look_at_results(now, retry_after));
  const auto& per_minute = quotas().result_bytes_per_minute;
  if (per_minute && input_bytes > 0) charge(spending_->result_bytes, now, *per_minute, input_bytes);
  return {};
}

Result<void> Owner::enter(std::size_t core, Time now, Duration& retry_after) const {
  const Quotas& quotas = this->quotas();
  CANOPY_TRY_VOID(look_at_results(now, retry_after));
  if (quotas.concurrency && !spending_->places.take(core)) {
    return refuse("concurrency", *quotas.concurrency);
  }
  if (!quotas.calls_per_minute) return {};
  policy::BucketState before = spending_->calls.load(std::memory_order_relaxed);
  for (;;) {
    const auto decision = policy::take(before, now, *quotas.calls_per_minute, 1);
    if (!decision.admitted) {
      if (quotas.concurrency) spending_->places.give(core);
      retry_after = decision.retry_after;
      return refuse("calls_per_minute", *quotas.calls_per_minute);
    }
    if (spending_->calls.compare_exchange_weak(before, decision.state, std::memory_order_relaxed)) return {};
  }
}

std::uint64_t Owner::log_bytes(Time now, std::uint64_t log_bytes) const {
  const auto& per_minute = quotas().log_bytes_per_minute;
  if (!per_minute) return log_bytes;
  const auto state = spending_->log_bytes.load(std::memory_order_relaxed);
  return policy::look(state, now, *per_minute).admitted ? log_bytes : 0;
}

void Owner::leave(std::size_t core, Time now, std::uint64_t log_bytes, std::uint64_t result_bytes) const {
  const Quotas& quotas = this->quotas();
  if (quotas.concurrency) spending_->places.give(core);
  if (quotas.log_bytes_per_minute && log_bytes > 0) {
    charge(spending_->log_bytes, now, *quotas.log_bytes_per_minute, log_bytes);
  }
  if (quotas.result_bytes_per_minute && result_bytes > 0) {
    charge(spending_->result_bytes, now, *quotas.result_bytes_per_minute, result_bytes);
  }
}

std::shared_ptr<const Owner> Owners::of(std::string_view space) {
  const auto accounts = users_.snapshot();
  const auto at = accounts->owners.find(space);
  if (at == accounts->owners.end()) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto known = owners_.find(at->second->id);
  if (known != owners_.end() && known->second->user() == at->second) return known->second;
  // Of users that are gone nothing stays.
  std::erase_if(owners_, [&](const auto& entry) { return !accounts->by_id.contains(entry.first); });
  std::erase_if(spendings_, [&](const auto& entry) { return !accounts->by_id.contains(entry.first); });
  return make(at->second);
}

std::shared_ptr<const Owner> Owners::make(const std::shared_ptr<const User>& user) {
  auto& spending = spendings_[user->id];
  const std::uint32_t places = places_of(user->quotas);
  if (spending == nullptr) spending = std::make_shared<Spending>(core_count_, places);
  spending->places.resize(places);
  auto owner = std::make_shared<const Owner>(user, spending);
  owners_.insert_or_assign(user->id, owner);
  return owner;
}

Result<std::shared_ptr<const Function>> Owners::as_called(
    const std::shared_ptr<const Function>& function) const {
  const auto accounts = users_.snapshot();
  std::map<std::string, std::string> secrets;
  CANOPY_TRY_VOID(add_secrets(*accounts, function->name.space, "", secrets));
  CANOPY_TRY_VOID(add_secrets(*accounts, function->name.space, function->name.name, secrets));
  const auto owner = accounts->owners.find(function->name.space);
  const bool keeps = std::ranges::find(keeping_runtimes, function->runtime) != keeping_runtimes.end();
  if (keeps && owner != accounts->owners.end()) {
    secrets.insert_or_assign(std::string(owner_variable), std::to_string(owner->second->id));
  }
  if (secrets.empty()) return function;
  Function called = *function;
  secrets.merge(called.env);
  called.env = std::move(secrets);
  return std::make_shared<const Function>(std::move(called));
}

policy::Kept kept(const Function& function) {
  policy::Kept kept{.functions = 1, .code_bytes = function.code_bytes};
  for (const FunctionFile& file : function.files) kept.code_bytes += file.path.size() + file.size_bytes;
  for (const auto& [name, value] : function.env) kept.code_bytes += name.size() + value.size();
  kept.code_bytes += wire::image_bytes(function.env);
  return kept;
}

policy::Kept Owners::kept(const User& user,
                          const std::map<FunctionName, std::shared_ptr<const Function>>& all,
                          const FunctionName& without) {
  policy::Kept sum;
  for (const std::string& space : user.spaces) {
    auto at = all.lower_bound({.space = space, .name = ""});
    for (; at != all.end() && at->first.space == space; ++at) {
      if (at->first == without) continue;
      const policy::Kept one = api::kept(*at->second);
      sum.functions += one.functions;
      sum.code_bytes += one.code_bytes;
    }
  }
  return sum;
}

}  // namespace canopy::api
