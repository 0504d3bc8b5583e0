#pragma once
// THE HOT PATH: runs the calls that come in on one core, on that core.
//
//   request ─▶ find function ─▶ admit ─▶ template ─▶ instance ─▶ reply
//                                 429    (make it)      │
//                          Records, counters, feed ◀────┘
//
// A call of a function whose template is ready touches no lock and no memory that other cores write; what it
// costs beyond its instance is well below a microsecond.
//
// A call is answered first and noted after: its record, its counters and its slot are seen to when the
// answers of the round are sent (settle()).
//
// A client that leaves ends its call: it is looked after from a few milliseconds on, since watching a client
// costs a system call.
//
// Threads: its core's.
// Life:    no call runs when it dies.

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "api/alarm.h"
#include "api/function_table.h"
#include "api/meter.h"
#include "api/platform.h"
#include "api/running.h"
#include "base/id.h"
#include "calls/runner.h"
#include "net/http.h"
#include "net/task.h"
#include "policy/evict.h"
#include "wire/route.h"

namespace canopy::api {

// A call as another protocol has it. The views live until it has ended.
struct ForeignCall {
  FunctionName function;
  std::string_view method = "POST";
  std::string_view path = "/";
  std::string_view query = {};
  std::vector<HeaderView> headers = {};
  std::string_view input = {};
  std::optional<Duration> timeout = {};  // What its client asks for.
};

struct ForeignEnd {
  std::optional<CallId> id;  // Nothing where it did not begin.
  WallTime queued{};
  Reply reply;  // Its error says why it failed, or did not begin.
};

class Caller {
 public:
  Caller(Platform& platform, exec::Core& core);
  ~Caller();
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Runs the call that the request is, and answers it.
  //   not_found  no such function
  //   invalid    an X-Canopy-Timeout that is none
  //   exhausted  as many of its calls run as may, or a quota of its owner is used up
  //   and what Runtime::prepare() and Instance::run() say
  net::Task<net::HttpResponse> call(net::HttpExchange& exchange, wire::Route route);

  // The same of a call that another protocol asks for, and prints in its own words. In caller_foreign.cc.
  net::Task<ForeignEnd> call(net::HttpExchange& exchange, const ForeignCall& asked);

  // Runs a durable call for nobody who waits for it here; `work` lives until it ends. In caller_durable.cc.
  net::Task<calls::RunEnd> run(calls::Work work);

  // What runs here now, newest first; with what it logged so far, as long as that is no more than
  // `log_bytes_max` in all.
  std::vector<Record> running(const std::optional<FunctionName>& function, std::uint64_t log_bytes_max);
  std::optional<Record> find_running(CallId id);
  std::size_t running_count() const { return running_.size() - ended_.size(); }

  // Ends that call, or all; false where it does not run here.
  bool cancel(CallId id);
  void cancel_all();

  // Notes the end of calls that were answered in this round of the loop, and gives back what they held. The
  // answers need not wait for that; whoever asks for records, counters or sums sees it done.
  void settle();

  const FunctionTable& table() {
    settle();
    return table_;
  }
  Meter& meter() {
    settle();
    return meter_;
  }

 private:
  Result<Version*> find(const FunctionName& function);
  Result<Running*> admit(net::HttpExchange& exchange, const wire::Route& route, Duration& retry_after);
  Result<Running*> admit(net::HttpExchange& exchange, const ForeignCall& asked);
  Result<Running*> enter(Version& version, std::optional<Duration> asked, Duration& retry_after);
  void begin(Running& running, net::HttpExchange& exchange);
  void fill(Running& running, net::HttpExchange& exchange, const wire::Route& route);
  net::Task<bool> look_again();
  Running* begin(const calls::Work& work, calls::RunEnd& end);
  void publish_start(Running& running);
  void trace(Running& running);
  void tell(const Running& running, const Record& record, const std::string& node, bool durable);
  void end(const calls::Work& work, Running& running, Reply& reply, calls::RunEnd& end);
  net::Task<Usage> make_ready(Running& running);
  net::Task<Reply> execute(Running& running, WallTime queued);  // What call() does in its own frame.
  void stop(Running& running, std::string_view why);
  net::HttpResponse finish(Running& running, Reply& reply);
  void conclude(Running& running, Reply& reply);
  // Before a call begins: those that have ended are not to become many.
  void settle_many() {
    if (ended_.size() >= ended_count_max) settle();
  }
  void settle_soon(Running& running);
  void settle(Running& running);
  static void count(const Running& running, const Reply& reply, std::size_t output_bytes);
  void measure(const Running& running, const Reply& reply, std::size_t output_bytes);
  Record make_record(Running& running, const Reply& reply, std::size_t output_bytes);
  void watch_clients();

  static constexpr std::size_t ended_count_max = 64;

  Platform& platform_;
  exec::Core& core_;
  FunctionTable table_;
  RunningCalls running_;
  Meter meter_;
  IdSource ids_;
  Alarm watch_alarm_;
  bool watch_planned_ = false;
  std::vector<Running*> ended_;  // Which are still to be settled.
  std::vector<Running*> settling_;
  bool settle_planned_ = false;
  const policy::Room room_;  // For loaded modules.
};

}  // namespace canopy::api
