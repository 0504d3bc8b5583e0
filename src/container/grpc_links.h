#pragma once
// The links of all cores into the containers of one function, found by core and container.
//
// Threads: any; a link belongs to its core.

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/descriptor.h"
#include "container/grpc_link.h"
#include "container/pool.h"
#include "exec/core.h"

namespace canopy::container {

class GrpcLinks {
 public:
  // Null where none is open. On `core`.
  std::shared_ptr<GrpcLink> find(const exec::Core& core, const std::shared_ptr<Member>& member) {
    const std::lock_guard lock(mutex_);
    const auto found = links_.find({core.index(), member.get()});
    // Another container may stand where one was that is gone.
    if (found == links_.end() || found->second.member.lock() != member) return nullptr;
    auto link = found->second.link.lock();
    return link != nullptr && link->is_open() ? link : nullptr;
  }

  // On `core`.
  std::shared_ptr<GrpcLink> add(exec::Core& core, const std::shared_ptr<Member>& member,
                                Descriptor connection) {
    auto link = GrpcLink::open(core, std::move(connection));
    const std::lock_guard lock(mutex_);
    std::erase_if(links_, [](const auto& entry) { return entry.second.link.expired(); });
    links_[{core.index(), member.get()}] = {.member = member, .link = link};
    return link;
  }

 private:
  struct Entry {
    std::weak_ptr<Member> member;
    std::weak_ptr<GrpcLink> link;
  };

  std::mutex mutex_;
  std::map<std::pair<std::size_t, const Member*>, Entry> links_;  // Guarded by it.
};

}  // namespace canopy::container
