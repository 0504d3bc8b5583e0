#include "calls/callbacks.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/id.h"
#include "base/log.h"
#include "calls/signature.h"
#include "net/header_text.h"
#include "policy/retry.h"

namespace canopy::calls {
namespace {

constexpr Duration longest_rest = std::chrono::seconds(1);
constexpr std::size_t error_bytes_max = 300;
constexpr std::uint64_t answer_bytes_max = 64 * KiB;  // Nobody reads it, but for its status.

std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::duration<double>(duration).count());
}

double random_part() {
  std::uint32_t bits = 0;
  fill_random(&bits, sizeof bits);
  return static_cast<double>(bits) / 4294967295.0;
}

}  // namespace

net::HttpClientRequest callback_request(const store::DueCallback& due, const CallbackOptions& options,
                                        WallTime now) {
  net::HttpClientRequest request;
  request.method = "POST";
  // The URL is whole: what the client would put between path and target is nothing.
  const std::size_t authority = due.url.find("://");
  const std::size_t path =
      authority == std::string::npos ? authority : due.url.find_first_of("/?", authority + 3);
  request.url = due.url.substr(0, path);
  request.target = path == std::string::npos ? "/" : due.url.substr(path);
  if (request.target.front() == '?') request.target.insert(0, "/");
  request.timeout = options.timeout;
  request.response_bytes_max = answer_bytes_max;
  request.public_only = !options.allow_private;
  const Record& record = due.record.record;
  request.headers = {{"X-Call-Id", to_text(due.id)},
                     {"X-Call-State", std::string(name(record.state))},
                     {"X-Function-Name", to_text(record.function)},
                     {"X-Function-Status", std::to_string(record.status)},
                     {"X-Duration-Seconds", seconds_text(record.usage.run_time)}};
  if (due.result.error) {
    request.headers.push_back({"X-Call-Error", std::string(name(due.result.error->code))});
    request.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
    request.body = due.result.error->message;
  } else {
    request.body = due.result.output;
    for (const Header& header : due.result.headers) {
      if (net::same_text(header.name, "Content-Type")) {
        request.headers.push_back({"Content-Type", header.value});
      }
    }
  }
  if (!options.secret.empty()) {
    request.headers.push_back({std::string(signature_header), sign(options.secret, now, request.body)});
  }
  return request;
}

store::CallbackOutcome callback_outcome(const store::DueCallback& due,
                                        const Result<net::HttpClientResponse>& answer,
                                        const CallbackOptions& options, WallTime now, double random) {
  store::CallbackOutcome outcome{.kind = CallbackState::Kind::delivered, .next_due = {}, .error = {}};
  bool may_come = true;
  if (answer) {
    outcome.status = answer->status;
    if (answer->status >= 200 && answer->status < 300) return outcome;
    outcome.error = "it answered with the status " + std::to_string(answer->status);
    may_come = answer->status >= 500 || answer->status == 408 || answer->status == 429;
  } else {
    outcome.error = log_safe(answer.error().message, error_bytes_max);
    may_come = answer.error().code != Code::invalid && answer.error().code != Code::forbidden;
  }
  const policy::RetryRule rule{.retries_max = options.attempts_max - 1,
                               .first_delay = options.first_delay,
                               .delay_max = options.delay_max};
  const auto delay = policy::retry_delay(rule, {.failures = due.attempt}, policy::AttemptEnd::failed, random);
  if (delay && may_come) {
    outcome.kind = CallbackState::Kind::waiting;
    outcome.next_due = now + *delay;
  } else {
    outcome.kind = CallbackState::Kind::given_up;
  }
  return outcome;
}

Callbacks::Callbacks(store::CallLog& log, CallbackOptions options, const Clock& clock, Send send)
    : log_(log), options_(std::move(options)), clock_(clock), send_(std::move(send)) {}

Callbacks::~Callbacks() { stop(); }

void Callbacks::start() {
  for (std::size_t i = 0; i < options_.thread_count; ++i) {
    threads_.emplace_back([this]() noexcept { run(); });
  }
}

void Callbacks::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Callbacks::run() {
  for (;;) {
    // One at a time: what waits behind a slow receiver is for the other threads.
    const auto due = log_.lease_callbacks(1, clock_.wall_now() + 2 * options_.timeout);
    if (!due.empty()) {
      deliver(due.front());
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      continue;
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, longest_rest, [this] { return woken_ || stopped_; });
    if (stopped_) return;
    woken_ = false;
  }
}

void Callbacks::deliver(const store::DueCallback& due) {
  const auto answer = send_(callback_request(due, options_, clock_.wall_now()));
  auto outcome = callback_outcome(due, answer, options_, clock_.wall_now(), random_part());
  if (outcome.kind == CallbackState::Kind::given_up) {
    log::info("the callback of call {} is given up after {} attempts: {}", to_text(due.id), due.attempt,
              outcome.error);
  }
  log_.complete_callback(due.id, std::move(outcome));
}

void Callbacks::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  threads_.clear();
}

}  // namespace canopy::calls
