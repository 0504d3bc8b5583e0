#pragma once
// A catalog that several servers share through Redis: functions, versions, users, keys, secrets, usage,
// audit.
//
// Each server has a copy of the tables in memory. A change is made in the copy as in catalog.db, and what it
// changed goes to Redis as the next of a list before it is committed; where somebody else's was faster, it is
// rolled back, theirs are applied, and it is tried anew. So all copies go through the same states. When the
// list is long, all rows take its place.
//
//   catalog        hash: schema, version (how many changes), base (how many are in the rows), bytes (in the
//   list) catalog:rows   all rows at `base`, sealed catalog:log    list of the changes since, each sealed
//   with its number code:<digest>  what was uploaded; codes: sorted set of the digests, by when they were
//   last stored
//
// Other servers' changes are seen within poll_period, and are then in the snapshots. Code is fetched into the
// data folder when it is first asked for, since engines map files. While Redis is away snapshots stay as they
// are, and what would change anything is answered `unavailable`.
//
// Secrets need one key on all servers, so one that lies in the data folder is not made here:
// --secret-key-file names it.
//
// Threads, errors: as catalog.h.

#include <memory>

#include "store/catalog.h"
#include "store/redis_address.h"

namespace canopy::store {

inline constexpr Duration catalog_poll_period = std::chrono::milliseconds(200);

//   conflict      another process has the data folder open
//   refused       rows that are damaged, or of another Canopy; and as open_redis_call_log()
//   unavailable, unauthorized   as open_redis_call_log()
Result<std::unique_ptr<Catalog>> open_redis_catalog(const std::filesystem::path& folder,
                                                    const RedisAddress& address, const Clock& clock,
                                                    const CatalogOptions& options = {});

}  // namespace canopy::store
