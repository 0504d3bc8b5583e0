#pragma once
// The calls that ran: the last ones, in memory, each findable by id after its instance is gone. Bounded by
// count and by bytes; the oldest go first. Durable calls keep theirs elsewhere.
//
// One shard per core, so that recording a call never waits for another core; each has its part of the bounds.
//
// Threads: all methods, any thread. add() locks its own shard only; list() holds a shard's lock for a few
//          microseconds at a time, however long it searches.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "model/record.h"

namespace canopy::store {

struct RecordsOptions {
  std::size_t shard_count = 1;
  std::size_t count_max = 100'000;    // Over all shards.
  std::size_t bytes_max = 256 * MiB;  // Of logs and errors, over all shards.
};

struct RecordFilter {
  std::optional<FunctionName> function = {};
  std::optional<State> state = {};
  WallTime since{};                                        // Queued at or after.
  std::function<bool(const Record& record)> visible = {};  // Others are as if they were not there.
  std::size_t limit = 100;                                 // At most record_limit_max.
  // Continue below this one. If it is gone, so is what was below, and the list is empty.
  std::optional<CallId> after = {};
};

inline constexpr std::size_t record_limit_max = 1000;

class Records {
 public:
  explicit Records(RecordsOptions options);
  ~Records();
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  // `shard` is taken modulo shard_count. A record of the same id in that shard is replaced. One whose log
  // alone is more than the shard may hold has it cut, and counted as dropped.
  void add(std::size_t shard, Record record);
  std::optional<Record> find(CallId id) const;
  // The newest first, by the time of queueing. What is added meanwhile may be in it or not; nothing is in it
  // twice.
  std::vector<Record> list(const RecordFilter& filter) const;
  std::size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canopy::store
