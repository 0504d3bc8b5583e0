#include "foreign/status_reader.h"

#include <cstddef>

#include "wire/grpc.h"

namespace canopy::foreign {

Result<void> StatusReader::put(std::string_view bytes, const OnEvent& on_event) {
  const auto refuse = [this](const std::string& why) {
    is_broken_ = true;
    unread_.clear();
    return fail(Code::invalid, why);
  };
  if (is_broken_) return refuse("what came before was no event");
  unread_ += bytes;
  std::size_t read = 0;
  while (unread_.size() - read >= wire::grpc_prefix_bytes) {
    const std::string_view rest = std::string_view(unread_).substr(read);
    std::size_t size = 0;
    for (std::size_t i = 1; i < wire::grpc_prefix_bytes; ++i) {
      size = size << 8U | static_cast<unsigned char>(rest[i]);
    }
    if (size > event_bytes_max) return refuse("it would have " + size_text(size));
    if (rest.size() < wire::grpc_prefix_bytes + size) break;
    const auto message =
        wire::read_grpc_message(rest.substr(0, wire::grpc_prefix_bytes + size), event_bytes_max);
    if (!message) return refuse(message.error().message);
    const auto event = wire::read_event(*message);
    if (!event) return refuse(event.error().message);
    read += wire::grpc_prefix_bytes + size;
    on_event(*event);
  }
  unread_.erase(0, read);
  return {};
}

}  // namespace canopy::foreign
