#include "api/stores.h"

#include <utility>

#include "api/durable_engine.h"
#include "options/store_address.h"
#include "store/redis_catalog.h"

namespace canopy::api {

Result<store::RedisAddress> redis_address(const Options& options) {
  CANOPY_TRY(StoreAddress read, parse_store(options.store));
  store::RedisAddress address{.host = std::move(read.host),
                              .port = read.port,
                              .user = std::move(read.user),
                              .password = std::move(read.password),
                              .database = read.database};
  if (read.tls) {
    CANOPY_TRY(address.tls, net::TlsContext::for_client(
                                options.store_ca.empty() ? "system" : options.store_ca, address.host,
                                {.certificate = options.store_cert, .key = options.store_key}));
  }
  return address;
}

Result<void> open_stores(const Options& options, const Clock& clock, std::unique_ptr<store::Catalog>& catalog,
                         std::unique_ptr<store::CallLog>& call_log) {
  const store::CallLogOptions calls = call_log_options(options);
  const store::CatalogOptions functions{.secret_key_file = options.secret_key_file,
                                        .versions_max = static_cast<std::uint32_t>(options.versions_max)};
  // What lies in memory goes with what lies in memory.
  if (!call_log && catalog) call_log = store::make_memory_call_log(calls, clock);
  if (options.store.empty()) {
    if (!catalog) {
      CANOPY_TRY(catalog, store::open_catalog(options.data, clock, functions));
    }
    if (!call_log) {
      CANOPY_TRY(call_log, store::open_call_log(options.data, calls, clock));
    }
    return {};
  }
  CANOPY_TRY(const store::RedisAddress redis, redis_address(options));
  if (!catalog) {
    CANOPY_TRY(catalog, store::open_redis_catalog(options.data, redis, clock, functions));
  }
  if (!call_log) {
    CANOPY_TRY(call_log, store::open_redis_call_log(redis, calls, clock));
  }
  return {};
}

}  // namespace canopy::api
