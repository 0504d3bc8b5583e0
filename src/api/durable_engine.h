#pragma once
// Durable calls on this server: the log, who hands its calls to the cores, who sends callbacks, who forgets
// what is past its time.
//
// Threads: all methods from the server's own thread, but for what a Runner and a CallLogListener have.
// Life:    made before the cores run; stop() while they still do. The log and the platform outlive it.

#include <atomic>
#include <memory>
#include <optional>

#include "api/platform.h"
#include "calls/callbacks.h"
#include "calls/dispatcher.h"
#include "calls/runner.h"
#include "store/call_log.h"

namespace canopy::api {

store::CallLogOptions call_log_options(const Options& options);

class DurableEngine final : public store::CallLogListener, public calls::Runner {
 public:
  explicit DurableEngine(Platform& platform);

  void start();
  bool drain(Duration timeout);
  void stop();
  // Forgets what is past its time, a step at a time, on the disk pool.
  void purge();

  void on_ready() override;
  void on_callback() override;
  void on_ended(CallId id, const FunctionName& function, State state,
                const std::function<DurableRecord()>& make) override;

  std::size_t lane_count() const override { return platform_.cores.size(); }
  std::uint32_t concurrency(const FunctionName& function) const override;
  void run(std::size_t lane, std::vector<calls::Work> works, Done done) override;
  void cancel(CallId id) override;

 private:
  Platform& platform_;
  store::CallLog& log_;
  calls::Dispatcher dispatcher_;
  calls::Callbacks callbacks_;
  std::atomic<bool> purging_ = false;
};

}  // namespace canopy::api
