#pragma once
// For what can only be a bug. Prints the condition and the place, then aborts; also in release builds.

namespace canopy {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace canopy

#define CANOPY_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::canopy::check_failed(#condition, __FILE__, __LINE__))
