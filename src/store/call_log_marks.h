#pragma once
// Which calls run, in a mapped file: written without a system call, and still there when the process is not.
// So the next start of the log knows which calls were running when this one ended, and a call that ends its
// process each time cannot do so for ever.
//
// It also remembers how many batches were committed, and so notices a database whose tail was cut.
//
// It need not outlive the machine: after a power cut it may be older than the database, and nothing depends
// on it then. A mark that was half written does not fit its seal, and is no mark.
//
// Threads: one at a time but for set_batch(), which is the writer's.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::store {

class CallMarks {
 public:
  struct Mark {
    std::uint64_t number = 0;
    std::uint32_t attempt = 0;
    WallTime started{};
  };

  // Opens or makes the file, reads what the last process left, and begins anew.
  //   unavailable  missing rights, full disk
  static Result<std::unique_ptr<CallMarks>> open(const std::filesystem::path& file, std::size_t count_max);
  ~CallMarks();
  CallMarks(const CallMarks&) = delete;
  CallMarks& operator=(const CallMarks&) = delete;

  // What was there when it was opened.
  const std::vector<Mark>& left() const { return left_; }
  std::uint64_t left_batch() const { return left_batch_; }

  // From now on what was left is forgotten: after it was dealt with.
  void begin();
  // Where it was put; count_max where there is no room.
  std::size_t put(const Mark& mark);
  void erase(std::size_t place);
  void set_batch(std::uint64_t batch);

 private:
  struct Slot;
  CallMarks() = default;
  Slot* slots() const;

  void* memory_ = nullptr;
  std::size_t size_ = 0;
  std::size_t count_max_ = 0;
  std::vector<std::size_t> free_;
  std::vector<Mark> left_;
  std::uint64_t left_batch_ = 0;
};

}  // namespace canopy::store
