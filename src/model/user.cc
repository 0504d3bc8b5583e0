#include "model/user.h"

#include <limits>

namespace canopy {
namespace {

constexpr std::array<std::string_view, 3> role_names = {"caller", "developer", "admin"};

// Sums stay at the largest number rather than begin anew.
void add_up(std::uint64_t& sum, std::uint64_t more) {
  const std::uint64_t max = std::numeric_limits<std::int64_t>::max();
  sum = more > max - std::min(sum, max) ? max : sum + more;
}

void add_up(Duration& sum, Duration more) {
  sum = more > Duration::max() - sum ? Duration::max() : sum + more;
}

}  // namespace

std::string_view name(Role role) { return role_names.at(static_cast<std::size_t>(role)); }

std::optional<Role> parse_role(std::string_view text) {
  for (std::size_t i = 0; i < role_names.size(); ++i) {
    if (role_names.at(i) == text) return static_cast<Role>(i);
  }
  return std::nullopt;
}

Quotas default_quotas(Role role) {
  if (role == Role::admin) return {};
  Quotas quotas;
  quotas.functions = 100;
  quotas.code_bytes = GiB;
  quotas.concurrency = 1000;
  quotas.queued_calls = 100'000;
  quotas.calls_per_minute = 600'000;
  quotas.log_bytes_per_minute = 64 * MiB;
  quotas.result_bytes_per_minute = GiB;
  return quotas;
}

void DayUsage::add(const DayUsage& other) {
  add_up(call_count, other.call_count);
  add_up(error_count, other.error_count);
  add_up(run_time, other.run_time);
  add_up(cpu_time, other.cpu_time);
  add_up(memory_kib_us, other.memory_kib_us);
  add_up(input_bytes, other.input_bytes);
  add_up(output_bytes, other.output_bytes);
  add_up(log_bytes, other.log_bytes);
}

}  // namespace canopy
