#include "trace/exporter.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <unistd.h>

#include "base/log.h"
#include "net/header_text.h"

namespace canopy::trace {
namespace {

constexpr std::string_view target = "/v1/traces";
constexpr Duration complaint_period = std::chrono::minutes(1);
constexpr Duration pause_max = std::chrono::seconds(30);
constexpr std::uint64_t answer_bytes_max = 64 << 10;

// Of those that are worth another try the protocol has a list.
constexpr std::array<int, 4> passing_statuses = {429, 502, 503, 504};

}  // namespace

Exporter::Exporter(ExporterOptions options, Send send)
    : options_(std::move(options)), send_(std::move(send)), thread_([this] { run(); }) {}

Exporter::~Exporter() { stop(); }

void Exporter::add(EndedCall call) {
  bool full_batch = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_ || waiting_.size() >= options_.queue_max) {
      ++stats_.dropped_count;
      return;
    }
    waiting_.push_back(std::move(call));
    full_batch = waiting_.size() == options_.batch_max;
  }
  if (full_batch) changed_.notify_one();
}

ExporterStats Exporter::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Exporter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// At most a batch of those that have waited longest.
std::vector<EndedCall> Exporter::take(std::unique_lock<std::mutex>& /*held*/) {
  const std::size_t count = std::min(waiting_.size(), options_.batch_max);
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<EndedCall> batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return batch;
}

void Exporter::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    changed_.wait_for(lock, options_.period,
                      [this] { return stopped_ || waiting_.size() >= options_.batch_max; });
    while (!stopped_ && !waiting_.empty()) {
      const auto batch = take(lock);
      lock.unlock();
      deliver(batch);
      lock.lock();
    }
  }
  const Time until = system_clock().now() + options_.last_timeout;
  while (!waiting_.empty()) {
    const auto batch = take(lock);
    lock.unlock();
    const Duration left = until - system_clock().now();
    count(batch.size(), left > Duration::zero() && post(batch, left) == Outcome::taken);
    lock.lock();
  }
}

void Exporter::deliver(const std::vector<EndedCall>& calls) {
  Duration pause = options_.first_pause;
  for (std::uint32_t attempt = 1;; ++attempt) {
    const Outcome outcome = post(calls, options_.timeout);
    if (outcome != Outcome::later || attempt >= options_.attempts_max) {
      return count(calls.size(), outcome == Outcome::taken);
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, std::exchange(pause, std::min(pause * 2, pause_max)),
                          [this] { return stopped_; })) {
      // Those that wait are sent once more, at the end; so is this.
      waiting_.insert(waiting_.begin(), calls.begin(), calls.end());
      return;
    }
  }
}

Exporter::Outcome Exporter::post(const std::vector<EndedCall>& calls, Duration timeout) {
  std::vector<wire::Span> spans;
  for (const EndedCall& call : calls) std::ranges::move(spans_of(call), std::back_inserter(spans));
  const std::array<wire::Attribute, 4> resource = {{{"service.name", std::string("canopy")},
                                                    {"service.version", options_.program_version},
                                                    {"service.instance.id", options_.instance},
                                                    {"process.pid", static_cast<std::int64_t>(getpid())}}};
  net::HttpClientRequest request{.url = options_.endpoint,
                                 .method = "POST",
                                 .target = std::string(target),
                                 .headers = options_.headers,
                                 .body = wire::spans_json(resource, options_.program_version, spans),
                                 .timeout = timeout,
                                 .response_bytes_max = answer_bytes_max,
                                 .ca_file = {}};
  request.headers.push_back({"Content-Type", "application/json"});
  const auto answer = send_(request);
  if (!answer) {
    complain(answer.error().message);
    // Of an answer without end, or one that is no HTTP, the next one would be no better.
    const Code code = answer.error().code;
    return code == Code::too_large || code == Code::internal ? Outcome::refused : Outcome::later;
  }
  if (answer->status >= 200 && answer->status < 300) return Outcome::taken;
  complain("it answered with status " + std::to_string(answer->status));
  return std::ranges::find(passing_statuses, answer->status) != passing_statuses.end() ? Outcome::later
                                                                                       : Outcome::refused;
}

void Exporter::count(std::size_t calls, bool taken) {
  const std::lock_guard lock(mutex_);
  (taken ? stats_.exported_count : stats_.dropped_count) += calls;
}

// Not for each batch.
void Exporter::complain(const std::string& what) {
  const Time now = system_clock().now();
  if (complained_ != Time() && now < complained_ + complaint_period) return;
  complained_ = now;
  log::warn("calls cannot be told to {} (--otlp-endpoint): {}", log_safe(options_.endpoint, 200),
            log_safe(what, 500));
}

Result<net::HttpHeader> parse_header(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::size_t value = text.find_first_not_of(' ', colon == text.npos ? colon : colon + 1);
  const bool is_one = colon != 0 && value != text.npos && net::is_token(text.substr(0, colon)) &&
                      net::is_field_value(text.substr(value));
  if (!is_one) {
    // It may have a secret in it.
    return fail(Code::invalid, "--otlp-header: this is no header; write it as 'Name: value'");
  }
  return net::HttpHeader{std::string(text.substr(0, colon)), std::string(text.substr(value))};
}

Result<void> check_endpoint(std::string_view endpoint) {
  if (endpoint.ends_with("/v1/traces") || endpoint.ends_with("/v1/traces/")) {
    return fail(Code::invalid,
                "--otlp-endpoint: '" + log_safe(endpoint, 200) +
                    "' is more than the address; leave out /v1/traces, which is put behind it");
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (endpoint.starts_with(scheme) && endpoint.size() > scheme.size()) return {};
  }
  return fail(Code::invalid, "--otlp-endpoint: '" + log_safe(endpoint, 200) +
                                 "' is no address of a collector; write it as http://127.0.0.1:4318");
}

}  // namespace canopy::trace
