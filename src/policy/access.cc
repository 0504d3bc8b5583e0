#include "policy/access.h"

#include <algorithm>

namespace canopy::policy {

bool reaches(const Subject& subject, std::string_view space) {
  return subject.every_space || std::ranges::binary_search(subject.spaces, space);
}

Verdict judge(const Subject& subject, const Need& need, std::string_view space) {
  if (need.reach == Reach::everybody) return Verdict::allowed;
  if (need.reach == Reach::space && !reaches(subject, space)) return Verdict::hidden;
  // A key for some namespaces is no key to the server, whatever its role.
  if (need.reach == Reach::server && !subject.every_space) return Verdict::refused;
  return subject.role >= need.role ? Verdict::allowed : Verdict::refused;
}

Role lower(Role a, Role b) { return std::min(a, b); }

bool demands_keys(const Place& place, bool has_users) {
  if (place.mode == Mode::on) return true;
  if (place.mode == Mode::off) return false;
  return has_users || (!place.loopback && !place.insecure);
}

}  // namespace canopy::policy
