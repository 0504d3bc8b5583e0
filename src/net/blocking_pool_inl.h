#pragma once
// The template behind run_blocking(); include blocking_pool.h instead.

#include <type_traits>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/blocking_pool.h"

namespace canopy::net {

template <class T>
Task<Result<T>> run_blocking(BlockingPool& pool, std::function<Result<T>()> work) {
  auto start = [&pool](auto handler, std::function<Result<T>()> job) {
    using Handler = decltype(handler);
    // The guard keeps the caller's io_context running while only the pool is at work. std::function wants
    // to be copied, which a handler cannot be.
    auto guard = asio::make_work_guard(asio::get_associated_executor(handler));
    auto shared = std::make_shared<Handler>(std::move(handler));
    const auto resume = [guard, shared](Result<T> result) {
      asio::post(guard.get_executor(),
                 [shared, result = std::move(result)]() mutable { (*shared)(std::move(result)); });
    };
    const auto run = [resume, job = std::move(job)] { resume(job()); };
    if (!pool.post(run)) {
      resume(fail(Code::unavailable, "too much blocking work is queued already; try again shortly"));
    }
  };
  return asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<T>)>(
      std::move(start), asio::use_awaitable_t<Executor>(), std::move(work));
}

}  // namespace canopy::net
