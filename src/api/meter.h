#pragma once
// What calls took, by user and function, on one core; until it is written down. Plain numbers that only their
// core touches.
//
// Written down every flush_period, on demand, and at the end: so a graceful stop loses nothing, and a kill -9
// the calls that ended within the last flush_period, and those that were being written.
//
// Threads: its core's.

#include <cstdint>
#include <functional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "model/user.h"

namespace canopy::api {

inline constexpr Duration flush_period = std::chrono::seconds(5);

struct Spent {
  std::uint64_t call_count = 0;
  std::uint64_t error_count = 0;
  Duration run_time{};
  Duration cpu_time{};
  double byte_seconds = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t log_bytes = 0;
};

class Meter {
 public:
  // The sums of that function, to add to. Valid until the next call of any method.
  Spent& of(std::uint64_t user, const FunctionName& function) { return spent_[{user, function}]; }

  bool empty() const { return spent_.empty(); }

  // All sums, for the day that it is; and begins anew.
  std::vector<DayUsage> take(WallTime now);
  // What could not be written down.
  void give_back(const std::vector<DayUsage>& rows);

 private:
  struct Whose {
    std::uint64_t user = 0;
    FunctionName function;
    bool operator==(const Whose&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Whose& whose) const noexcept {
      const std::hash<std::string_view> hash;
      return (hash(whose.function.space) * 31 + hash(whose.function.name)) * 31 + whose.user;
    }
  };

  std::unordered_map<Whose, Spent, Hash> spent_;
};

std::int64_t day_of(WallTime time);

}  // namespace canopy::api
