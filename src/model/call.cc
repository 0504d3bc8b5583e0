#include "model/call.h"

#include <algorithm>

namespace canopy {

void CallLog::write(Stream /*stream*/, std::string_view bytes) {
  const std::size_t room =
      static_cast<std::size_t>(size_max_ - std::min<std::uint64_t>(size_max_, text_.size()));
  const std::string_view kept = bytes.substr(0, room);
  text_ += kept;
  dropped_bytes_ += bytes.size() - kept.size();
  if (on_write && !kept.empty()) on_write(kept);
}

}  // namespace canopy
