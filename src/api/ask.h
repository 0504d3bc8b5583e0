#pragma once
// A question from one core to another: how a handler sees what belongs to another core without a lock on
// anybody's hot path.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/alarm.h"
#include "base/error.h"
#include "exec/core.h"
#include "net/event.h"
#include "net/task.h"

namespace canopy::api {

inline constexpr Duration ask_timeout = std::chrono::seconds(5);

// What the cores said, in no order. Without those that are late a sum would be wrong, and what was not found
// may be there: whoever needs all of them looks at late_count.
template <class T>
struct Answers {
  std::vector<T> values;
  std::size_t late_count = 0;
};

inline Error late_cores(std::size_t count) {
  return {Code::unavailable, std::to_string(count) +
                                 " of the server's cores did not answer within 5s, and without them the "
                                 "answer would be wrong; try again"};
}

// Runs `question` on each of `cores` and returns what they answer, within ask_timeout. On the thread of
// `here`. What `question` refers to outlives the cores' loops: a core that is late runs it when nobody waits
// any more.
template <class T>
net::Task<Answers<T>> ask_all(exec::Core& here, std::vector<exec::Core*> cores,
                              std::function<T(exec::Core&)> question) {
  struct Asked {
    Answers<T> answers;
    net::Event done;
  };
  const auto asked = std::make_shared<Asked>();
  asked->answers.late_count = cores.size();
  const auto answer = [asked](T value) {
    asked->answers.values.push_back(std::move(value));
    if (--asked->answers.late_count == 0) asked->done.set();
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
  if (asked->answers.late_count > 0) {
    Alarm alarm(here);
    alarm.set(here.clock().now() + ask_timeout, [asked] { asked->done.set(); });
    co_await asked->done.wait();
  }
  co_return asked->answers;
}

// The same of all of them.
//   unavailable  some are late
template <class T>
net::Task<Result<std::vector<T>>> ask_each(exec::Core& here, std::vector<exec::Core*> cores,
                                           std::function<T(exec::Core&)> question) {
  Answers<T> answers = co_await ask_all<T>(here, cores, question);
  if (answers.late_count > 0) co_return tl::unexpected(late_cores(answers.late_count));
  co_return std::move(answers.values);
}

}  // namespace canopy::api
