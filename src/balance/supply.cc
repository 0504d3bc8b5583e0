#include "balance/supply.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "base/units.h"

namespace canopy::balance {

using Made = std::shared_ptr<exec::Template>;

namespace {

// All that it consists of; what it has twice lies there once. What is more than can be counted is that.
std::uint64_t bytes_of(const Function& function) {
  std::set<std::string_view> seen{function.digest};
  std::uint64_t sum = function.code_bytes;
  for (const FunctionFile& file : function.files) {
    if (!seen.insert(file.digest).second) continue;
    sum += std::min(file.size_bytes, std::numeric_limits<std::uint64_t>::max() - sum);
  }
  return sum;
}

}  // namespace

net::Task<Result<Made>> Supply::provide(exec::Runtime& runtime, const Function& function) {
  // Its files would push each other out, and be fetched again for each call.
  if (const std::uint64_t bytes = bytes_of(function); bytes > cache_.bytes_max()) {
    co_return fail(Code::limit,
                   "the code and files of " + to_text(function.name) + " are " + size_text(bytes) +
                       ", and the worker that was to run it keeps " + size_text(cache_.bytes_max()) +
                       "; start it with a larger --code-cache",
                   Stage::start);
  }
  const auto code = co_await obtain(function.digest, function.code_bytes);
  if (!code) co_return tl::unexpected(code.error());
  for (const FunctionFile& file : function.files) {
    const auto obtained = co_await obtain(file.digest, file.size_bytes);
    if (!obtained) co_return tl::unexpected(obtained.error());
  }
  const std::function<Result<Made>()> look = [&] { return runtime.find(function); };
  auto found = co_await net::run_blocking(disk_, look);
  if (!found || *found) co_return found;
  const std::function<Result<Made>()> make = [&] { return runtime.prepare(function); };
  auto made = co_await net::run_blocking(compiling_, make);
  if (!made && made.error().stage == Stage::none) made.error().stage = Stage::start;
  // The cache let go of it in between; the next call has it fetched again.
  if (!made && made.error().code == Code::not_found) made.error().code = Code::unavailable;
  co_return made;
}

net::Task<Result<void>> Supply::obtain(std::string digest, std::uint64_t size_bytes) {
  const std::function<Result<bool>()> look = [&] { return cache_.has(digest); };
  const auto there = co_await net::run_blocking(disk_, look);
  if (!there) co_return tl::unexpected(there.error());
  if (*there) co_return Result<void>();
  const auto code = co_await source_->fetch(digest, size_bytes);
  if (!code) co_return tl::unexpected(code.error());
  const std::function<Result<bool>()> keep = [&]() -> Result<bool> {
    CANOPY_TRY_VOID(cache_.put(digest, *code));
    return true;
  };
  const auto kept = co_await net::run_blocking(disk_, keep);
  if (!kept) co_return tl::unexpected(kept.error());
  co_return Result<void>();
}

}  // namespace canopy::balance
