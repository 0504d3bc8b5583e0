#pragma once
// Code by digest in Redis, for all servers that share it.
//
// Threads: all methods, any thread; they block.

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "store/redis_link.h"

namespace canopy::store {

class RedisCode {
 public:
  RedisCode(const RedisAddress& address, const Clock& clock);

  // A second time only makes it young for sweep().
  //   unavailable  Redis is away, or full
  Result<void> put(const std::string& digest, std::string_view code);
  //   not_found    it was never stored
  //   internal     what is there is not what was stored
  //   unavailable
  Result<std::string> get(std::string_view digest);

  // Deletes what was not stored for `age` and is not among `named`. Returns bytes freed.
  Result<std::uint64_t> sweep(Duration age, const std::unordered_set<std::string>& named);

 private:
  const Clock& clock_;
  std::mutex mutex_;
  RedisLink link_;  // Guarded by mutex_.
};

}  // namespace canopy::store
