#pragma once
// How handlers change who there is: on the disk pool, and followers look again whether they may follow.
//
// Threads: its core's.

#include <functional>
#include <utility>

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

template <class T>
net::Task<Result<T>> change(const Here& here, std::function<Result<T>()> work) {
  Result<T> done = co_await net::run_blocking(here.platform.disk, std::move(work));
  if (done) here.platform.feed.wake_all();
  co_return done;
}

}  // namespace canopy::api
