// What only a log on a disk has to show: that it is there after the process is not, that damage is noticed,
// and that a disk which fails for a while is no end.

#include <csignal>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "store/call_log_fixture.h"
#include "store/child.h"
#include "store/crc32c.h"
#include "store/faulty_disk.h"
#include "store/sample.h"
#include "store/sqlite.h"

namespace canopy::store {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<CallLog> open_at(const fs::path& folder, const Clock& clock = system_clock(),
                                 const CallLogOptions& options = {}) {
  auto log = open_call_log(folder, options, clock);
  EXPECT_TRUE(log) << log.error().message;
  return log ? *std::move(log) : nullptr;
}

TEST(SqliteCallLog, WhatWasAcknowledgedIsThereAfterAKill) {
  const TempFolder folder = quick_folder();
  const Report report;
  Child child([&] {
    const auto log = open_at(folder.path());
    for (;;) {
      const auto accepted = append(*log, call_of("demo/hello"));
      if (!accepted || !report.tell(accepted->id.high) || !report.tell(accepted->id.low)) return 1;
    }
  });
  std::vector<CallId> told;
  while (told.size() < 200) {
    const auto high = report.hear();
    const auto low = report.hear();
    ASSERT_TRUE(high && low);
    told.push_back({.high = *high, .low = *low});
  }
  child.kill();
  const auto log = open_at(folder.path());
  for (const CallId id : told) {
    const auto record = log->find(id);
    ASSERT_TRUE(record) << to_text(id);
    EXPECT_EQ(record->record.state, State::queued);
  }
  EXPECT_GE(log->stats().waiting_count, told.size());
  EXPECT_EQ(log->stats().lost_batches, 0U);
}

TEST(SqliteCallLog, WhatRanWhenItsProcessWasKilledRunsAgainAndThenFails) {
  const TempFolder folder = quick_folder();
  CallLogOptions options;
  options.retry.losses_max = 2;
  FakeClock clock;
  CallId id;
  {
    const auto log = open_at(folder.path(), clock, options);
    id = append(*log, call_of("demo/hello", "the input"))->id;
  }
  const auto run_and_die = [&] {
    const Report report;
    Child child([&]() -> int {
      const auto log = open_at(folder.path(), clock, options);
      log->sweep();
      const auto leased = lease_one(*log);
      report.tell(leased ? leased->attempt : 0);
      for (;;) pause();
    });
    const auto attempt = report.hear();
    child.kill();
    return attempt.value_or(0);
  };
  EXPECT_EQ(run_and_die(), 1U);
  EXPECT_EQ(run_and_die(), 2U);
  const auto log = open_at(folder.path(), clock, options);
  const auto record = log->find(id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->record.state, State::failed);
  EXPECT_EQ(record->record.error->code, Code::died);
  EXPECT_EQ(record->attempts.size(), 2U);
  ASSERT_TRUE(redrive(*log, id));
  const auto again = lease_one(*log);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->attempt, 3U);
  EXPECT_EQ(again->call->input, "the input");
}

TEST(SqliteCallLog, EverythingIsThereAfterAnOrderlyEnd) {
  const TempFolder folder = quick_folder();
  FakeClock clock;
  DurableCall retried = call_of("demo/hello");
  retried.retries_max = 3;
  retried.callback_url = "http://example.org/";
  retried.idempotency_key = "key";
  CallId waits;
  CallId done;
  CallId released;
  {
    const auto log = open_at(folder.path(), clock);
    waits = append(*log, retried)->id;
    ASSERT_TRUE(complete(*log, lease_one(*log)->lease(), bad_outcome(clock)));
    done = append(*log, call_of("demo/hello"))->id;
    ASSERT_TRUE(complete(*log, lease_one(*log)->lease(), good_outcome(clock, "kept")));
    released = append(*log, call_of("demo/hello"))->id;
    const auto leased = lease_one(*log);
    ASSERT_TRUE(log->release(leased->lease(), {}));
  }
  const auto log = open_at(folder.path(), clock);
  EXPECT_EQ(log->result(done)->output, "kept");
  EXPECT_EQ(lease_one(*log)->call->id, released);
  EXPECT_FALSE(lease_one(*log)) << "before its time";
  EXPECT_EQ(append(*log, retried)->id, waits);
  clock.advance(std::chrono::minutes(10));
  log->sweep();
  const auto again = lease_one(*log);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->call->id, waits);
  EXPECT_EQ(again->attempt, 2U);
  ASSERT_TRUE(complete(*log, again->lease(), good_outcome(clock)));
  EXPECT_EQ(log->lease_callbacks(5, WallTime::max()).size(), 1U);
}

