#pragma once
// The workers of HyperFaaS that functions are started on: the one of those that are there which has the
// fewest of our instances for its turn (policy/place.h); where one does not do it, the next.
//
// Threads: its core's.
// Life:    nobody waits for it when it dies.

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "foreign/remote_worker.h"

namespace canopy::foreign {

class RemoteWorkers {
 public:
  RemoteWorkers(exec::Core& core, const std::vector<std::string>& addresses, const Dial& dial);
  RemoteWorkers(const RemoteWorkers&) = delete;
  RemoteWorkers& operator=(const RemoteWorkers&) = delete;

  struct Place {
    RemoteWorker* worker = nullptr;
    std::string instance;
  };
  // As RemoteWorker::start(), on one of them. While none is there it is waited for, for up to two seconds.
  //   unavailable  none is there, or each was lost meanwhile
  using OnPlaced = std::function<void(Result<Place> place)>;
  void start(const std::string& function, const RemoteWorker::OnEnd& on_end, OnPlaced done);

 private:
  struct Starting {
    explicit Starting(exec::Core& core) : alarm(core) {}
    std::string function;
    RemoteWorker::OnEnd on_end;
    OnPlaced done;
    std::set<const RemoteWorker*> tried;
    std::optional<Error> error;  // What the last one said.
    exec::Alarm alarm;
  };

  void on_up();
  RemoteWorker* choose(const Starting& starting) const;
  void go_on(const std::shared_ptr<Starting>& starting);
  void finish(const std::shared_ptr<Starting>& starting, Result<Place> place);
  std::string names() const;

  exec::Core& core_;
  std::vector<std::unique_ptr<RemoteWorker>> workers_;
  std::list<std::shared_ptr<Starting>> waiting_;  // For one to be there.
};

}  // namespace canopy::foreign
