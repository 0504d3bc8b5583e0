#pragma once
// What nodes say to each other: frames over a stream of bytes, many calls at once on one connection.
//
//   size u32 │ kind u8 │ flags u8 │ call u64 │ body        little-endian; `size` counts all that follows it
//
// `call` says which of the connection's calls a frame belongs to; 0: none, it is about the connection. The
// bodies are Protobuf (frames.proto, node_frames.h, join_frames.h), but for `data`, `log` and `piece`, which
// are bytes.
//
//   parent ─ setup, define, open, data…, cancel, forget, ping ─▶ worker
//          ◀─ hello (with credit), log…, data…, end, refuse, goaway, pong ─
//
// A worker on another machine is not started but joins, and has no disk in common with its parent:
//
//   gateway ─ challenge ─────── welcome, ping, piece… ─▶ worker        on its first connection
//           ◀─ join ─────────── pong, want, goaway ─
//           ─ challenge ─────── as a parent does ─▶                    on one more for each core
//           ◀─ line ─────────── as a worker does, and asks for calls ─
//
// A balancer joins as a worker does, and lets workers and balancers join it as a gateway does. It says in
// `offer` how many calls those below it take; every worker that joins says in `warm` which functions it has.
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
  pong,       // With what the worker has to do.
  challenge,  // To whoever has connected: to be answered with a proof that it knows the token.
  join,       // From a worker: that proof, who it is and what it can do.
  line,       // From the same: this is its connection to one core.
  welcome,    // To it: it belongs to us, with the proof that we know the token.
  ask,        // From a worker: it takes so many calls more, `call` says how many.
  want,       // From it: a piece of stored code.
  piece,      // To it: that, under the number of its `want`.
  offer,      // From a balancer: it takes so many calls at once, of these runtimes. `call`: see offer_head().
  warm,       // From a worker or a balancer: functions that it has loaded, and that it has not any more.
  tree,       // From a balancer, behind its pong: who is below it.
};

// Flags of a frame, by its kind.
inline constexpr std::uint8_t end_asks = 1;         // end: and an ask for one more call.
inline constexpr std::uint8_t end_lost = 2;         // end: what ran it is gone, nobody knows how far it came.
inline constexpr std::uint8_t piece_missing = 1;    // piece: there is none; the body says why.
inline constexpr std::uint8_t goaway_for_good = 1;  // goaway: it is no use to try again; the body says why.

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

inline constexpr std::uint32_t frame_version = 2;
inline constexpr std::size_t frame_head_bytes = 14;
inline constexpr std::size_t frame_body_bytes_max = 4 << 20;

// Appends the frame; its body is at most frame_body_bytes_max.
void append_frame(const FrameHead& head, std::string_view body, std::string& out);

// Takes the frame that `bytes` begin with off them; nothing where it is not whole yet. `body_bytes_max` is at
// most frame_body_bytes_max: less from whom little is expected.
//   invalid    no frame begins so: a size below the head's, or a kind that there is not
//   too_large  past the limit, with its size
Result<std::optional<Frame>> take_frame(std::string_view& bytes,
                                        std::size_t body_bytes_max = frame_body_bytes_max);

// How many bytes the frame that `bytes` begin with has, once that much of it is there; 0 before.
std::size_t frame_bytes(std::string_view bytes);

}  // namespace canopy::wire