TEST(SqliteCallLog, ADamagedRowIsReportedAndNeitherServedNorRun) {
  const TempFolder folder = quick_folder();
  CallId waiting;
  CallId ended;
  {
    const auto log = open_at(folder.path());
    ended = append(*log, call_of("demo/hello"))->id;
    ASSERT_TRUE(complete(*log, lease_one(*log)->lease(), good_outcome(system_clock())));
    waiting = append(*log, call_of("demo/hello"))->id;
  }
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((folder.path() / "calls.db").c_str(), &database), SQLITE_OK);
  ASSERT_EQ(
      sqlite3_exec(database,
                   "UPDATE live SET input = x'6f75747075'; UPDATE ended SET output = x'6f7574707574'||x'00'",
                   nullptr, nullptr, nullptr),
      SQLITE_OK);
  sqlite3_close(database);
  const auto log = open_at(folder.path());
  EXPECT_EQ(log->result(ended).error().code, Code::internal);
  EXPECT_FALSE(lease_one(*log));
  EXPECT_EQ(log->stats().damaged, 2U);
  EXPECT_EQ(log->stats().running_count, 0U);
}

TEST(SqliteCallLog, ACutEndIsReported) {
  const TempFolder folder = quick_folder();
  const Report report;
  Child child([&]() -> int {
    const auto log = open_at(folder.path());
    for (int i = 0; i < 20; ++i) {
      if (!append(*log, call_of("demo/hello"))) return 1;
    }
    report.tell(1);
    for (;;) pause();
  });
  ASSERT_TRUE(report.hear());
  child.kill();
  const fs::path wal = folder.path() / "calls.db-wal";
  fs::resize_file(wal, fs::file_size(wal) / 2);
  const auto log = open_at(folder.path());
  EXPECT_GT(log->stats().lost_batches, 0U);
  EXPECT_LT(log->stats().waiting_count, 20U);
  EXPECT_TRUE(append(*log, call_of("demo/hello")));
}

TEST(SqliteCallLog, ANewerFormatAndAnotherDatabaseAreRefused) {
  for (const char* const sql : {"PRAGMA user_version = 99", "CREATE TABLE other (x)"}) {
    const TempFolder folder = quick_folder();
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((folder.path() / "calls.db").c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    const auto log = open_call_log(folder.path(), {}, system_clock());
    ASSERT_FALSE(log) << sql;
    EXPECT_EQ(log.error().code, Code::refused) << log.error().message;
  }
}

// An ended call's row as version 1 has it: today's less what it has at its end.
std::string row_of_version_1(std::uint64_t number, std::string row) {
  constexpr std::size_t parts_size = sizeof(std::int64_t) + 1;  // Of a call without a hop.
  row.resize(row.size() - sizeof(std::uint32_t) - parts_size);
  row.front() = 1;
  std::string place(1, 'e');
  place.append(reinterpret_cast<const char*>(&number), sizeof number);
  const std::uint32_t seal = crc32c(row, crc32c(place));
  row.append(reinterpret_cast<const char*>(&seal), sizeof seal);
  return row;
}

TEST(SqliteCallLog, AFileOfTheFormatBeforeIsReadAndSaysThatItIsOfToday) {
  const TempFolder folder = quick_folder();
  const fs::path file = fs::canonical(folder.path()) / "calls.db";
  const FakeClock clock;
  CallId done;
  CallId waits;
  {
    const auto log = open_at(folder.path(), clock);
    done = append(*log, call_of("demo/hello"))->id;
    Outcome outcome = good_outcome(clock, "kept");
    outcome.usage.wait_time = std::chrono::seconds(2);
    ASSERT_TRUE(complete(*log, lease_one(*log)->lease(), outcome));
    waits = append(*log, call_of("demo/hello", "the input"))->id;
  }
  {
    auto database = *Database::open(file);
    std::uint64_t number = 0;
    std::string row;
    {
      auto select = *database.prepare("SELECT number, row FROM ended");
      ASSERT_TRUE(*select.step());
      number = static_cast<std::uint64_t>(select.number(0));
      row = row_of_version_1(number, select.text(1));
    }
    auto update = *database.prepare("UPDATE ended SET row = ? WHERE number = ?");
    update.bind_blob(row);
    update.bind(static_cast<std::int64_t>(number));
    ASSERT_TRUE(update.run());
    ASSERT_TRUE(database.execute("PRAGMA user_version = 1"));
  }
  {
    const auto log = open_at(folder.path(), clock);
    const auto record = log->find(done);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->record.state, State::completed);
    EXPECT_EQ(record->record.usage.queue_time(), std::chrono::seconds(2));
    EXPECT_EQ(record->record.usage.start_time, Duration::zero());
    EXPECT_FALSE(record->record.usage.hop_time);
    EXPECT_EQ(log->result(done)->output, "kept");
    EXPECT_EQ(log->log(done)->text, "a line\n");
    EXPECT_EQ(log->list({})->records.size(), 2U);
    EXPECT_EQ(log->stats().damaged, 0U);
    const auto leased = lease_one(*log);
    ASSERT_TRUE(leased);
    EXPECT_EQ(leased->call->id, waits);
    ASSERT_TRUE(complete(*log, leased->lease(), good_outcome(clock)));
  }
  auto database = *Database::open(file);
  EXPECT_EQ(*database.number("PRAGMA user_version"), 2);
}

