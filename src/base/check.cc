#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace canopy {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CANOPY_CHECK(%s) failed: this is a bug in Canopy\n", file, line, condition);
  std::abort();
}

}  // namespace canopy
