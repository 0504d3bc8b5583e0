#pragma once
// A question from one core to another: how a handler sees what belongs to another core without a lock on
// anybody's hot path.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "api/alarm.h"
#include "exec/core.h"
#include "net/event.h"
#include "net/task.h"

namespace canopy::api {

inline constexpr Duration ask_timeout = std::chrono::seconds(5);

// Runs `question` on each of `cores` and returns the answers of those that gave one within ask_timeout, in no
// order. On the thread of `here`. What `question` refers to outlives the cores' loops: a core that is late
// runs it when nobody waits any more.
template <class T>
net::Task<std::vector<T>> ask_all(exec::Core& here, std::vector<exec::Core*> cores,
                                  std::function<T(exec::Core&)> question) {
  struct Asked {
    std::vector<T> answers;
    std::size_t missing = 0;
    net::Event done;
  };
  const auto asked = std::make_shared<Asked>();
  asked->missing = cores.size();
  const auto answer = [asked](T value) {
    asked->answers.push_back(std::move(value));
    if (--asked->missing == 0) asked->done.set();
  };
  for (exec::Core* const there : cores) {
    if (there == &here) {
      answer(question(here));
      continue;
    }
    there->post([&here, there, question, answer] {
      here.post([answer, value = question(*there)] { answer(value); });
    });
  }
  if (asked->missing > 0) {
    Alarm alarm(here);
    alarm.set(here.clock().now() + ask_timeout, [asked] { asked->done.set(); });
    co_await asked->done.wait();
  }
  co_return std::move(asked->answers);
}

}  // namespace canopy::api