TEST(SqliteCallLog, ALogThatIsGoneIsNotStartedEmpty) {
  const TempFolder folder = quick_folder();
  {
    ASSERT_TRUE(append(*open_at(folder.path()), call_of("demo/hello")));
  }
  fs::remove(folder.path() / "calls.db");
  const auto log = open_call_log(folder.path(), {}, system_clock());
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Code::refused);
  EXPECT_NE(log.error().message.find("calls.db is gone"), std::string::npos) << log.error().message;
}

class OnAFailingDisk : public testing::TestWithParam<int> {};

TEST_P(OnAFailingDisk, AppendsAreRefusedAndAllGoesOnWhenItWorksAgain) {
  FaultyDisk disk;
  const TempFolder folder = quick_folder();
  const FakeClock clock;
  std::vector<CallId> acknowledged;
  {
    const auto log = open_at(folder.path(), clock);
    acknowledged.push_back(append(*log, call_of("demo/hello"))->id);
    const auto leased = lease_one(*log);
    ASSERT_TRUE(leased);

    (GetParam() == SQLITE_FULL ? disk.write_result : disk.sync_result) = GetParam();
    for (int i = 0; i < 3; ++i) {
      const auto refused = append(*log, call_of("demo/hello"));
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Code::unavailable) << refused.error().message;
    }
    EXPECT_TRUE(log->stats().failing);
    EXPECT_EQ(log->stats().waiting_count, 0U) << "what was refused waits for nothing";
    bool recorded = false;
    std::mutex mutex;
    log->complete(leased->lease(), good_outcome(clock, "not forgotten"), [&](const Result<void>& result) {
      const std::lock_guard lock(mutex);
      recorded = result.has_value();
    });
    EXPECT_FALSE(append(*log, call_of("demo/hello")));
    {
      const std::lock_guard lock(mutex);
      EXPECT_FALSE(recorded);
    }
    disk.write_result = disk.sync_result = SQLITE_OK;
    for (int i = 0; i < 1000; ++i) {  // The writer pauses for a moment between two tries.
      if (const auto accepted = append(*log, call_of("demo/hello"))) {
        acknowledged.push_back(accepted->id);
        break;
      }
    }
    ASSERT_EQ(acknowledged.size(), 2U);
    EXPECT_FALSE(log->stats().failing);
    EXPECT_EQ(log->result(acknowledged[0])->output, "not forgotten");
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(recorded);
  }
  const auto log = open_at(folder.path(), clock);
  for (const CallId id : acknowledged) EXPECT_TRUE(log->find(id));
  EXPECT_EQ(log->stats().waiting_count, 1U);
}

// While it lives no file grows beyond half a mebibyte. (A sanitizer opens files of its own, so those stay.)
class SmallFiles {
 public:
  SmallFiles() : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{.rlim_cur = 512 << 10, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  void (*const handler_)(int);
  rlimit before_{};
};

TEST(SqliteCallLog, ALargeCallIsRefusedWhileALargeResultWaitsForTheDisk) {
  const TempFolder folder = quick_folder();
  const auto log = open_at(folder.path());
  const CallId first = append(*log, call_of("demo/hello"))->id;
  const auto leased = lease_one(*log);
  ASSERT_TRUE(leased);
  const std::string large(1 << 20, 'x');
  DurableCall call = call_of("demo/hello");
  call.input = large;
  std::promise<bool> recorded;
  {
    const SmallFiles fault;
    log->complete(leased->lease(), good_outcome(system_clock(), large),
                  [&](const Result<void>& result) { recorded.set_value(result.has_value()); });
    // Those that come before the result has been tried stand behind it, and are not answered yet.
    std::optional<bool> accepted;
    for (int i = 0; i < 1000 && !accepted; ++i) {
      const auto answer = std::make_shared<std::promise<bool>>();
      log->append(call, [answer](const Result<Accepted>& result) { answer->set_value(result.has_value()); });
      auto future = answer->get_future();
      if (future.wait_for(std::chrono::milliseconds(10)) == std::future_status::ready)
        accepted = future.get();
    }
    EXPECT_EQ(accepted, false);
  }
  EXPECT_TRUE(recorded.get_future().get());
  EXPECT_EQ(log->result(first)->output, large);
  EXPECT_TRUE(append(*log, call));
}

INSTANTIATE_TEST_SUITE_P(Faults, OnAFailingDisk, testing::Values(SQLITE_FULL, SQLITE_IOERR_FSYNC),
                         [](const auto& info) { return info.param == SQLITE_FULL ? "Full" : "Fsync"; });

}  // namespace
}  // namespace canopy::store
