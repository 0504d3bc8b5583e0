#pragma once
// Who may knock at which door: a role, and the namespaces it counts for.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/user.h"

namespace canopy::policy {

// What a door is in front of.
enum class Reach : std::uint8_t {
  everybody,  // Nothing of anybody's.
  own,        // What belongs to whoever asks; the handler shows no more than that.
  space,      // One namespace.
  server,     // The whole server.
};

struct Need {
  Role role = Role::admin;
  Reach reach = Reach::server;
};

// Whoever asks. No key was needed, and none shown: an admin.
struct Subject {
  Role role = Role::admin;
  bool every_space = true;
  std::vector<std::string> spaces = {};  // Sorted; those it counts for, unless for all.
};

bool reaches(const Subject& subject, std::string_view space);

enum class Verdict : std::uint8_t {
  allowed,
  hidden,   // Answer as if it were not there.
  refused,  // It may be there; the role is not enough.
};

// What is hidden is hidden from every role alike, so that a refusal does not say that it is there.
Verdict judge(const Subject& subject, const Need& need, std::string_view space);

// The lower of both; for a key and its user.
Role lower(Role a, Role b);

// When keys are demanded: `auto` says yes where others can reach the server, unless `insecure`, and
// everywhere as soon as there is a user.
enum class Mode : std::uint8_t { automatic, on, off };
struct Place {
  Mode mode = Mode::automatic;
  bool loopback = true;
  bool insecure = false;
};
bool demands_keys(const Place& place, bool has_users);

}  // namespace canopy::policy
