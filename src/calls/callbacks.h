#pragma once
// Sends what became of a call to the URL that its caller named, until somebody takes it or its time is over.
//
//   POST <url>                 the output as the body, with the function's content type
//   X-Call-Id, X-Call-State, X-Function-Name, X-Function-Status, X-Duration-Seconds
//   X-Canopy-Signature         where there is a secret: signature.h
//
// Any 2xx is a delivery. Anything else is tried again, later and later, up to attempts_max times. A redirect
// is not followed. An address that is private, loopback, link-local or otherwise not of the public network is
// refused unless the operator allows it: looked at after the name was resolved, and it is that very address
// that is connected to, so that a name which changes its mind between the two finds nothing.
//
// Threads: a few of its own, since each delivery may wait for a stranger. wake() from any.
// Life:    the log outlives it.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "net/http_client.h"
#include "store/call_log.h"

namespace canopy::calls {

struct CallbackOptions {
  std::string secret;             // "": not signed.
  bool allow_private = false;     // Addresses of the operator's own network too.
  std::size_t thread_count = 16;  // As many as the log's callbacks_sent_max.
  std::uint32_t attempts_max = 10;
  Duration timeout = std::chrono::seconds(10);
  Duration first_delay = std::chrono::seconds(1);
  Duration delay_max = std::chrono::minutes(10);
};

// Sends one request; net::send() but in tests.
using Send = std::function<Result<net::HttpClientResponse>(const net::HttpClientRequest& request)>;

// The request that tells of `due`.
net::HttpClientRequest callback_request(const store::DueCallback& due, const CallbackOptions& options,
                                        WallTime now);
// What is to be noted of an answer.
store::CallbackOutcome callback_outcome(const store::DueCallback& due,
                                        const Result<net::HttpClientResponse>& answer,
                                        const CallbackOptions& options, WallTime now, double random);

class Callbacks {
 public:
  Callbacks(store::CallLog& log, CallbackOptions options, const Clock& clock, Send send = net::send);
  ~Callbacks();
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  void start();
  void wake();
  // Waits for what is on its way, no longer than a delivery may take.
  void stop();

 private:
  void run();
  void deliver(const store::DueCallback& due);

  store::CallLog& log_;
  const CallbackOptions options_;
  const Clock& clock_;
  const Send send_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;  // Guarded by mutex_, as is the next.
  bool stopped_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace canopy::calls
