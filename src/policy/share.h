#pragma once
// How much one may have of what all share and nobody is asked to give back: three times as much as is free
// then. So one alone gets three quarters, several who take all they can get the same each, and whoever comes
// next finds something.

#include <cstddef>

namespace canopy::policy {

// Whether who has `own` may have one more, where `free` are left. The first one always, while there is any.
constexpr bool may_have_more(std::size_t own, std::size_t free) { return own / 3 < free; }

}  // namespace canopy::policy
