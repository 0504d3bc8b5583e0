#pragma once
// An instance on a worker of HyperFaaS, as a container that runs elsewhere: a connection into it is one to
// its worker, which passes calls on.
//
// Threads: as container::Started; end() the core's of its worker.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "container/engine.h"
#include "exec/core.h"
#include "foreign/remote_worker.h"

namespace canopy::foreign {

// What both sides of it know: the core of its worker, and the pool that has it.
class RemoteLife {
 public:
  RemoteLife();

  int end_descriptor() const { return end_.get(); }
  // Of a connection to its worker; closed with it when the worker is lost.
  Result<Descriptor> connect();
  void set_way(Descriptor way);

  void end(Ending ending);
  // Nobody has a call there any more: workers leave connections open for as long as we do.
  void close();
  std::optional<Ending> ending() const;
  // False: it has not ended by then.
  bool wait(Duration time) const;

 private:
  static constexpr std::size_t connections_max = 64;

  void close_connections();

  mutable std::mutex mutex_;
  mutable std::condition_variable ended_;
  std::optional<Ending> ending_;         // Guarded by the mutex, as are the rest.
  Descriptor way_;                       // A connection to the worker, as a note of where it is.
  std::vector<Descriptor> connections_;  // Those that calls have, once more.
  const Descriptor end_;                 // Can be read once it has ended.
};

class RemoteInstance final : public container::Started {
 public:
  // `stop` tells its worker, from any thread.
  using Stop = std::function<void(Duration grace)>;
  RemoteInstance(std::shared_ptr<RemoteLife> life, Stop stop);
  ~RemoteInstance() override;

  pid_t process() const override { return 0; }
  Result<Descriptor> connect(std::uint16_t /*port*/) const override { return life_->connect(); }
  Descriptor take_input() override { return {}; }
  std::vector<int> outputs() const override { return {output_.get()}; }
  container::Progress read_output(const OnOutput& /*on_output*/) override { return container::Progress::end; }
  int end_descriptor() const override { return life_->end_descriptor(); }
  std::optional<container::End> take_end() override;
  void stop(Duration grace) override { stop_(grace); }
  void remove() override;

 private:
  const std::shared_ptr<RemoteLife> life_;
  const Stop stop_;
  Descriptor output_;  // Nothing ever comes of it.
  bool is_end_taken_ = false;
};

}  // namespace canopy::foreign
