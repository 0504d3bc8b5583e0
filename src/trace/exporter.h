#pragma once
// Tells a collector of OpenTelemetry what became of calls: POST <endpoint>/v1/traces, JSON, some hundred
// calls at a time, once a second.
//
// A collector that is away costs calls nothing. What it answers with 429, 502, 503 or 504, and what reaches
// nobody, is sent again, later and later; of what has to wait, queue_max calls are kept, and further ones are
// counted as dropped.
//
// Threads: one of its own. is_sampled(), run_context(), add() and stats() from any.
// Life:    stop() before what `send` needs is gone.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "net/http_client.h"
#include "trace/spans.h"

namespace canopy::trace {

struct ExporterOptions {
  std::string endpoint;  // "http://collector:4318"
  std::vector<net::HttpHeader> headers = {};
  std::uint64_t every = 1;  // One call in so many, of those that come without a traceparent.
  std::string program_version;
  std::string instance;            // Which server this is, to the collector.
  std::size_t queue_max = 16'384;  // Calls that wait to be told of.
  std::size_t batch_max = 512;
  std::uint32_t attempts_max = 5;  // Of one batch.
  Duration period = std::chrono::seconds(1);
  Duration timeout = std::chrono::seconds(5);       // Of one attempt; stop() waits for the one under way.
  Duration first_pause = std::chrono::seconds(1);   // After an attempt that failed; twice as long each time.
  Duration last_timeout = std::chrono::seconds(2);  // For all that is left when it stops.
};

struct ExporterStats {
  std::uint64_t exported_count = 0;  // Calls that the collector took.
  std::uint64_t dropped_count = 0;   // Calls that it will never hear of.
};

// Sends one request; net::send() but in tests.
using Send = std::function<Result<net::HttpClientResponse>(const net::HttpClientRequest& request)>;

class Exporter {
 public:
  explicit Exporter(ExporterOptions options, Send send = net::send);
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  bool is_sampled(CallId id, std::string_view parent) const {
    return trace::is_sampled(id, parent, options_.every);
  }
  // Of a call that has ended and is_sampled().
  void add(EndedCall call);
  ExporterStats stats() const;

  // Sends what is left, once, and ends.
  void stop();

 private:
  enum class Outcome : std::uint8_t { taken, refused, later };

  void run();
  std::vector<EndedCall> take(std::unique_lock<std::mutex>& lock);
  Outcome post(const std::vector<EndedCall>& calls, Duration timeout);
  void deliver(const std::vector<EndedCall>& calls);
  void count(std::size_t calls, bool taken);
  void complain(const std::string& what);

  const ExporterOptions options_;
  const Send send_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<EndedCall> waiting_;  // Guarded by it, as are the next.
  ExporterStats stats_;
  bool stopped_ = false;
  Time complained_{};  // Its thread's.
  std::jthread thread_;
};

// "Name: value", as an option has it.
//   invalid  it is no header
Result<net::HttpHeader> parse_header(std::string_view text);

// What `endpoint` has to be.
//   invalid  it is no http:// or https:// address
Result<void> check_endpoint(std::string_view endpoint);

}  // namespace canopy::trace
