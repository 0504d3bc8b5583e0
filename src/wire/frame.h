#pragma once
// What nodes say to each other: frames over a stream of bytes, many calls at once on one connection.
//
//   size u32 │ kind u8 │ flags u8 │ call u64 │ body        little-endian; `size` counts all that follows it
//
// `call` says which of the connection's calls a frame belongs to; 0: none, it is about the connection. The
// bodies are Protobuf (frames.proto, node_frames.h), but for `data` and `log`, which are bytes.
//
//   parent ─ setup, define, open, data…, cancel, forget, ping ─▶ worker
//          ◀─ hello (with credit), log…, data…, end, refuse, goaway, pong ─
//
// Threads: none of its own; plain functions.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

enum class FrameKind : std::uint8_t {
  setup = 1,  // To a worker, once, before anything else: what it is to be.
  hello,      // From a worker: it is ready, and takes so many calls at once on this connection.
  define,     // A function, under a number that `open` refers to.
  forget,     // That number means nothing any more; none of its calls runs.
  open,       // A call. Where its input is longer than fits, `data` follows.
  data,       // More of a call's input, or of its output.
  log,        // A piece of its log.
  cancel,     // It is to end.
  end,        // It has ended: its reply. What is left of the output came before.
  refuse,     // It was not begun, and is not going to be: it may go to somebody else.
  goaway,     // No more calls are taken on this connection; those that run go on.
  ping,
  pong,  // With what the worker has to do.
};

struct FrameHead {
  FrameKind kind = FrameKind::ping;
  std::uint8_t flags = 0;
  std::uint64_t call = 0;
};

// `body` points into what it was read from.
struct Frame {
  FrameHead head;
  std::string_view body;
};

inline constexpr std::uint32_t frame_version = 1;
inline constexpr std::size_t frame_head_bytes = 14;
inline constexpr std::size_t frame_body_bytes_max = 4 << 20;

// Appends the frame; its body is at most frame_body_bytes_max.
void append_frame(const FrameHead& head, std::string_view body, std::string& out);

// Takes the frame that `bytes` begin with off them; nothing where it is not whole yet.
//   invalid    no frame begins so: a size below the head's, or a kind that there is not
//   too_large  past the limit, with its size
Result<std::optional<Frame>> take_frame(std::string_view& bytes);

// How many bytes the frame that `bytes` begin with has, once that much of it is there; 0 before.
std::size_t frame_bytes(std::string_view bytes);

}  // namespace canopy::wire
