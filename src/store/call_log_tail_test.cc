// The log's end is cut at every byte, and every byte of it is flipped: what is left is the log as it was
// after one of its batches, whole, and never anything else.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include "store/call_log_fixture.h"
#include "store/disk.h"
#include "store/sample.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<CallLog> open_at(const fs::path& folder, const Clock& clock) {
  auto log = open_call_log(folder, {}, clock);
  EXPECT_TRUE(log) << log.error().message;
  return log ? *std::move(log) : nullptr;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Every row of every table, as the log's own connections would find them; "" where SQLite finds damage. It
// leaves the files as they are.
std::string dump(const fs::path& folder) {
  sqlite3* database = nullptr;
  if (sqlite3_open((folder / "calls.db").c_str(), &database) != SQLITE_OK) return {};
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // For one process alone the index of the log needs no file.
  bool whole =
      sqlite3_exec(database, "PRAGMA locking_mode = EXCLUSIVE", nullptr, nullptr, nullptr) == SQLITE_OK;
  std::string rows;
  for (const char* const table : {"state", "live", "ended", "keys", "expiry", "dead", "callbacks"}) {
    sqlite3_stmt* select = nullptr;
    const std::string sql = std::string("SELECT * FROM ") + table;
    whole = whole && sqlite3_prepare_v2(database, sql.c_str(), -1, &select, nullptr) == SQLITE_OK;
    int stepped = SQLITE_ERROR;
    while (whole && (stepped = sqlite3_step(select)) == SQLITE_ROW) {
      rows += table;
      for (int i = 0; i < sqlite3_column_count(select); ++i) {
        rows += '|';
        const void* const bytes = sqlite3_column_blob(select, i);
        if (bytes != nullptr)
          rows.append(static_cast<const char*>(bytes),
                      static_cast<std::size_t>(sqlite3_column_bytes(select, i)));
      }
      rows += '\n';
    }
    whole = whole && stepped == SQLITE_DONE;
    sqlite3_finalize(select);
  }
  sqlite3_close(database);
  return whole ? rows : std::string();
}

// A log whose file has a few calls, and whose write-ahead log has two batches: one comes, one ends.
class CallLogTail : public testing::Test {
 protected:
  CallLogTail() {
    {
      const auto log = open_at(made_.path(), clock_);
      for (int i = 0; i < 3; ++i) keep(append(*log, call_of("demo/hello", "waits")));
      end_one(*log);
    }
    const auto log = open_at(made_.path(), clock_);
    EXPECT_FALSE(fs::exists(wal_)) << "an orderly end moves it into the file";
    remember();
    DurableCall named = call_of("demo/hello", "named");
    named.idempotency_key = "key";
    keep(append(*log, named));
    remember();
    end_one(*log);
    remember();
    for (const char* const name : {"calls.db", "calls.marks"})
      fs::copy_file(made_.path() / name, cut_.path() / name);
    bytes_ = read_file(made_.path() / "calls.db-wal");
  }

  void keep(const Result<Accepted>& accepted) {
    ASSERT_TRUE(accepted) << accepted.error().message;
    ids_.push_back(accepted->id);
  }
  void end_one(CallLog& log) {
    const auto leased = lease_one(log);
    ASSERT_TRUE(leased);
    outputs_[leased->call->id] = to_text(leased->call->id);
    ASSERT_TRUE(complete(log, leased->lease(), good_outcome(clock_, to_text(leased->call->id))));
  }
  void remember() {
    const TempFolder copy = quick_folder();
    for (const char* const name : {"calls.db", "calls.db-wal"}) {
      if (fs::exists(made_.path() / name)) fs::copy_file(made_.path() / name, copy.path() / name);
    }
    after_batch_.push_back(dump(copy.path()));
    ASSERT_FALSE(after_batch_.back().empty());
    ASSERT_TRUE(after_batch_.size() < 2 || after_batch_.back() != after_batch_[after_batch_.size() - 2]);
  }
  // After which batch that is what the log was; more than there are: none.
  std::size_t batch_of(const std::string& rows) const {
    return static_cast<std::size_t>(std::ranges::find(after_batch_, rows) - after_batch_.begin());
  }

  const FakeClock clock_;
  const TempFolder made_ = quick_folder();
  const TempFolder cut_ = quick_folder();
  const fs::path wal_ = cut_.path() / "calls.db-wal";
  std::string bytes_;  // Of the write-ahead log.
  std::vector<std::string> after_batch_;
  std::vector<CallId> ids_;
  std::map<CallId, std::string> outputs_;
};

