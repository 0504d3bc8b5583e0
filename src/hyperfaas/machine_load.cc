#include "hyperfaas/machine_load.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace canopy::hyperfaas {
namespace {

constexpr int idle_column = 3;
constexpr int waiting_column = 4;
constexpr int columns_counted = 8;  // Guests' time is in that of users already.

std::string content_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::vector<CoreTicks> read_cores(std::string_view stat) {
  std::vector<CoreTicks> cores;
  std::istringstream lines{std::string(stat)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (!name.starts_with("cpu") || name == "cpu") continue;
    CoreTicks ticks;
    std::uint64_t count = 0;
    for (int column = 0; column < columns_counted && words >> count; ++column) {
      ticks.all += count;
      if (column != idle_column && column != waiting_column) ticks.busy += count;
    }
    cores.push_back(ticks);
  }
  return cores;
}

double read_ram_percent(std::string_view meminfo) {
  double all = 0;
  double available = 0;
  std::istringstream lines{std::string(meminfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    double kibibytes = 0;
    if (!(words >> name >> kibibytes)) continue;
    if (name == "MemTotal:") all = kibibytes;
    if (name == "MemAvailable:") available = kibibytes;
  }
  return all > 0 ? 100 * (all - std::min(available, all)) / all : 0;
}

std::vector<CoreTicks> cores_now() { return read_cores(content_of("/proc/stat")); }
double ram_percent_now() { return read_ram_percent(content_of("/proc/meminfo")); }

std::vector<double> percents_between(const std::vector<CoreTicks>& before,
                                     const std::vector<CoreTicks>& after) {
  std::vector<double> percents;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const CoreTicks from = i < before.size() && before[i].all < after[i].all ? before[i] : CoreTicks();
    const auto all = static_cast<double>(after[i].all - from.all);
    const auto busy = static_cast<double>(std::max(after[i].busy, from.busy) - from.busy);
    percents.push_back(all > 0 ? 100 * busy / all : 0);
  }
  return percents;
}

}  // namespace canopy::hyperfaas
