#pragma once
// The library below must be told once, before its first use, to look at the machine.
//
// Threads: any.

#include <sodium.h>

#include "base/check.h"

namespace canopy::crypto {

inline void make_ready() {
  static const int status = sodium_init();
  CANOPY_CHECK(status >= 0);
}

}  // namespace canopy::crypto