TEST_F(CallLogTail, CutAtEveryByteItIsWhatItWasAfterABatch) {
  write_file(wal_, bytes_);
  std::size_t last = after_batch_.size() - 1;
  EXPECT_EQ(batch_of(dump(cut_.path())), last);
  for (std::size_t size = bytes_.size(); size-- > 0;) {
    fs::resize_file(wal_, size);
    const std::size_t batch = batch_of(dump(cut_.path()));
    ASSERT_LE(batch, last) << "cut to " << size << " bytes of " << bytes_.size();
    last = batch;
  }
  EXPECT_EQ(last, 0U);
}

TEST_F(CallLogTail, WithAnyByteFlippedItIsWhatItWasAfterABatch) {
  write_file(wal_, bytes_);
  const Descriptor file(::open(wal_.c_str(), O_WRONLY | O_CLOEXEC));
  for (std::size_t at = 0; at < bytes_.size(); ++at) {
    const char flipped = static_cast<char>(bytes_[at] ^ (1 << at % 8));
    ASSERT_EQ(pwrite(file.get(), &flipped, 1, static_cast<off_t>(at)), 1);
    const std::size_t batch = batch_of(dump(cut_.path()));
    ASSERT_LT(batch, after_batch_.size()) << "flipped byte " << at << " of " << bytes_.size();
    ASSERT_EQ(pwrite(file.get(), &bytes_[at], 1, static_cast<off_t>(at)), 1);
  }
  EXPECT_EQ(batch_of(dump(cut_.path())), after_batch_.size() - 1);
}

// The same through the log itself, at some places: what it serves is right, and it says that an end is
// missing.
TEST_F(CallLogTail, ALogThatLostItsEndSaysSoAndServesNothingWrong) {
  const std::string database = read_file(cut_.path() / "calls.db");
  const std::string marks = read_file(cut_.path() / "calls.marks");
  for (std::size_t at = 0; at < bytes_.size(); at += 499) {
    SCOPED_TRACE("byte " + std::to_string(at));
    for (const bool is_cut : {true, false}) {
      std::string bytes = bytes_.substr(0, is_cut ? at : bytes_.size());
      if (!is_cut) bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
      for (const auto& entry : fs::directory_iterator(cut_.path())) fs::remove_all(entry.path());
      write_file(cut_.path() / "calls.db", database);
      write_file(cut_.path() / "calls.marks", marks);
      write_file(wal_, bytes);
      const auto log = open_at(cut_.path(), clock_);
      ASSERT_NE(log, nullptr);
      EXPECT_GT(log->stats().lost_batches, 0U);
      EXPECT_EQ(log->stats().damaged, 0U);
      for (const CallId id : ids_) {
        const auto result = log->result(id);
        if (!result || result->state != State::completed) continue;
        EXPECT_EQ(result->output, outputs_[id]);
      }
      while (const auto leased = lease_one(*log))
        EXPECT_EQ(log->find(leased->call->id)->record.id, leased->call->id);
    }
  }
}

// And the file beneath: a flipped byte is noticed at the start or at the row, or is in no row.
TEST_F(CallLogTail, WithAnyByteOfItsRowsFlippedNothingWrongIsServed) {
  const std::string database = read_file(cut_.path() / "calls.db");
  write_file(wal_, bytes_);
  std::string moved;
  {
    ASSERT_NE(open_at(cut_.path(), clock_), nullptr);  // Its end moves the rest into the file.
    moved = read_file(cut_.path() / "calls.db");
  }
  std::size_t refused = 0;
  std::size_t damaged = 0;
  for (std::size_t at = 0; at < moved.size(); at += 61) {
    SCOPED_TRACE("byte " + std::to_string(at));
    for (const auto& entry : fs::directory_iterator(cut_.path())) fs::remove_all(entry.path());
    std::string bytes = moved;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    write_file(cut_.path() / "calls.db", bytes);
    const auto log = open_call_log(cut_.path(), {}, clock_);
    if (!log) {
      EXPECT_TRUE(log.error().code == Code::refused || log.error().code == Code::internal)
          << log.error().message;
      ++refused;
      continue;
    }
    for (const CallId id : ids_) {
      const auto result = (*log)->result(id);
      if (result && result->state == State::completed) EXPECT_EQ(result->output, outputs_[id]);
    }
    while (const auto leased = lease_one(**log)) {
      EXPECT_TRUE(std::ranges::find(ids_, leased->call->id) != ids_.end());
      EXPECT_TRUE(leased->call->input == "waits" || leased->call->input == "named") << leased->call->input;
    }
    damaged += (*log)->stats().damaged > 0;
  }
  EXPECT_GT(refused, 0U);
  EXPECT_GT(damaged, 0U);
}

}  // namespace
}  // namespace canopy::store
