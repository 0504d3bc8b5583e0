#pragma once
// Opens what the server keeps things in: the data folder, or a Redis that several servers share.

#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "options/options.h"
#include "store/call_log.h"
#include "store/catalog.h"
#include "store/redis_address.h"

namespace canopy::api {

// Of --store, which names a Redis.
//   invalid
Result<store::RedisAddress> redis_address(const Options& options);

// Those that are there stay; with a catalog that a test gave, calls lie in memory too.
//   as open_catalog(), open_call_log(), open_redis_catalog() and open_redis_call_log()
Result<void> open_stores(const Options& options, const Clock& clock, std::unique_ptr<store::Catalog>& catalog,
                         std::unique_ptr<store::CallLog>& call_log);

}  // namespace canopy::api
