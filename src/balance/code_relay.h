#pragma once
// Code on its way down the tree: what a node below wants and a balancer has not is asked for above, once for
// all who want it, and kept.
//
// Threads: read() any; the rest happens on its core's and on the pool's.
// Life:    all that it is made of outlives it; its core has stopped when it dies.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "balance/code_cache.h"
#include "balance/members.h"
#include "balance/membership.h"
#include "exec/core.h"
#include "net/blocking_pool.h"

namespace canopy::balance {

class CodeRelay {
 public:
  CodeRelay(exec::Core& core, Membership& source, CodeCache& cache, net::BlockingPool& disk)
      : core_(core), source_(source), cache_(cache), disk_(disk) {}

  // As ReadCode says.
  //   limit        it is more than is kept here
  //   unavailable  nobody above can be asked now, or has it; the disk is full or has too much to do
  void read(const wire::Want& want, const CodeRead& done);

 private:
  using Waiting = std::pair<wire::Want, CodeRead>;
  // Its digest and its size: who says another size than the rest gets an error of its own.
  using Wanted = std::pair<std::string, std::uint64_t>;

  Result<std::string> look(const wire::Want& want);
  void ask(const wire::Want& want, const CodeRead& done);
  net::Task<void> fetch(Wanted wanted);

  exec::Core& core_;
  Membership& source_;
  CodeCache& cache_;
  net::BlockingPool& disk_;
  std::map<Wanted, std::vector<Waiting>> waiting_;  // For what is being fetched. The core's.
};

}  // namespace canopy::balance
