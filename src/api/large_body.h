#pragma once
// Reading what a client sent, where that is much: tens of megabytes take up to a second, in which the core
// that they came to would run none of its other calls.
//
// Threads: the core's; `read` runs on the disk pool where the body is large, and must not touch the core.
// Life:    what `read` refers to lives until the task ends.

#include <cstddef>
#include <functional>

#include "api/here.h"
#include "base/units.h"
#include "net/blocking_pool.h"
#include "net/task.h"

namespace canopy::api {

inline constexpr std::size_t read_at_once_bytes_max = 256 * KiB;

//   as `read`
//   unavailable  too much waits for the pool
template <class T>
net::Task<Result<T>> read_body(const Here& here, std::size_t body_bytes, std::function<Result<T>()> read) {
  if (body_bytes <= read_at_once_bytes_max) co_return read();
  co_return co_await net::run_blocking<T>(here.platform.disk, read);
}

}  // namespace canopy::api
