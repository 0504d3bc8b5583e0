// What is left of the log after a power cut: everything that was acknowledged, however many syncs failed and
// processes were killed before it.

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "store/call_log_fixture.h"
#include "store/faulty_disk.h"
#include "store/sample.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<CallLog> open_at(const fs::path& folder, const Clock& clock) {
  auto log = open_call_log(folder, {}, clock);
  EXPECT_TRUE(log) << log.error().message;
  return log ? *std::move(log) : nullptr;
}

// Of those calls, how many the log does not have any more.
std::size_t missing_of(CallLog& log, const std::vector<CallId>& acknowledged) {
  std::size_t missing = 0;
  for (const CallId id : acknowledged) missing += !log.find(id).has_value();
  return missing;
}

// Linux takes pages for clean after a sync of them failed, and the next process reads them from memory as if
// nothing had happened: what it writes behind them must not need them.
TEST(PowerCut, AFailedSyncThatAnotherProcessInheritsLosesNothing) {
  FaultyDisk disk;
  const TempFolder first = quick_folder();
  const TempFolder second = quick_folder();
  const TempFolder third = quick_folder();
  const FakeClock clock;
  std::mt19937 chance(1);
  std::vector<CallId> acknowledged;
  {
    const auto log = open_at(first.path(), clock);
    acknowledged.push_back(append(*log, call_of("demo/hello"))->id);
    disk.sync_result = SQLITE_IOERR_FSYNC;
    ASSERT_FALSE(append(*log, call_of("demo/hello")));
    disk.kill(first.path(), second.path());
    disk.sync_result = SQLITE_OK;
  }
  {
    const auto log = open_at(second.path(), clock);
    for (int i = 0; i < 3; ++i) acknowledged.push_back(append(*log, call_of("demo/hello"))->id);
    disk.cut_power(second.path(), third.path(), chance);
  }
  const auto log = open_at(third.path(), clock);
  EXPECT_EQ(missing_of(*log, acknowledged), 0U);
  EXPECT_EQ(log->stats().lost_batches, 0U);
}

// A life of a log on that disk: calls come, run and end while syncs fail now and then; and it dies.
class Life {
 public:
  explicit Life(std::uint32_t seed) : chance_(seed) { folders_.push_back(quick_folder()); }

  void live() {
    disk_.sync_result = SQLITE_OK;  // A start needs the disk.
    const auto log = open_at(folders_.back().path(), clock_);
    ASSERT_NE(log, nullptr);
    check(*log);
    for (auto left = 1 + chance_() % 12; left > 0; --left) {
      disk_.sync_result = chance_() % 5 == 0 ? SQLITE_IOERR_FSYNC : SQLITE_OK;
      step(*log);
    }
    folders_.push_back(quick_folder());
    const fs::path& from = folders_[folders_.size() - 2].path();
    if (chance_() % 2 == 0) {
      disk_.kill(from, folders_.back().path());
    } else {
      disk_.cut_power(from, folders_.back().path(), chance_);
    }
    disk_.sync_result = SQLITE_OK;
  }

  // Everything that was acknowledged is there, and is what it was.
  void check(CallLog& log) {
    EXPECT_EQ(log.stats().damaged, 0U);
    for (const auto& [id, known] : calls_) {
      const auto record = log.find(id);
      if (!record) {
        ++lost_;
        continue;
      }
      const auto result = log.result(id);
      if (record->record.state == State::completed) {
        EXPECT_EQ(result->output, known.output) << to_text(id);
      } else {
        lost_ += known.has_ended;
        EXPECT_EQ(record->record.state, State::queued);
      }
    }
  }

  std::size_t lost() const { return lost_; }

 private:
  struct Known {
    std::string output;  // That of its only end.
    bool has_ended = false;
  };

  void step(CallLog& log) {
    if (chance_() % 3 != 0) {
      if (const auto accepted = append(log, call_of("demo/hello", std::string(chance_() % 9000, 'x'))))
        calls_[accepted->id].output = to_text(accepted->id);
      return;
    }
    const auto leased = lease_one(log);
    if (!leased) return;
    calls_[leased->call->id].output = to_text(leased->call->id);
    disk_.sync_result = SQLITE_OK;  // The end of an attempt is kept until it can be written.
    if (complete(log, leased->lease(), good_outcome(clock_, to_text(leased->call->id))))
      calls_[leased->call->id].has_ended = true;
  }

  FaultyDisk disk_;
  const FakeClock clock_;
  std::mt19937 chance_;
  std::vector<TempFolder> folders_;
  std::map<CallId, Known> calls_;
  std::size_t lost_ = 0;
};

TEST(PowerCut, NothingAcknowledgedIsLostInManyLives) {
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life life(seed);
    for (int i = 0; i < 8; ++i) ASSERT_NO_FATAL_FAILURE(life.live());
    EXPECT_EQ(life.lost(), 0U);
  }
}

// A disk that does not keep its word must be found out, or the test above says nothing.
TEST(PowerCut, TheAuditNoticesADiskThatLies) {
  const FakeClock clock;
  std::size_t missing = 0;
  for (std::uint32_t seed = 1; seed <= 5; ++seed) {
    FaultyDisk disk;
    std::mt19937 chance(seed);
    const TempFolder before = quick_folder();
    const TempFolder after = quick_folder();
    std::vector<CallId> acknowledged;
    {
      const auto log = open_at(before.path(), clock);
      acknowledged.push_back(append(*log, call_of("demo/hello"))->id);
      disk.lies = true;
      for (int i = 0; i < 10; ++i) acknowledged.push_back(append(*log, call_of("demo/hello"))->id);
      disk.cut_power(before.path(), after.path(), chance);
      disk.lies = false;
    }
    const auto log = open_at(after.path(), clock);
    ASSERT_NE(log, nullptr);
    const std::size_t count = missing_of(*log, acknowledged);
    EXPECT_EQ(log->stats().lost_batches > 0, count > 0) << "the start says so";
    missing += count;
  }
  EXPECT_GT(missing, 0U);
}

}  // namespace
}  // namespace canopy::store
