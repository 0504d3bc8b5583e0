#pragma once
// The fetches of one call, between its core and the threads that carry them out.
//
// Threads: add(), take() and the destructor on the call's core; settle() from any.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "js/fetch.h"
#include "wasm/host.h"

namespace canopy::js {

class FetchCalls final : public wasm::GuestState {
 public:
  explicit FetchCalls(std::shared_ptr<Fetcher> fetcher) : fetcher_(std::move(fetcher)) {}
  ~FetchCalls() override;

  // Starts one and returns its number, from 1. `wake` is called once it has its answer; where it cannot be
  // started (a call has fetches_per_call_max, and fetch_bytes_max in requests that are under way) that is its
  // answer, at once. So it is where the call keeps more than fetch_bytes_max of answers.
  std::int32_t start(const Result<FetchRequest>& request, const std::string& hosts, Time deadline,
                     const Clock& clock, std::function<void()> wake);
  // The number of one that has its answer and was not named before; 0 for none.
  std::int32_t next_answered();
  // As the guest reads it: "status\0url\0redirected\0", pairs "name\0value\0", "\0" and the body; or
  // "0\0words" of an error. Empty where there is none of that number.
  const std::string* answer(std::int32_t number) const;
  void drop(std::int32_t number);

  Time waiting_until = never;

 private:
  struct Mailbox {
    std::mutex mutex;
    std::map<std::int32_t, std::string> arrived;  // Guarded by it, as all below.
    std::uint64_t kept_bytes = 0;                 // Of answers, until they are dropped.
    bool closed = false;
  };

  std::int32_t refuse(std::int32_t number, Error error);

  const std::shared_ptr<Fetcher> fetcher_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::map<std::int32_t, std::string> answers_;
  std::map<std::int32_t, std::uint64_t> sent_bytes_;  // Of those without an answer.
  std::int32_t count_ = 0;
};

// Reads what the guest sends: "method\0url\0redirect\0", pairs "name\0value\0", "\0" and the body.
//   invalid
Result<FetchRequest> read_fetch_request(std::string_view text);
std::string write_fetch_answer(const Result<FetchResponse>& response);

}  // namespace canopy::js
