#pragma once
// What is counted of a function's calls on one core. Plain numbers that only their core touches; a scrape
// asks each core for a copy and adds them up.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::api {

// How long things took, in buckets of about three to a decade.
class Histogram {
 public:
  // The upper ends of the buckets; one more bucket takes what is longer.
  static constexpr std::array<Duration, 17> ends = {
      std::chrono::microseconds(5),   std::chrono::microseconds(10),  std::chrono::microseconds(25),
      std::chrono::microseconds(50),  std::chrono::microseconds(100), std::chrono::microseconds(250),
      std::chrono::microseconds(500), std::chrono::milliseconds(1),   std::chrono::microseconds(2500),
      std::chrono::milliseconds(5),   std::chrono::milliseconds(10),  std::chrono::milliseconds(25),
      std::chrono::milliseconds(100), std::chrono::milliseconds(500), std::chrono::milliseconds(2500),
      std::chrono::seconds(10),       std::chrono::seconds(60)};

  void add(Duration value) {
    std::size_t bucket = 0;
    while (bucket < ends.size() && value > ends[bucket]) ++bucket;
    ++counts_[bucket];
    sum_ += value;
  }
  void add(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    sum_ += other.sum_;
  }

  std::uint64_t bucket(std::size_t index) const { return counts_[index]; }
  Duration sum() const { return sum_; }
  std::uint64_t count() const {
    std::uint64_t count = 0;
    for (const std::uint64_t in_bucket : counts_) count += in_bucket;
    return count;
  }

 private:
  std::array<std::uint64_t, ends.size() + 1> counts_{};
  Duration sum_{};
};

inline constexpr std::size_t code_count = static_cast<std::size_t>(Code::deadline) + 1;

struct CallCounters {
  std::uint64_t ok_count = 0;
  std::array<std::uint64_t, code_count> failed_counts{};  // By Code.
  std::uint64_t cold_count = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t log_dropped_bytes = 0;
  Duration cpu_time{};
  Histogram run_time;
  Histogram queue_time;

  void add(const CallCounters& other) {
    ok_count += other.ok_count;
    for (std::size_t i = 0; i < failed_counts.size(); ++i) failed_counts[i] += other.failed_counts[i];
    cold_count += other.cold_count;
    input_bytes += other.input_bytes;
    output_bytes += other.output_bytes;
    log_dropped_bytes += other.log_dropped_bytes;
    cpu_time += other.cpu_time;
    run_time.add(other.run_time);
    queue_time.add(other.queue_time);
  }
};

}  // namespace canopy::api
