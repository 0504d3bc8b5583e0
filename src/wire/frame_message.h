#pragma once
// The messages of frames.proto as bodies of frames. For the files of this folder, which include what protoc
// makes of it.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

template <class Message>
void put_message(const Message& message, std::string& out) {
  out.clear();
  message.AppendToString(&out);
}

inline tl::unexpected<Error> no_message(std::string_view what) {
  return fail(Code::invalid, "a frame's body is no " + std::string(what));
}

// At most `bytes_max`, which an int holds.
//   invalid  more, or no such message
template <class Message>
Result<Message> parse_message(std::string_view body, std::string_view what, std::size_t bytes_max) {
  Message message;
  if (body.size() > bytes_max || !message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return no_message(what);
  }
  return message;
}

}  // namespace canopy::wire
