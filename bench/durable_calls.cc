// What a durable call costs, inside the process: against bare SQLite group commit with the same batches in
// the same run, and with a million waiting calls against an empty queue. Prints JSON, one object to a line.
//
//   durable_calls FOLDER                      on the disk that matters: fsync is what is measured
//   durable_calls FOLDER bare BATCH COUNT     bare SQLite alone, in transactions of BATCH rows
//   durable_calls FOLDER redis FSYNC COUNT    in a Redis of its own, with appendfsync FSYNC

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sqlite3.h>

#include "base/check.h"
#include "store/call_log.h"
#include "store/redis_fixture.h"
#include "store/temp_folder.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace): a program of its own.
using Clock_ = std::chrono::steady_clock;

double seconds_since(Clock_::time_point begun) {
  return std::chrono::duration<double>(Clock_::now() - begun).count();
}

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(static_cast<double>(values.size()) * part))];
}

DurableCall small_call() {
  DurableCall call;
  call.function = {"bench", "noop"};
  call.headers = {{"Content-Type", "application/json"}, {"User-Agent", "bench"}};
  call.input = R"({"n": 1})";
  return call;
}

// 64 callers, each with one call on its way: as connections are.
class Callers {
 public:
  Callers(store::CallLog& log, std::size_t count, std::uint64_t total)
      : log_(log), total_(total), left_(total) {
    waits_.reserve(total);
    for (std::size_t i = 0; i < count; ++i) next();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return answered_ == total_; });
  }
  std::vector<double>& waits() { return waits_; }

 private:
  void next() {
    {
      const std::lock_guard lock(mutex_);
      if (left_ == 0) return;
      --left_;
    }
    const auto begun = Clock_::now();
    log_.append(small_call(), [this, begun](Result<store::Accepted> accepted) {
      CANOPY_CHECK(accepted.has_value());
      next();
      const std::lock_guard lock(mutex_);  // The last one's is held while we are told, so we outlive it.
      waits_.push_back(seconds_since(begun) * 1e6);
      if (++answered_ == total_) done_.notify_all();
    });
  }

  store::CallLog& log_;
  std::mutex mutex_;
  std::condition_variable done_;
  const std::uint64_t total_;
  std::uint64_t left_;
  std::uint64_t answered_ = 0;
  std::vector<double> waits_;
};

// The least that group commit can be: rows of the same size, in transactions of the same size.
double bare_rate(const std::filesystem::path& folder, std::uint64_t count, double batch) {
  sqlite3* database = nullptr;
  CANOPY_CHECK(sqlite3_open((folder / "bare.db").c_str(), &database) == SQLITE_OK);
  const auto run = [&](const char* sql) {
    CANOPY_CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  };
  run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
      "CREATE TABLE calls (number INTEGER PRIMARY KEY, head BLOB, input BLOB)");
  sqlite3_stmt* insert = nullptr;
  CANOPY_CHECK(sqlite3_prepare_v2(database, "INSERT INTO calls (head, input) VALUES (?, ?)", -1, &insert,
                                  nullptr) == SQLITE_OK);
  const std::string head(150, 'h');
  const std::string input = small_call().input;
  const auto begun = Clock_::now();
  double due = 0;
  for (std::uint64_t written = 0; written < count;) {
    run("BEGIN IMMEDIATE");
    for (due += batch; due >= 1 && written < count; --due, ++written) {
      sqlite3_bind_blob(insert, 1, head.data(), static_cast<int>(head.size()), SQLITE_STATIC);
      sqlite3_bind_blob(insert, 2, input.data(), static_cast<int>(input.size()), SQLITE_STATIC);
      CANOPY_CHECK(sqlite3_step(insert) == SQLITE_DONE);
      sqlite3_reset(insert);
    }
    run("COMMIT");
  }
  const double rate = static_cast<double>(count) / seconds_since(begun);
  sqlite3_finalize(insert);
  sqlite3_close(database);
  return rate;
}

std::unique_ptr<store::CallLog> open_log(const std::filesystem::path& folder) {
  auto log = store::open_call_log(folder, {}, system_clock());
  CANOPY_CHECK(log.has_value());
  return *std::move(log);
}

