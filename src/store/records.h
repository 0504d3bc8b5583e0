#pragma once
// The calls that ran: the last ones, in memory, each findable by id after its instance is gone. Bounded by
// count and by bytes; the oldest go first. Durable calls keep theirs elsewhere.
//
// One shard per core, so that recording a call never waits for another core.
//
// Threads: all methods, any thread. add() locks its own shard only.

#include <cstddef>
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
  std::optional<FunctionName> function;
  std::optional<State> state;
  WallTime since{};  // Queued at or after.
  std::size_t limit = 100;
  std::optional<CallId> after;  // Continue below this one.
};

class Records {
 public:
  explicit Records(RecordsOptions options);
  ~Records();
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  void add(std::size_t shard, Record record);
  std::optional<Record> find(CallId id) const;
  std::vector<Record> list(const RecordFilter& filter) const;  // Newest first.
  std::size_t size() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canopy::store
