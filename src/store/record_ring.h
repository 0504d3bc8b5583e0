#pragma once
// One shard of Records: a ring of the last ones, with an index by id. Room is taken in pieces as it fills, so
// that no add() ever pays for moving what is there.
//
// Threads: one at a time; Records locks around it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/record.h"

namespace canopy::store {

class RecordRing {
 public:
  RecordRing(std::size_t count_max, std::size_t bytes_max);

  void add(Record record);

  // Records have consecutive numbers from begin() to end(), the newest last.
  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return end_; }
  // Null where the record was replaced by a later one of the same id.
  const Record* at(std::uint64_t number) const;
  // The latest time of queueing of that record and all before it.
  WallTime newest_up_to(std::uint64_t number) const { return slot(number).newest; }

  std::optional<std::uint64_t> find(CallId id) const;
  std::size_t size() const { return live_count_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Slot {
    Record record;
    WallTime newest{};
    bool live = false;
  };
  static constexpr std::size_t piece_size = 128;
  using Piece = std::array<Slot, piece_size>;

  struct Entry {
    std::uint32_t place = 0;  // In the ring, plus one; 0 is free.
    std::uint32_t hash = 0;   // Of the id: so that a search looks at no record but the one it wants.
  };

  Slot& slot(std::uint64_t number) const;
  std::uint64_t number_at(std::size_t place) const;
  void drop(std::uint64_t number);
  void fetch_ahead() const;
  std::size_t after(std::size_t entry) const { return (entry + 1) & (entries_.size() - 1); }
  std::optional<std::size_t> find_place(CallId id) const;
  void insert_entry(CallId id, std::size_t place);
  void erase_entry(CallId id, std::size_t place);

  const std::size_t count_max_;
  const std::size_t bytes_max_;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::size_t live_count_ = 0;
  std::size_t bytes_ = 0;

  std::vector<Entry> entries_;  // Open addressing, at most half full.
};

}  // namespace canopy::store
