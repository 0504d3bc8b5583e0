#pragma once
// Quotas as JSON: {"functions": 100, "code_bytes": 1073741824, …}; null for what is without bound.

#include <boost/json/object.hpp>

#include "base/error.h"
#include "model/user.h"
#include "wire/json_writer.h"

namespace canopy::api {

void write_quotas(wire::JsonWriter& json, const Quotas& quotas);

// Changes those that `object` names.
//   invalid  an unknown name; neither a whole number nor null
Result<void> read_quotas(const boost::json::object& object, Quotas& quotas);

}  // namespace canopy::api
