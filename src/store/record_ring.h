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

  Slot& slot(std::uint64_t number) const;
  void drop(std::uint64_t number);
  std::size_t home(CallId id) const;
  std::optional<std::size_t> find_entry(CallId id) const;
  void insert_entry(std::uint64_t number);
  void erase_entry(std::size_t entry);

  const std::size_t count_max_;
  const std::size_t bytes_max_;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::size_t live_count_ = 0;
  std::size_t bytes_ = 0;

  // Open addressing, at most half full: place in the ring plus one; 0 is free.
  std::vector<std::uint32_t> entries_;
};

}  // namespace canopy::store
