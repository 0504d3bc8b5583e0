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
  explicit FetchCalls(std::shared_ptr<Fetcher> fetcher)
      : fetcher_(std::move(fetcher)), mailbox_(std::make_shared<Mailbox>(*fetcher_)) {}
  ~FetchCalls() override;

  // Starts one and returns its number, from 1. `wake` is called once it has its answer; where it cannot be
  // started (a call has fetches_per_call_max, and so many bytes on their way) that is its answer, at once.
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
  // Outlives the call where a fetch of it does.
  struct Mailbox {
    explicit Mailbox(Fetcher& fetcher) : holder(fetcher) {}

    Fetcher& holder;  // Its threads are gone before it is.
    std::mutex mutex;
    std::map<std::int32_t, std::string> arrived;  // Guarded by it, as is what follows.
    std::uint64_t held_bytes = 0;
    bool closed = false;

    bool hold(std::uint64_t bytes);
    void put_error(std::int32_t number, Error error);  // Small, and always kept.
    void let_go(std::uint64_t bytes);
  };

  std::int32_t refuse(std::int32_t number, Error error);

  const std::shared_ptr<Fetcher> fetcher_;
  const std::shared_ptr<Mailbox> mailbox_;
  std::map<std::int32_t, std::string> answers_;
  std::int32_t count_ = 0;
};

// Reads what the guest sends: "method\0url\0redirect\0", pairs "name\0value\0", "\0" and the body.
//   invalid
Result<FetchRequest> read_fetch_request(std::string_view text);
std::string write_fetch_answer(const Result<FetchResponse>& response);

}  // namespace canopy::js
