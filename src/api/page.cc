#include "api/page.h"

namespace canopy::api {

Result<PageAsked> read_page(const Parameters& parameters, std::uint64_t limit) {
  CANOPY_TRY(const auto asked, parameters.count("limit", 1, page_limit_max));
  return PageAsked{.limit = static_cast<std::size_t>(asked.value_or(limit)),
                   .after = parameters.text("after")};
}

}  // namespace canopy::api
