#pragma once
// Errors are values. A function that can fail returns Result<T>; a broken invariant is a bug, and aborts
// through CANOPY_CHECK. Nothing of ours throws.

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace canopy {

// What went wrong, as the caller needs to know it. One row per code in error.cc maps it to an HTTP status
// and says whether the same thing may be tried again.
enum class Code {
  invalid,          // malformed input
  unauthorized,     // no key, or not a valid one
  forbidden,        // a valid key, but not for this
  not_found,        // no such function, call, version
  slow_client,      // the client took too long to send
  conflict,         // somebody else was faster, or holds it
  too_large,        // past a limit; the message names the limit
  refused,          // code that does not compile, link or validate
  function_failed,  // the function itself said no: a non-zero exit
  exhausted,        // quota or queue full
  canceled,         // the caller went away, or asked for the end
  internal,         // a bug in Canopy
  died,             // the instance trapped, or was ended
  limit,            // the function went past one of its limits
  unavailable,      // nothing can run it now
  deadline,         // time ran out
};

// Who has to act.
enum class Origin { platform, function, limit, client };

// How far a call had come.
enum class Stage { none, queue, start, run, reply };

struct Error {
  Code code = Code::internal;
  std::string message;  // For a person: what was attempted, with which value, and what to do.
  Stage stage = Stage::none;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Code code, std::string message, Stage stage = Stage::none) {
  return tl::unexpected(Error{code, std::move(message), stage});
}

std::string_view name(Code code);
std::string_view name(Origin origin);
std::string_view name(Stage stage);  // "" for none.
Origin origin(Code code);
int http_status(Code code);
bool may_retry(Code code);

}  // namespace canopy

// Declares `lhs` from the value of `expression`, or returns its error to our caller. Not for coroutines.
#define CANOPY_TRY(lhs, expression) CANOPY_TRY_(CANOPY_JOIN(try_result_, __LINE__), lhs, expression)
#define CANOPY_TRY_(result, lhs, expression)                     \
  auto result = (expression);                                    \
  if (!result) return tl::unexpected(std::move(result).error()); \
  lhs = *std::move(result)
// The same for a Result<void>.
#define CANOPY_TRY_VOID(expression)                       \
  if (auto try_result = (expression); !try_result) {      \
    return tl::unexpected(std::move(try_result).error()); \
  }                                                       \
  static_assert(true)
#define CANOPY_JOIN(a, b) CANOPY_JOIN_(a, b)
#define CANOPY_JOIN_(a, b) a##b
