#pragma once
// The coroutines of the platform: an asio::awaitable bound to the concrete executor of an io_context, which
// spares a virtual call and an allocation at each step.
//
// A Task starts when it is awaited, on the thread of its io_context, and stays there.

#include <tuple>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace canopy::net {

namespace asio = boost::asio;
using Executor = asio::io_context::executor_type;

template <class T>
using Task = asio::awaitable<T, Executor>;

// Errors come back as the first element of a tuple, not as exceptions.
inline constexpr auto use_task = asio::as_tuple(asio::use_awaitable_t<Executor>{});

}  // namespace canopy::net
