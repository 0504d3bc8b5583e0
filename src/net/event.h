#pragma once
// A task waits; somebody on the same core says go on. One waiter at a time.
//
// Threads: one core.
// Life:    nobody waits when it dies.

#include <memory>
#include <utility>

#include <boost/asio/post.hpp>

#include "net/task.h"

namespace canopy::net {

class Event {
 public:
  // Returns at once where set() was called since the last wait.
  Task<void> wait() {
    if (std::exchange(set_, false)) co_return;
    const auto start = [this](auto handler) { keep(std::move(handler)); };
    co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(start, completion);
    set_ = false;
  }

  // The waiter goes on in a later round of its loop, not inside this call.
  void set() {
    set_ = true;
    if (const auto waiter = std::move(waiter_)) waiter->resume();
  }

 private:
  struct Waiter {
    virtual ~Waiter() = default;
    virtual void resume() = 0;
  };

  template <class Handler>
  void keep(Handler handler) {
    struct Kept final : Waiter {
      explicit Kept(Handler kept) : handler(std::move(kept)) {}
      void resume() override {
        const auto executor = asio::get_associated_executor(handler);
        asio::post(executor, std::move(handler));
      }
      Handler handler;
    };
    waiter_ = std::make_unique<Kept>(std::move(handler));
  }

  static constexpr asio::use_awaitable_t<Executor> completion{};
  std::unique_ptr<Waiter> waiter_;
  bool set_ = false;
};

}  // namespace canopy::net
