#include "store/record_ring.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace canopy::store {
namespace {

constexpr std::size_t ring_count_max = std::size_t{1} << 30;  // Places fit in 32 bits.

// The memory behind the texts: a log that grew piece by piece has more of it than it fills.
std::size_t size_of(const Record& record) {
  return record.log.capacity() + (record.error ? record.error->message.size() : 0);
}

// A record too large for the whole ring would push out all others and still not fit.
void cut(Record& record, std::size_t bytes_max) {
  if (size_of(record) <= bytes_max) return;
  if (record.error && record.error->message.size() > bytes_max) record.error->message.resize(bytes_max);
  const std::size_t room = bytes_max - (record.error ? record.error->message.size() : 0);
  const std::size_t dropped = record.log.size() - std::min(record.log.size(), room);
  record.log.resize(record.log.size() - dropped);
  record.log.shrink_to_fit();
  record.log_dropped_bytes += dropped;
}

}  // namespace

RecordRing::RecordRing(std::size_t count_max, std::size_t bytes_max)
    : count_max_(std::clamp<std::size_t>(count_max, 1, ring_count_max)),
      bytes_max_(bytes_max),
      pieces_((count_max_ + piece_size - 1) / piece_size),
      entries_(std::bit_ceil(count_max_ * 2)) {}

RecordRing::Slot& RecordRing::slot(std::uint64_t number) const {
  const std::size_t place = number % count_max_;
  return (*pieces_[place / piece_size])[place % piece_size];
}

const Record* RecordRing::at(std::uint64_t number) const {
  const Slot& found = slot(number);
  return found.live ? &found.record : nullptr;
}

void RecordRing::add(Record record) {
  cut(record, bytes_max_);
  if (const auto entry = find_entry(record.id)) {
    const std::size_t place = entries_[*entry] - 1;
    // The number of that place: the only one between begin and end that falls on it.
    const std::uint64_t ahead = (place + count_max_ - begin_ % count_max_) % count_max_;
    drop(begin_ + ahead);
  }
  const std::size_t size = size_of(record);
  while (begin_ < end_ && (end_ - begin_ == count_max_ || bytes_ + size > bytes_max_)) drop(begin_++);

  const WallTime newest = begin_ < end_ ? std::max(slot(end_ - 1).newest, record.queued) : record.queued;
  std::unique_ptr<Piece>& piece = pieces_[end_ % count_max_ / piece_size];
  if (piece == nullptr) piece = std::make_unique<Piece>();
  Slot& free = slot(end_);
  free.record = std::move(record);
  free.newest = newest;
  free.live = true;
  bytes_ += size;
  ++live_count_;
  insert_entry(end_);
  ++end_;
}

void RecordRing::drop(std::uint64_t number) {
  Slot& old = slot(number);
  if (!old.live) return;
  if (const auto entry = find_entry(old.record.id)) erase_entry(*entry);
  bytes_ -= size_of(old.record);
  --live_count_;
  old.live = false;
  old.record = Record{};  // Its texts are freed now, not when the place is needed.
}

std::optional<std::uint64_t> RecordRing::find(CallId id) const {
  const auto entry = find_entry(id);
  if (!entry) return std::nullopt;
  const std::size_t place = entries_[*entry] - 1;
  return begin_ + (place + count_max_ - begin_ % count_max_) % count_max_;
}

std::size_t RecordRing::home(CallId id) const {
  return (id.low ^ id.high * 0x9e3779b97f4a7c15) & (entries_.size() - 1);
}

std::optional<std::size_t> RecordRing::find_entry(CallId id) const {
  for (std::size_t entry = home(id);; entry = (entry + 1) & (entries_.size() - 1)) {
    if (entries_[entry] == 0) return std::nullopt;
    if (slot(entries_[entry] - 1).record.id == id) return entry;
  }
}

void RecordRing::insert_entry(std::uint64_t number) {
  std::size_t entry = home(slot(number).record.id);
  while (entries_[entry] != 0) entry = (entry + 1) & (entries_.size() - 1);
  entries_[entry] = static_cast<std::uint32_t>(number % count_max_ + 1);
}

// Moves later entries of the same run into the gap, so that no search ends early at it.
void RecordRing::erase_entry(std::size_t entry) {
  const std::size_t mask = entries_.size() - 1;
  std::size_t gap = entry;
  for (std::size_t next = (gap + 1) & mask; entries_[next] != 0; next = (next + 1) & mask) {
    const std::size_t wanted = home(slot(entries_[next] - 1).record.id);
    if (((next - wanted) & mask) < ((next - gap) & mask)) continue;  // It may not go before its home.
    entries_[gap] = entries_[next];
    gap = next;
  }
  entries_[gap] = 0;
}

}  // namespace canopy::store
