#include "store/record_ring.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace canopy::store {
namespace {

constexpr std::size_t ring_count_max = std::size_t{1} << 30;  // Places fit in 32 bits.

// Ids are random; the mixing is for those of tests.
std::uint32_t hash_of(CallId id) {
  return static_cast<std::uint32_t>((id.low ^ id.high * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd >> 32);
}

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
  if (const auto place = find_place(record.id)) drop(number_at(*place));
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
  insert_entry(free.record.id, end_ % count_max_);
  ++end_;
  fetch_ahead();
}

// The place that comes next was last touched a whole ring ago. It is on its way while the next call runs.
void RecordRing::fetch_ahead() const {
  constexpr std::size_t line_bytes = 64;
  if (pieces_[end_ % count_max_ / piece_size] == nullptr) return;
  const auto* const next = reinterpret_cast<const std::byte*>(&slot(end_));
  for (std::size_t at = 0; at < sizeof(Slot); at += line_bytes) __builtin_prefetch(next + at, 1);
}

void RecordRing::drop(std::uint64_t number) {
  Slot& old = slot(number);
  if (!old.live) return;
  erase_entry(old.record.id, number % count_max_);
  bytes_ -= size_of(old.record);
  --live_count_;
  old.live = false;
  old.record = Record{};  // Its texts are freed now, not when the place is needed.
}

std::optional<std::uint64_t> RecordRing::find(CallId id) const {
  const auto place = find_place(id);
  if (!place) return std::nullopt;
  return number_at(*place);
}

// The only number from begin() on that falls on that place of the ring.
std::uint64_t RecordRing::number_at(std::size_t place) const {
  return begin_ + (place + count_max_ - begin_ % count_max_) % count_max_;
}

std::optional<std::size_t> RecordRing::find_place(CallId id) const {
  const std::uint32_t hash = hash_of(id);
  for (std::size_t at = hash & (entries_.size() - 1); entries_[at].place != 0; at = after(at)) {
    if (entries_[at].hash != hash) continue;
    const std::size_t place = entries_[at].place - 1;
    if (slot(place).record.id == id) return place;
  }
  return std::nullopt;
}

void RecordRing::insert_entry(CallId id, std::size_t place) {
  const std::uint32_t hash = hash_of(id);
  std::size_t at = hash & (entries_.size() - 1);
  while (entries_[at].place != 0) at = after(at);
  entries_[at] = {.place = static_cast<std::uint32_t>(place + 1), .hash = hash};
}

// Moves later entries of the same run into the gap, so that no search ends early at it.
void RecordRing::erase_entry(CallId id, std::size_t place) {
  const std::size_t mask = entries_.size() - 1;
  std::size_t gap = hash_of(id) & mask;
  while (entries_[gap].place != place + 1) gap = after(gap);
  for (std::size_t next = after(gap); entries_[next].place != 0; next = after(next)) {
    const std::size_t home = entries_[next].hash & mask;
    if (((next - home) & mask) < ((next - gap) & mask)) continue;  // It may not go before its home.
    entries_[gap] = entries_[next];
    gap = next;
  }
  entries_[gap] = {};
}

}  // namespace canopy::store
