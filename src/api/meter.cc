#include "api/meter.h"

namespace canopy::api {
namespace {

constexpr double kib_us_per_byte_second = 1e6 / 1024;

}  // namespace

std::int64_t day_of(WallTime time) {
  return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}

std::vector<DayUsage> Meter::take(WallTime now) {
  std::vector<DayUsage> rows;
  rows.reserve(spent_.size());
  for (const auto& [whose, spent] : spent_) {
    rows.push_back({.day = day_of(now),
                    .user = whose.user,
                    .function = whose.function,
                    .call_count = spent.call_count,
                    .error_count = spent.error_count,
                    .run_time = spent.run_time,
                    .cpu_time = spent.cpu_time,
                    .memory_kib_us = static_cast<std::uint64_t>(spent.byte_seconds * kib_us_per_byte_second),
                    .input_bytes = spent.input_bytes,
                    .output_bytes = spent.output_bytes,
                    .log_bytes = spent.log_bytes});
  }
  spent_.clear();
  return rows;
}

void Meter::give_back(const std::vector<DayUsage>& rows) {
  for (const DayUsage& row : rows) {
    Spent& spent = of(row.user, row.function);
    spent.call_count += row.call_count;
    spent.error_count += row.error_count;
    spent.run_time += row.run_time;
    spent.cpu_time += row.cpu_time;
    spent.byte_seconds += static_cast<double>(row.memory_kib_us) / kib_us_per_byte_second;
    spent.input_bytes += row.input_bytes;
    spent.output_bytes += row.output_bytes;
    spent.log_bytes += row.log_bytes;
  }
}

}  // namespace canopy::api
