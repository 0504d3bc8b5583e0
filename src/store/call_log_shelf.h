#pragma once
// Where the rows of the call log lie: SQLite, or memory for tests. It knows numbers and sealed bytes, and
// nothing of what they mean.
//
// Threads: what changes, from begin() to commit() or rollback(), belongs to the writer's thread; the rest is
//          for any, and sees what was committed. All block.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::store {

// What is remembered of the log as a whole, written with each batch.
struct ShelfState {
  std::uint64_t batch = 0;        // Counts commits.
  std::uint64_t next_number = 1;  // Of the next call.
  std::uint64_t id_key = 0;       // Turns numbers into ids.
};

struct ShelvedCall {
  bool has_ended = false;
  std::string row;       // A head, or all of a call that has ended.
  std::string progress;  // "" for none.
  std::string body;      // The input of one that waits, the output of one that has ended.
};

// Calls are forgotten by the minute: the first one that begins at or after that time.
inline std::int64_t expiry_minute(WallTime time) {
  return std::chrono::ceil<std::chrono::minutes>(time.time_since_epoch()).count();
}

enum class Part { row, body, log, input };  // What of a call is read, beside its row.

class CallShelf {
 public:
  struct NewEnded {
    std::uint64_t number = 0;
    std::string_view row;
    std::string_view output;
    std::string_view log;
    std::string_view input;  // Of one that can be redriven.
    std::int64_t expires_minute = 0;
    bool is_dead = false;
  };

  virtual ~CallShelf() = default;

  virtual ShelfState state() const = 0;

  virtual Result<void> begin() = 0;
  // On the disk when it returns without an error.
  virtual Result<void> commit(const ShelfState& state) = 0;
  virtual void rollback() = 0;

  // A call that moves is put in its new place before it is erased in the old one: the shelf in memory lets
  // readers see what is not yet committed, and there must always be one of the two.
  virtual Result<void> put_live(std::uint64_t number, std::string_view head, std::string_view input) = 0;
  virtual Result<void> put_progress(std::uint64_t number, std::string_view progress) = 0;
  // False where there is none.
  virtual Result<bool> erase_live(std::uint64_t number) = 0;
  virtual Result<void> put_ended(const NewEnded& call) = 0;
  virtual Result<void> erase_ended(std::uint64_t number, std::int64_t expires_minute) = 0;
  virtual Result<void> put_key(std::string_view digest, std::string_view value) = 0;
  virtual Result<std::optional<std::string>> key(std::string_view digest) = 0;
  virtual Result<void> erase_key(std::string_view digest) = 0;
  virtual Result<void> put_callback(std::uint64_t number, std::string_view row) = 0;
  virtual Result<void> erase_callback(std::uint64_t number) = 0;
  // The writer's own view of a call, its changes of this batch included.
  virtual Result<std::optional<ShelvedCall>> read_own(std::uint64_t number, Part part) = 0;
  // Numbers whose time to live ended at or before that minute.
  virtual Result<std::vector<std::pair<std::int64_t, std::uint64_t>>> expired(std::int64_t minute,
                                                                              std::size_t count_max) = 0;

  virtual Result<std::optional<ShelvedCall>> read(std::uint64_t number, Part part) = 0;
  virtual Result<std::optional<std::string>> read_callback(std::uint64_t number) = 0;

  enum class Which { all, live, ended, dead };
  struct Numbered {
    std::uint64_t number = 0;
    ShelvedCall call;
  };
  // Below that number, the highest first.
  virtual Result<std::vector<Numbered>> page(Which which, std::uint64_t below, std::size_t count_max) = 0;

  using VisitLive =
      std::function<void(std::uint64_t number, std::string_view head, std::string_view progress)>;
  virtual Result<void> each_live(const VisitLive& visit) = 0;
  virtual Result<void> each_callback(
      const std::function<void(std::uint64_t number, std::string_view row)>& visit) = 0;
  virtual Result<std::uint64_t> dead_count() = 0;

  virtual std::uint64_t wal_bytes() const = 0;

  // Large bodies, a file each, synced; `name` is new.
  virtual Result<void> put_file(const std::string& name, std::string_view bytes) = 0;
  virtual Result<std::string> read_file(const std::string& name, std::uint64_t size) = 0;
  virtual void erase_file(const std::string& name) = 0;
  // Deletes files for which `keep` says no.
  virtual void sweep_files(const std::function<bool(const std::string& name)>& keep) = 0;
};

Result<std::unique_ptr<CallShelf>> open_sqlite_shelf(const std::filesystem::path& folder);
std::unique_ptr<CallShelf> make_memory_shelf();

}  // namespace canopy::store
