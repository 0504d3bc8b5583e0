#pragma once
// The inside of Worker, for the two files that share it: worker.cc has connections and calls, and
// worker_templates.cc what is loaded for them.
//
// Threads: its core's.

#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/event.h"
#include "worker/worker.h"

namespace canopy::worker {

inline constexpr Duration warm_report_delay = std::chrono::milliseconds(50);

// A function as one connection numbers it.
struct Worker::Served {
  Function function;
  std::shared_ptr<exec::Template> ready;  // Null until it was found.
  std::optional<Error> failure;           // Why it was not, the last time,
  Time failed{};                          // and when that was.
  bool looking = false;
  bool loaded = false;
  std::vector<net::Event*> waiting;
  std::size_t call_count = 0;
  Time used{};
};

// One call.
struct Worker::Running {
  std::shared_ptr<Line> line;
  std::uint64_t number = 0;
  std::shared_ptr<Served> served;
  wire::OpenedCall opened;
  Call call;
  CallLog log{0};
  exec::Instance* instance = nullptr;  // While it runs.
  bool canceled = false;
  bool begun = false;
};

// One connection.
struct Worker::Line final : net::FrameListener, std::enable_shared_from_this<Line> {
  Line(Worker& of, std::unique_ptr<net::FrameLink> over) : worker(of), link(std::move(over)) {}

  void on_frame(const wire::Frame& frame) override { worker.on_frame(*this, frame); }
  void on_closed(const std::string& /*why*/) override { worker.on_closed(*this); }

  Worker& worker;
  std::unique_ptr<net::FrameLink> link;  // Null once it has closed.
  std::unordered_map<std::uint64_t, std::shared_ptr<Served>> functions;
  std::unordered_map<std::uint64_t, std::shared_ptr<Running>> calls;
};

// What changes within a while is told at once.
class Worker::WarmReport final : public exec::Turn {
 public:
  explicit WarmReport(Worker& worker) : worker_(worker) {}
  ~WarmReport() override { worker_.core_.leave(*this); }
  WarmReport(const WarmReport&) = delete;
  WarmReport& operator=(const WarmReport&) = delete;

  void plan() {
    if (std::exchange(planned_, true)) return;
    worker_.core_.suspend(*this, worker_.core_.clock().now() + warm_report_delay, never);
  }
  void take() override {
    planned_ = false;
    worker_.tell_warm();
  }
  void expire() override { take(); }

 private:
  Worker& worker_;
  bool planned_ = false;
};

}  // namespace canopy::worker
