#pragma once
// Where the templates of a worker come from that has no disk in common with its gateway: code is asked of the
// gateway and kept, and made ready here, in a child process with limits, as a server does at a deployment.
// Nothing that was compiled elsewhere is ever run: docs/decisions/0013-workers-of-other-machines.md.
//
// Threads: its core's.
// Life:    all that it is made of outlives it.

#include <memory>
#include <string>

#include "balance/code_cache.h"
#include "balance/membership.h"
#include "net/blocking_pool.h"
#include "worker/worker.h"

namespace canopy::balance {

class Supply final : public worker::Provider {
 public:
  // `compiling` is for what takes long; `disk` for what is found soon.
  Supply(CodeCache& cache, net::BlockingPool& disk, net::BlockingPool& compiling)
      : cache_(cache), disk_(disk), compiling_(compiling) {}

  // Before the first call.
  void set_source(Membership& source) { source_ = &source; }

  net::Task<Result<std::shared_ptr<exec::Template>>> provide(exec::Runtime& runtime,
                                                             const Function& function) override;

 private:
  net::Task<Result<void>> obtain(std::string digest, std::uint64_t size_bytes);

  CodeCache& cache_;
  net::BlockingPool& disk_;
  net::BlockingPool& compiling_;
  Membership* source_ = nullptr;
};

}  // namespace canopy::balance
