#pragma once
// Server-sent events, taken line by line: what a server streams for `canopy logs -f`.

#include <functional>
#include <string>
#include <string_view>

namespace canopy::cli {

class EventReader {
 public:
  // Returns whether to go on.
  using OnEvent = std::function<bool(std::string_view name, std::string_view data)>;

  explicit EventReader(OnEvent on_event) : on_event_(std::move(on_event)) {}

  // One line without its end. Several `data:` lines make one event, joined by line ends; an event without
  // data is none; comments (a sign of life) and unknown fields are passed over. An event of more than
  // event_bytes_max is cut there.
  bool take(std::string_view line);

  static constexpr std::size_t event_bytes_max = std::size_t{8} << 20U;

 private:
  OnEvent on_event_;
  std::string name_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace canopy::cli
