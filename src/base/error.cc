#include "base/error.h"

#include <array>
#include <cstddef>

namespace canopy {
namespace {

struct Row {
  Code code;
  std::string_view name;
  int http_status;
  bool may_retry;
  Origin origin;
};

constexpr std::array<Row, 16> rows = {{
    {Code::invalid, "invalid", 400, false, Origin::client},
    {Code::unauthorized, "unauthorized", 401, false, Origin::client},
    {Code::forbidden, "forbidden", 403, false, Origin::client},
    {Code::not_found, "not_found", 404, false, Origin::client},
    {Code::slow_client, "slow_client", 408, true, Origin::client},
    {Code::conflict, "conflict", 409, false, Origin::client},
    {Code::too_large, "too_large", 413, false, Origin::client},
    {Code::refused, "refused", 422, false, Origin::client},
    {Code::function_failed, "function_failed", 424, false, Origin::function},
    {Code::exhausted, "exhausted", 429, true, Origin::limit},
    {Code::canceled, "canceled", 499, false, Origin::client},
    {Code::internal, "internal", 500, false, Origin::platform},
    {Code::died, "died", 502, false, Origin::function},
    {Code::limit, "limit", 502, false, Origin::limit},
    {Code::unavailable, "unavailable", 503, true, Origin::platform},
    {Code::deadline, "deadline", 504, false, Origin::limit},
}};

const Row& row(Code code) { return rows.at(static_cast<std::size_t>(code)); }

}  // namespace

std::string_view name(Code code) { return row(code).name; }
int http_status(Code code) { return row(code).http_status; }
bool may_retry(Code code) { return row(code).may_retry; }
Origin origin(Code code) { return row(code).origin; }

std::string_view name(Origin origin) {
  constexpr std::array<std::string_view, 4> names = {"platform", "function", "limit", "client"};
  return names.at(static_cast<std::size_t>(origin));
}

std::string_view name(Stage stage) {
  constexpr std::array<std::string_view, 5> names = {"", "queue", "start", "run", "reply"};
  return names.at(static_cast<std::size_t>(stage));
}

}  // namespace canopy
