#include "cli/event_reader.h"

#include <algorithm>
#include <utility>

namespace canopy::cli {

bool EventReader::take(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    const std::string name = std::exchange(name_, "");
    const std::string data = std::exchange(data_, "");
    return !std::exchange(has_data_, false) || on_event_(name.empty() ? "message" : name, data);
  }
  const std::size_t colon = std::min(line.find(':'), line.size());
  const std::string_view field = line.substr(0, colon);
  std::string_view value = line.substr(std::min(colon + 1, line.size()));
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event") {
    name_ = value.substr(0, event_bytes_max);
  } else if (field == "data") {
    if (has_data_) data_ += '\n';
    data_ += value.substr(0, event_bytes_max - std::min(data_.size(), event_bytes_max));
    has_data_ = true;
  }
  return true;
}

}  // namespace canopy::cli