// Leases and completes what waits, `count` of it; the ends are written in batches as they come.
double run_rate(store::CallLog& log, std::uint64_t count, std::uint64_t appended_beside) {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t recorded = 0;
  std::uint64_t leased_count = 0;
  const auto begun = Clock_::now();
  std::jthread appender([&] {
    if (appended_beside > 0) Callers(log, 256, appended_beside);
  });
  while (leased_count < count) {
    const auto leased = log.lease(
        {.count_max = std::min<std::uint64_t>(512, count - leased_count), .until = never, .concurrency = {}});
    if (leased.empty()) std::this_thread::yield();
    leased_count += leased.size();
    for (const store::LeasedCall& call : leased) {
      Outcome outcome;
      outcome.started = outcome.ended = system_clock().wall_now();
      outcome.status = 200;
      outcome.output = "ok";
      log.complete(call.lease(), std::move(outcome), [&](const Result<void>& result) {
        CANOPY_CHECK(result.has_value());
        const std::lock_guard lock(mutex);
        if (++recorded == count) changed.notify_all();
      });
    }
    std::unique_lock lock(mutex);
    changed.wait_for(lock, std::chrono::microseconds(200), [&] { return leased_count - recorded < 2048; });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return recorded == count; });
  return static_cast<double>(count) / seconds_since(begun);
}

// In a Redis: what is taken, and what is taken, leased and recorded at once.
void measure_redis(const std::filesystem::path& folder, const std::string& fsync, std::uint64_t count) {
  auto temp = store::TempFolder::make_in(folder);
  CANOPY_CHECK(temp.has_value());
  const store::RedisServer server(fsync, {}, *std::move(temp));
  auto log = store::open_redis_call_log(server.address(), {}, system_clock());
  CANOPY_CHECK(log.has_value());
  const auto begun = Clock_::now();
  Callers callers(**log, 64, count);
  const double rate = static_cast<double>(count) / seconds_since(begun);
  std::printf(
      "{\"what\": \"append\", \"fsync\": \"%s\", \"per_second\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
      fsync.c_str(), rate, percentile(callers.waits(), 0.5), percentile(callers.waits(), 0.99));
  run_rate(**log, count, 0);
  const double both = run_rate(**log, count, count);
  const auto stats = (*log)->stats();
  const double batch = static_cast<double>(stats.batch_operations) / static_cast<double>(stats.batches);
  std::printf("{\"what\": \"recorded\", \"fsync\": \"%s\", \"per_second\": %.0f, \"batch\": %.1f}\n",
              fsync.c_str(), both, batch);
}

void fill(store::CallLog& log, std::uint64_t count) { Callers(log, 4096, count); }

}  // namespace

int main(int argc, char** argv) {
  auto temp = argc > 1 ? store::TempFolder::make_in(argv[1]) : store::TempFolder::make();
  CANOPY_CHECK(temp.has_value());
  const auto folder = temp->path();
  if (argc == 5 && std::string(argv[2]) == "bare") {
    std::printf("{\"per_second\": %.0f}\n", bare_rate(folder, std::stoull(argv[4]), std::stod(argv[3])));
    return 0;
  }
  if (argc == 5 && std::string(argv[2]) == "redis") {
    measure_redis(folder, argv[3], std::stoull(argv[4]));
    return 0;
  }
  const std::uint64_t waiting = 1'000'000;

  auto log = open_log(folder);
  const auto begun = Clock_::now();
  const std::uint64_t accepted = 60'000;
  Callers callers(*log, 64, accepted);
  const double rate = static_cast<double>(accepted) / seconds_since(begun);
  const auto stats = log->stats();
  const double batch = static_cast<double>(stats.batch_operations) / static_cast<double>(stats.batches);
  const double commit_us = std::chrono::duration<double, std::micro>(stats.commit_time).count() /
                           static_cast<double>(stats.batches);
  const double bare = bare_rate(folder, accepted, batch);
  std::printf(
      "{\"what\": \"append\", \"per_second\": %.0f, \"bare_sqlite\": %.0f, \"ratio\": %.2f, "
      "\"batch\": %.1f, \"commit_us\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
      rate, bare, rate / bare, batch, commit_us, percentile(callers.waits(), 0.5),
      percentile(callers.waits(), 0.99));
  run_rate(*log, accepted, 0);
  const double both_empty = run_rate(*log, 60'000, 60'000);
  std::printf("{\"what\": \"recorded\", \"per_second\": %.0f}\n", both_empty);
  std::fflush(stdout);

  fill(*log, waiting);
  const double both_full = run_rate(*log, 60'000, 60'000);
  std::printf("{\"what\": \"full\", \"waiting\": %lu, \"per_second\": %.0f, \"ratio\": %.2f}\n", waiting,
              both_full, both_full / both_empty);
  log.reset();
  const auto reopening = Clock_::now();
  log = open_log(folder);
  std::printf("{\"what\": \"restart\", \"waiting\": %lu, \"seconds\": %.2f}\n", log->stats().waiting_count,
              seconds_since(reopening));
  const double after = run_rate(*log, 60'000, 60'000);
  std::printf("{\"what\": \"restarted\", \"per_second\": %.0f, \"ratio\": %.2f}\n", after,
              after / both_empty);
  return 0;
}
