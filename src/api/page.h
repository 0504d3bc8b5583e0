#pragma once
// Lists come in pages, all in the same way: `limit` says how many at the most, `after` where to go on, and an
// answer's `next` is what to give as `after`; null at the end.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/parameters.h"
#include "base/error.h"
#include "wire/json_writer.h"

namespace canopy::api {

inline constexpr std::uint64_t page_limit_max = 1000;

struct PageAsked {
  std::size_t limit = page_limit_max;
  std::optional<std::string> after;
};

// Of a query that knows "limit" and "after".
//   invalid
Result<PageAsked> read_page(const Parameters& parameters, std::uint64_t limit = page_limit_max);

// One page of a list that is being written. Things come in their order; those after the last page are left
// to it to pass over.
class PageWriter {
 public:
  explicit PageWriter(std::size_t limit) : limit_(limit) {}

  // Whether there is room for the one that `name` names; if not, there is a next page.
  bool takes(std::string_view name) {
    if (count_ == limit_) {
      more_ = true;
      return false;
    }
    ++count_;
    last_ = name;
    return true;
  }

  // The member that ends the object.
  void write_next(wire::JsonWriter& json) const {
    json.key("next");
    more_ ? json.value(last_) : json.null();
  }

 private:
  const std::size_t limit_;
  std::size_t count_ = 0;
  std::string last_;
  bool more_ = false;
};

}  // namespace canopy::api
