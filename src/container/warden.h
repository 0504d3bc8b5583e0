#pragma once
// A process between the server and one container of runc: it starts it, waits for its end as its parent,
// cleans up behind it, and ends it when the server is gone, however that ended. So no container outlives its
// server.
//
//   descriptors 0, 1, 2   the container's
//   descriptor 3          packets: "stop <milliseconds>" from the server; "started <pid>", "failed <words>",
//                         "ended <status> <1: out of memory>" and "gone" to it
//
// A closed descriptor 3 means: kill it now.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace canopy::container {

inline constexpr std::string_view warden_word = "run-container";
inline constexpr int warden_descriptor = 3;
inline constexpr std::size_t warden_packet_bytes_max = 16 * 1024;

struct WardenPlan {
  std::string runc;    // The program.
  std::string state;   // Its folder for what runs.
  std::string bundle;  // A folder with config.json.
  std::string id;
};

std::vector<std::string> warden_words(const WardenPlan& plan);

bool is_warden(int count, const char* const* arguments);
// Returns its exit status.
int warden(int count, const char* const* arguments);

}  // namespace canopy::container
