#pragma once
// Quotas as JSON: {"functions": 100, "code_bytes": 1073741824, …}; null for what is without bound.

#include <boost/json/object.hpp>

#include "api/fields.h"
#include "base/error.h"
#include "model/user.h"
#include "wire/json_writer.h"

namespace canopy::api {

void write_quotas(wire::JsonWriter& json, const Quotas& quotas);

inline constexpr std::initializer_list<std::string_view> quota_names = {"functions",
                                                                        "code_bytes",
                                                                        "concurrency",
                                                                        "queued_calls",
                                                                        "calls_per_minute",
                                                                        "log_bytes_per_minute",
                                                                        "result_bytes_per_minute"};

// Changes those that `fields`, or `object`, names.
//   invalid  neither a whole number nor null; for `object`, also an unknown name
Result<void> read_quotas(const Fields& fields, Quotas& quotas);
Result<void> read_quotas(const boost::json::object& object, Quotas& quotas);

}  // namespace canopy::api
