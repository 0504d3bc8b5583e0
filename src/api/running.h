#pragma once
// The calls that are under way on one core, findable by id. Their memory is used again and again, so that a
// call costs no allocation here.
//
// Threads: its core's.
// Life:    empty when it dies. A Running stays where it is from begin() to end().

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/function_table.h"
#include "exec/runtime.h"
#include "model/record.h"
#include "net/event.h"
#include "net/http.h"

namespace canopy::api {

struct Running {
  Call call;
  CallLog log{0};
  Version* version = nullptr;
  WallTime queued{};
  std::string_view trace;        // The traceparent it came with, where that is one.
  std::optional<Error> stopped;  // Why it is to end early.

  // Where it can be waited for or ended; null where it is not that far.
  net::HttpExchange* exchange = nullptr;
  exec::Instance* instance = nullptr;
  net::Event* waits_for_template = nullptr;
  bool watched = false;  // Its client is.

  // Once it has ended, until that is noted.
  Reply reply;  // Less what went to the client.
  std::uint64_t output_bytes = 0;
  std::string own_trace;
  std::string context;  // The traceparent that the function is given, where it is another one.

 private:
  friend class RunningCalls;
  Running* older_ = nullptr;
  Running* newer_ = nullptr;
  Running* next_in_bucket_ = nullptr;
};

class RunningCalls {
 public:
  RunningCalls() = default;
  ~RunningCalls();
  RunningCalls(const RunningCalls&) = delete;
  RunningCalls& operator=(const RunningCalls&) = delete;

  // Room for a call with that id, the newest.
  Running& begin(CallId id);
  void end(Running& running);

  Running* find(CallId id) const;
  std::size_t size() const { return size_; }

  // From the newest to the oldest, while `visit` says true.
  void for_each(const std::function<bool(Running& running)>& visit) const;

 private:
  static constexpr std::size_t bucket_count = 1024;
  static constexpr std::size_t kept_count_max = 1024;
  static constexpr std::size_t kept_bytes_max = 16 * KiB;

  Running*& bucket(CallId id) { return buckets_[id.low % bucket_count]; }

  std::array<Running*, bucket_count> buckets_{};
  Running* newest_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<Running>> spare_;
};

// What a record would say of it now; with what it has logged so far.
Record record_of(const Running& running, Time now, bool with_log);

}  // namespace canopy::api
