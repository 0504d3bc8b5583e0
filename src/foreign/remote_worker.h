#pragma once
// One worker of HyperFaaS (controller.Controller), as its leaf: connected for as long as it is there, asked
// to start and stop instances, and listened to.
//
//   dialled ─▶ asked for its health ─▶ up: its Status is followed, its health asked again and again
//      ▲                                │
//      └── after a while ◀── lost: the connection broke, or it said nothing for too long
//
// When it is lost, all its instances are: whatever became of them, nobody hears of it. Those that it still
// has when it is back are stopped. One whose Start was never answered stays: nothing but that answer says
// which of the worker's instances it is, and others may be those of another leaf. The worker gives it calls
// of its function as it does the others, and ends it once it had none for its idle time.
//
// Threads: its core's.
// Life:    nobody waits for it when it dies.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sparing.h"
#include "container/grpc_link.h"
#include "exec/alarm.h"
#include "exec/core.h"
#include "foreign/status_reader.h"
#include "policy/reconnect.h"
#include "wire/grpc.h"
#include "wire/hyperfaas.h"

namespace canopy::foreign {

// A connection to that address, on the core later.
using OnDialled = std::function<void(Result<Descriptor> connection)>;
using Dial = std::function<void(const std::string& address, OnDialled done)>;

enum class Ending : std::uint8_t {
  idle,     // By itself, or because it was stopped.
  crashed,  // It ended under its calls.
  lost,     // Its worker is.
};

class RemoteWorker {
 public:
  // `on_up` is called each time it can be asked again.
  RemoteWorker(exec::Core& core, std::string address, Dial dial, std::function<void()> on_up);
  ~RemoteWorker();
  RemoteWorker(const RemoteWorker&) = delete;
  RemoteWorker& operator=(const RemoteWorker&) = delete;

  const std::string& address() const { return address_; }
  bool is_up() const { return is_up_; }
  // A number more for the connection to it; none where it is lost.
  Descriptor copy_connection() const;
  // Of ours, with those that are being started.
  std::size_t instance_count() const { return instances_.size() + starting_count_; }

  // Dials until it is there, and whenever it is lost.
  void open();

  // Starts an instance of that function. Its id, or why not; `on_end` is called when it has ended, once, if
  // `done` had an id.
  //   unavailable  the worker was lost, or does not answer
  //   died         it does not start it; in its own words
  //   not_found    it does not know the function, or its image
  using OnEnd = std::function<void(Ending ending)>;
  using OnStarted = std::function<void(Result<std::string> instance)>;
  void start(const std::string& function, OnEnd on_end, OnStarted done);
  // Its end is heard of when it has ended, or after `grace` at the latest.
  void stop(const std::string& instance, Duration grace);

 private:
  struct Ask {
    explicit Ask(exec::Core& core) : alarm(core) {}
    exec::Alarm alarm;
    std::weak_ptr<container::GrpcLink> link;
    std::int32_t stream = 0;
    std::function<void(wire::GrpcResult<std::string> message)> done;
  };

  struct Watched {
    OnEnd on_end;
    std::unique_ptr<exec::Alarm> alarm;  // From when it is told to stop.
  };

  void dial();
  void on_connected(Descriptor connection);
  void ask_health();
  void on_health(const wire::GrpcResult<std::string>& answer);
  void follow();
  void read_status();
  void on_event(const wire::InstanceEvent& event);
  void lose(const std::string& why);
  void tell(log::level::level_enum level, const std::string& news);
  void end(const std::string& instance, Ending ending);
  void ask(std::string_view method, std::string body, Duration time,
           std::function<void(wire::GrpcResult<std::string>)> done);
  void finish_ask(std::uint64_t number, wire::GrpcResult<std::string> message);

  exec::Core& core_;
  const std::string address_;
  const Dial dial_;
  const std::function<void()> on_up_;
  const std::string node_;  // Who we are to it.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::shared_ptr<container::GrpcLink> link_;
  std::int32_t status_stream_ = 0;
  StatusReader status_;
  Sparing sparing_{20, std::chrono::minutes(1)};  // It may come and go without end.
  bool is_dialling_ = false;
  bool is_up_ = false;
  std::uint32_t failures_ = 0;
  exec::Alarm alarm_;  // Until it is dialled again, or asked for its health.
  std::uint64_t last_ask_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Ask>> asks_;
  std::map<std::string, Watched> instances_;
  std::size_t starting_count_ = 0;
  std::deque<std::pair<std::string, Ending>> early_ends_;  // Heard of before the word that it was started.
  std::vector<std::string> left_behind_;                   // There when it was lost.
};

}  // namespace canopy::foreign
