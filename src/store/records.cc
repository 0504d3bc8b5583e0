#include "store/records.h"

#include <algorithm>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "store/record_ring.h"

namespace canopy::store {
namespace {

constexpr std::uint64_t scan_step = 256;  // Records looked at under one lock.

// The order of a list, newest first; ids make it total, so that pages neither skip nor repeat.
struct Key {
  WallTime queued{};
  CallId id;
  auto operator<=>(const Key&) const = default;
};

struct Found {
  Key key;
  std::size_t shard = 0;
};

bool newer(const Found& a, const Found& b) { return a.key > b.key; }

bool matches(const Record& record, const RecordFilter& filter, const std::optional<Key>& below) {
  if (record.queued < filter.since) return false;
  if (filter.state && record.state != *filter.state) return false;
  if (filter.function && record.function != *filter.function) return false;
  if (filter.visible && !filter.visible(record)) return false;
  return !below || Key{record.queued, record.id} < *below;
}

// The newest of what it was offered, at most so many.
class Newest {
 public:
  explicit Newest(std::size_t count_max) : count_max_(count_max) {}

  void offer(const Found& found) {
    if (is_full() && !newer(found, heap_.front())) return;
    if (is_full()) {
      std::ranges::pop_heap(heap_, newer);
      heap_.pop_back();
    }
    heap_.push_back(found);
    std::ranges::push_heap(heap_, newer);
  }

  // Whether nothing queued at `time` or before can be among them any more.
  bool excludes(WallTime time) const { return is_full() && time < heap_.front().key.queued; }

  std::vector<Found> take() {
    std::ranges::sort_heap(heap_, newer);
    return std::move(heap_);
  }

 private:
  bool is_full() const { return heap_.size() == count_max_; }

  std::size_t count_max_;
  std::vector<Found> heap_;  // The oldest on top.
};

}  // namespace

struct Records::Impl {
  struct alignas(64) Shard {
    Shard(std::size_t count_max, std::size_t bytes_max) : ring(count_max, bytes_max) {}
    mutable std::mutex mutex;
    RecordRing ring;  // Guarded by mutex.
  };

  std::vector<std::unique_ptr<Shard>> shards;

  std::optional<Record> find_in(const Shard& shard, CallId id) const {
    const std::lock_guard lock(shard.mutex);
    const auto number = shard.ring.find(id);
    if (!number) return std::nullopt;
    return *shard.ring.at(*number);
  }

  std::optional<Key> find_key(CallId id) const {
    for (const auto& shard : shards) {
      const std::lock_guard lock(shard->mutex);
      if (const auto number = shard->ring.find(id)) return Key{shard->ring.at(*number)->queued, id};
    }
    return std::nullopt;
  }

  // From the newest down, a few at a time; the ring may move on in between, and numbers stay what they are.
  void scan(std::size_t index, const RecordFilter& filter, const std::optional<Key>& below,
            Newest& newest) const {
    const Shard& shard = *shards[index];
    std::optional<std::uint64_t> next;  // One above the next record to look at.
    for (;;) {
      const std::lock_guard lock(shard.mutex);
      const RecordRing& ring = shard.ring;
      std::uint64_t number = next.value_or(ring.end());
      for (std::uint64_t looked = 0; looked < scan_step; ++looked) {
        if (number <= ring.begin()) return;
        --number;
        const WallTime bound = ring.newest_up_to(number);
        if (bound < filter.since || newest.excludes(bound)) return;
        const Record* const record = ring.at(number);
        if (record != nullptr && matches(*record, filter, below)) {
          newest.offer({.key = {record->queued, record->id}, .shard = index});
        }
      }
      next = number;
    }
  }
};

Records::Records(RecordsOptions options) : impl_(std::make_unique<Impl>()) {
  const std::size_t count = std::max<std::size_t>(options.shard_count, 1);
  for (std::size_t i = 0; i < count; ++i) {
    impl_->shards.push_back(
        std::make_unique<Impl::Shard>(options.count_max / count, options.bytes_max / count));
  }
}

Records::~Records() = default;

void Records::add(std::size_t shard, Record record) {
  Impl::Shard& own = *impl_->shards[shard % impl_->shards.size()];
  const std::lock_guard lock(own.mutex);
  own.ring.add(std::move(record));
}

std::optional<Record> Records::find(CallId id) const {
  for (const auto& shard : impl_->shards) {
    if (auto record = impl_->find_in(*shard, id)) return record;
  }
  return std::nullopt;
}

std::vector<Record> Records::list(const RecordFilter& filter) const {
  std::optional<Key> below;
  if (filter.after) {
    below = impl_->find_key(*filter.after);
    if (!below) return {};
  }
  const std::size_t limit = std::min(filter.limit, record_limit_max);
  if (limit == 0) return {};
  Newest newest(limit);
  for (std::size_t i = 0; i < impl_->shards.size(); ++i) impl_->scan(i, filter, below, newest);

  std::vector<Record> records;
  std::unordered_set<CallId> listed;
  for (const Found& found : newest.take()) {
    auto record = impl_->find_in(*impl_->shards[found.shard], found.key.id);
    // It may have gone, or been replaced by one that was found too or is not asked for.
    if (!record || !matches(*record, filter, below) || !listed.insert(record->id).second) continue;
    records.push_back(*std::move(record));
  }
  return records;
}

std::size_t Records::size() const {
  std::size_t size = 0;
  for (const auto& shard : impl_->shards) {
    const std::lock_guard lock(shard->mutex);
    size += shard->ring.size();
  }
  return size;
}

}  // namespace canopy::store
