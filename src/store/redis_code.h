#pragma once
// Code by digest in Redis, for all servers that share it. Each piece of work has a connection of its own, so
// that none waits for another's large code; a few are kept.
//
// Threads: all methods, any thread; they block.

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

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
  using Link = std::unique_ptr<RedisLink>;

  // Does `work` on a link that nobody else uses meanwhile.
  //   unavailable  all that there may be are in use for too long
  Result<void> with_link(const std::function<Result<void>(RedisLink& link)>& work);

  const RedisAddress address_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Link> idle_;      // Guarded by mutex_, as is the next.
  std::size_t link_count_ = 0;  // With those in use.
};

}  // namespace canopy::store
