// What only a log on a disk has to show: that it is there after the process is not, that damage is noticed,
// and that a disk which fails for a while is no end.

#include <fstream>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "store/call_log_fixture.h"
#include "store/child.h"
#include "store/sample.h"

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
  const fs::path ids = folder.path() / "ids";
  Child child([&] {
    const auto log = open_at(folder.path());
    std::ofstream told(ids, std::ios::app);
    for (;;) {
      const auto accepted = append(*log, call_of("demo/hello"));
      if (!accepted) return 1;
      told << to_text(accepted->id) << std::endl;
    }
  });
  for (int i = 0; i < 5'000'000 && (!fs::exists(ids) || fs::file_size(ids) < 33 * 200); ++i) sched_yield();
  child.kill();
  const auto log = open_at(folder.path());
  std::ifstream told(ids);
  std::size_t count = 0;
  for (std::string line; std::getline(told, line) && line.size() == 32; ++count) {
    const auto record = log->find(*parse_call_id(line));
    ASSERT_TRUE(record) << line;
    EXPECT_EQ(record->record.state, State::queued);
  }
  EXPECT_GE(count, 200U);
  EXPECT_GE(log->stats().waiting_count, count);
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
    Child child([&]() -> int {
      const auto log = open_at(folder.path(), clock, options);
      log->sweep();
      const auto leased = lease_one(*log);
      std::ofstream(folder.path() / "leased") << (leased ? leased->attempt : 0) << std::flush;
      for (;;) sched_yield();
    });
    for (int i = 0; i < 5'000'000 && !fs::exists(folder.path() / "leased"); ++i) sched_yield();
    for (int i = 0; i < 5'000'000 && fs::file_size(folder.path() / "leased") == 0; ++i) sched_yield();
    child.kill();
    std::uint32_t attempt = 0;
    std::ifstream(folder.path() / "leased") >> attempt;
    fs::remove(folder.path() / "leased");
    return attempt;
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
  Child child([&]() -> int {
    const auto log = open_at(folder.path());
    for (int i = 0; i < 20; ++i) {
      if (!append(*log, call_of("demo/hello"))) return 1;
    }
    std::ofstream(folder.path() / "ready") << "ready";
    for (;;) sched_yield();
  });
  for (int i = 0; i < 5'000'000 && !fs::exists(folder.path() / "ready"); ++i) sched_yield();
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

// A disk that can be told to fail: the system's own files beneath, with an end to what it takes.
class FailingDisk {
 public:
  FailingDisk() {
    base_ = sqlite3_vfs_find(nullptr);
    vfs_ = *base_;
    vfs_.zName = "failing";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + base_->szOsFile;
    vfs_.pAppData = this;
    vfs_.xOpen = open;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~FailingDisk() {
    sqlite3_vfs_register(base_, 1);
    sqlite3_vfs_unregister(&vfs_);
  }
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;

  std::atomic<int> sync_result = SQLITE_OK;
  std::atomic<int> write_result = SQLITE_OK;

 private:
  struct File {
    sqlite3_file file;
    sqlite3_io_methods methods;
    FailingDisk* disk;
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

  static int open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
    auto* const disk = static_cast<FailingDisk*>(vfs->pAppData);
    File* const own = of(file);
    own->disk = disk;
    own->file.pMethods = nullptr;
    const int opened = disk->base_->xOpen(disk->base_, name, own->real(), flags, out_flags);
    if (opened != SQLITE_OK) return opened;
    own->methods = {};
    own->methods.iVersion = 2;
    own->methods.xClose = [](sqlite3_file* f) { return of(f)->real()->pMethods->xClose(of(f)->real()); };
    own->methods.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
      return of(f)->real()->pMethods->xRead(of(f)->real(), to, size, at);
    };
    own->methods.xWrite = [](sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
      const int wanted = of(f)->disk->write_result;
      return wanted != SQLITE_OK ? wanted : of(f)->real()->pMethods->xWrite(of(f)->real(), from, size, at);
    };
    own->methods.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
      return of(f)->real()->pMethods->xTruncate(of(f)->real(), size);
    };
    own->methods.xSync = [](sqlite3_file* f, int how) {
      const int wanted = of(f)->disk->sync_result;
      return wanted != SQLITE_OK ? wanted : of(f)->real()->pMethods->xSync(of(f)->real(), how);
    };
    own->methods.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return of(f)->real()->pMethods->xFileSize(of(f)->real(), size);
    };
    own->methods.xLock = [](sqlite3_file* f, int how) {
      return of(f)->real()->pMethods->xLock(of(f)->real(), how);
    };
    own->methods.xUnlock = [](sqlite3_file* f, int how) {
      return of(f)->real()->pMethods->xUnlock(of(f)->real(), how);
    };
    own->methods.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return of(f)->real()->pMethods->xCheckReservedLock(of(f)->real(), out);
    };
    own->methods.xFileControl = [](sqlite3_file* f, int what, void* with) {
      return of(f)->real()->pMethods->xFileControl(of(f)->real(), what, with);
    };
    own->methods.xSectorSize = [](sqlite3_file* f) {
      return of(f)->real()->pMethods->xSectorSize(of(f)->real());
    };
    own->methods.xDeviceCharacteristics = [](sqlite3_file* f) {
      return of(f)->real()->pMethods->xDeviceCharacteristics(of(f)->real());
    };
    own->methods.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return of(f)->real()->pMethods->xShmMap(of(f)->real(), page, size, extend, out);
    };
    own->methods.xShmLock = [](sqlite3_file* f, int at, int count, int how) {
      return of(f)->real()->pMethods->xShmLock(of(f)->real(), at, count, how);
    };
    own->methods.xShmBarrier = [](sqlite3_file* f) { of(f)->real()->pMethods->xShmBarrier(of(f)->real()); };
    own->methods.xShmUnmap = [](sqlite3_file* f, int remove) {
      return of(f)->real()->pMethods->xShmUnmap(of(f)->real(), remove);
    };
    own->file.pMethods = &own->methods;
    return SQLITE_OK;
  }

  sqlite3_vfs* base_ = nullptr;
  sqlite3_vfs vfs_{};
};

class OnAFailingDisk : public testing::TestWithParam<int> {};

TEST_P(OnAFailingDisk, AppendsAreRefusedAndAllGoesOnWhenItWorksAgain) {
  FailingDisk disk;
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

INSTANTIATE_TEST_SUITE_P(Faults, OnAFailingDisk, testing::Values(SQLITE_FULL, SQLITE_IOERR_FSYNC),
                         [](const auto& info) { return info.param == SQLITE_FULL ? "Full" : "Fsync"; });

}  // namespace
}  // namespace canopy::store
