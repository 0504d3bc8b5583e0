#include "balance/code_relay.h"

#include <functional>
#include <utility>

#include "balance/code_piece.h"
#include "base/units.h"

namespace canopy::balance {

void CodeRelay::read(const wire::Want& want, const CodeRead& done) {
  const auto work = [this, want, done] {
    if (cache_.has(want.digest)) return done(look(want));
    core_.post([this, want, done] { ask(want, done); });
  };
  if (disk_.post(work)) return;
  done(fail(Code::unavailable, "too much work waits for the disk; try again soon"));
}

Result<std::string> CodeRelay::look(const wire::Want& want) {
  CANOPY_TRY(const auto path, cache_.path(want.digest));
  return read_code_piece(path, want.offset);
}

void CodeRelay::ask(const wire::Want& want, const CodeRead& done) {
  if (want.size_bytes == 0 || want.size_bytes > cache_.bytes_max()) {
    return done(fail(Code::limit, "code of " + size_text(want.size_bytes) +
                                      " is not kept by this balancer, of " + size_text(cache_.bytes_max()) +
                                      "; raise its --code-cache"));
  }
  const Wanted wanted(want.digest, want.size_bytes);
  std::vector<Waiting>& waiting = waiting_[wanted];
  waiting.emplace_back(want, done);
  if (waiting.size() > 1) return;
  net::asio::co_spawn(core_.io(), fetch(wanted), net::asio::detached);
}

net::Task<void> CodeRelay::fetch(Wanted wanted) {
  const auto code = co_await source_.fetch(wanted.first, wanted.second);
  const std::vector<Waiting> waiting = std::move(waiting_.at(wanted));
  waiting_.erase(wanted);
  if (!code) {
    for (const auto& [want, done] : waiting) done(tl::unexpected(code.error()));
    co_return;
  }
  const std::function<Result<bool>()> keep = [&]() -> Result<bool> {
    CANOPY_TRY_VOID(cache_.put(wanted.first, *code));
    for (const auto& [want, done] : waiting) done(look(want));
    return true;
  };
  const auto kept = co_await net::run_blocking(disk_, keep);
  if (kept) co_return;
  for (const auto& [want, done] : waiting) done(tl::unexpected(kept.error()));
}

}  // namespace canopy::balance
