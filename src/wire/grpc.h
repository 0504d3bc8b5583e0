#pragma once
// gRPC as it lies on HTTP/2, whatever its messages say.
//
//   message   5 bytes, whether it is compressed and how long it is; then itself
//   status    a number and a sentence, behind the body, or in the head where there is no body
//   timeout   "250m", so many of a unit
//
// Messages are never compressed here: who sends one that is, is told what we read.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::wire {

enum class GrpcStatus : std::uint8_t {
  ok,
  cancelled,
  unknown,
  invalid_argument,
  deadline_exceeded,
  not_found,
  already_exists,
  permission_denied,
  resource_exhausted,
  failed_precondition,
  aborted,
  out_of_range,
  unimplemented,
  internal,
  unavailable,
  data_loss,
  unauthenticated,
};

struct GrpcError {
  GrpcStatus status = GrpcStatus::unknown;
  std::string message;
};

template <class T>
using GrpcResult = tl::expected<T, GrpcError>;

inline tl::unexpected<GrpcError> grpc_fail(GrpcStatus status, std::string message) {
  return tl::unexpected(GrpcError{status, std::move(message)});
}

GrpcStatus grpc_status(Code code);
GrpcStatus grpc_status_of_http(int status);  // Of an answer that is not gRPC's.
// What a function that answers with that status has come to; nothing for ok.
std::optional<Code> code_of(GrpcStatus status);
std::string_view name(GrpcStatus status);  // "DEADLINE_EXCEEDED"
// Nothing where that is no number of a status.
std::optional<GrpcStatus> parse_grpc_status(std::string_view text);

// "application/grpc", with whatever follows it; not "application/grpc-web".
bool is_grpc_type(std::string_view content_type);

inline constexpr std::size_t grpc_prefix_bytes = 5;

// The messages of a whole body.
//   internal            it ends within a message
//   resource_exhausted  one is longer than `bytes_max`
//   unimplemented       one is compressed
GrpcResult<std::vector<std::string_view>> read_grpc_messages(std::string_view body, std::uint64_t bytes_max);

// The same of a body that has to have one.
//   internal            also where there is none, or another behind it
GrpcResult<std::string_view> read_grpc_message(std::string_view body, std::uint64_t bytes_max);

// The five bytes before a message of that size. Longer than 4 GiB is none.
std::string grpc_prefix(std::size_t message_bytes);
void append_grpc_message(std::string_view message, std::string& body);

// "250m"; n, u, m, S, M, H, with at most eight digits before it. What is longer than a hundred years is that.
std::optional<Duration> parse_grpc_timeout(std::string_view text);
// Never longer than `duration`, and of a nanosecond at least.
std::string grpc_timeout(Duration duration);

// As the header grpc-message has it: percent-encoded, with all that is not printable ASCII.
std::string escape_grpc_message(std::string_view message);
std::string unescape_grpc_message(std::string_view text);

}  // namespace canopy::wire
