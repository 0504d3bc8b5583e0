#pragma once
// The imports of our own SDK, module `canopy`, and the first of Faasm's, module `env`. What each promises
// to a guest stands in sdk/c/canopy.h and sdk/c/faasm/core.h; here is only what is beyond that.
//
// A pointer outside of the memory is a bug of the guest's that no return value would tell it of: it fails
// the call.

#include <cstdint>
#include <string_view>

#include "guest/calls.h"

namespace canopy::guest {

// What a reply may have of headers set by its function.
inline constexpr std::size_t reply_headers_max = 100;
inline constexpr std::size_t reply_header_bytes_max = 32 * KiB;

class Sdk : public Calls {
 public:
  using Calls::Calls;
  using u32 = std::uint32_t;
  using i32 = std::int32_t;

  Step<u32> input_size();
  Step<u32> input_read(u32 buffer, u32 size, u32 offset);
  wasm::After output_write(u32 data, u32 size);
  // -1: not 200 to 599.
  Step<i32> status_set(u32 status);
  // -1: refused, nothing is changed.
  Step<i32> header_set(u32 name, u32 name_size, u32 value, u32 value_size);
  // -1: no such part.
  Step<i32> request_get(u32 part, u32 buffer, u32 size);
  // -1: the request has no such header.
  Step<i32> request_header(u32 name, u32 name_size, u32 buffer, u32 size);
  wasm::After log_write(u32 level, u32 text, u32 size);
  // -1: there is none.
  Step<std::int64_t> deadline_ms();

 private:
  // Copies what fits and says how much there is. Fails the call for a buffer that is none.
  Step<i32> copy_out(std::string_view import, std::string_view text, u32 buffer, u32 size);
};

class Faasm : public Calls {
 public:
  using Calls::Calls;
  using u32 = std::uint32_t;
  using i32 = std::int32_t;

  // With size 0: the size of the input.
  Step<i32> read_input(u32 buffer, i32 size);
  // In place of what was set before.
  wasm::After write_output(u32 data, i32 size);
};

}  // namespace canopy::guest
