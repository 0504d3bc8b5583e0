#pragma once
// For tests: the server's side of a GrpcLink, in the same thread. What it hears are the streams and their
// bodies; what it says it writes by hand.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>

namespace canopy::container {

class GrpcPeer {
 public:
  explicit GrpcPeer(int descriptor) : descriptor_(descriptor) {}

  // The streams whose requests have come whole, in order, since the last time.
  std::vector<std::uint32_t> hear() {
    std::array<char, 65536> piece{};
    for (;;) {
      const ssize_t got = recv(descriptor_, piece.data(), piece.size(), MSG_DONTWAIT);
      if (got <= 0) break;
      unread_.append(piece.data(), static_cast<std::size_t>(got));
    }
    constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (unread_.starts_with(preface)) {
      unread_.erase(0, preface.size());
      send_frame(settings, 0, 0, "");
    }
    std::vector<std::uint32_t> whole;
    while (unread_.size() >= head_bytes) {
      const std::size_t size = number(0, 3);
      if (unread_.size() < head_bytes + size) break;
      const auto type = static_cast<std::uint8_t>(unread_[3]);
      const auto flags = static_cast<std::uint8_t>(unread_[4]);
      const auto stream = static_cast<std::uint32_t>(number(5, 4));
      if (type == data) bodies[stream].append(unread_, head_bytes, size);
      if (type == reset) ++reset_count;
      if (type <= headers && (flags & end_stream) != 0) whole.push_back(stream);
      unread_.erase(0, head_bytes + size);
    }
    return whole;
  }

  // A whole answer of gRPC, with that status.
  void answer(std::uint32_t stream, std::string_view body, std::string_view status = "0",
              std::string_view words = "") {
    begin(stream);
    send_frame(data, 0, stream, body);
    end(stream, status, words);
  }
  void begin(std::uint32_t stream) { send_frame(headers, end_headers, stream, "\x88"); }  // :status 200
  void send_data(std::uint32_t stream, std::string_view body) { send_frame(data, 0, stream, body); }
  void end(std::uint32_t stream, std::string_view status, std::string_view words = "") {
    std::string fields = literal("grpc-status", status);
    if (!words.empty()) fields += literal("grpc-message", words);
    send_frame(headers, end_headers | end_stream, stream, fields);
  }
  void refuse(std::uint32_t stream) { send_frame(reset, 0, stream, {"\0\0\0\7", 4}); }
  void break_off(std::uint32_t stream) { send_frame(reset, 0, stream, {"\0\0\0\2", 4}); }
  // It takes none after that stream.
  void go(std::uint32_t last) {
    std::string payload(8, '\0');
    payload[3] = static_cast<char>(last);
    send_frame(goaway, 0, 0, payload);
  }

  std::map<std::uint32_t, std::string> bodies;
  int reset_count = 0;

 private:
  static constexpr std::size_t head_bytes = 9;
  static constexpr std::uint8_t data = 0;
  static constexpr std::uint8_t headers = 1;
  static constexpr std::uint8_t reset = 3;
  static constexpr std::uint8_t settings = 4;
  static constexpr std::uint8_t goaway = 7;
  static constexpr std::uint8_t end_stream = 1;
  static constexpr std::uint8_t end_headers = 4;

  std::size_t number(std::size_t at, std::size_t size) const {
    std::size_t made = 0;
    for (std::size_t i = 0; i < size; ++i) made = made << 8U | static_cast<std::uint8_t>(unread_[at + i]);
    return made;
  }

  static std::string literal(std::string_view name, std::string_view value) {
    std::string made(1, '\0');
    for (const std::string_view text : {name, value}) {
      made += static_cast<char>(std::min<std::size_t>(text.size(), 126));
      made += text.substr(0, 126);
    }
    return made;
  }

  void send_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
    std::string frame;
    for (const unsigned shift : {16U, 8U, 0U}) frame += static_cast<char>(payload.size() >> shift & 255U);
    frame += static_cast<char>(type);
    frame += static_cast<char>(flags);
    for (const unsigned shift : {24U, 16U, 8U, 0U}) frame += static_cast<char>(stream >> shift & 255U);
    frame += payload;
    static_cast<void>(send(descriptor_, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  const int descriptor_;
  std::string unread_;
};

}  // namespace canopy::container
