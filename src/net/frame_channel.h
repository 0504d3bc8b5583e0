#pragma once
// A connection that carries frames both ways: a socket pair to a process beside this one, or a stream to
// another machine.
//
//   send() ─▶ out ─ one write at the end of the loop's round ─▶ the other side
//   listener.on_frame() ◀─ frames ◀─ one read a round ◀─
//
// What is sent in one round of the loop goes out in one write: that is what makes a frame cheap. Order is
// kept. There is no back-pressure in here: who sends keeps to the credit it was given, and can see what has
// not gone out yet.
//
// Threads: all on the io_context's thread.
// Life:    a link may be destroyed at any time, in on_frame() too; nobody is told of anything then.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/task.h"
#include "net/tls_session.h"
#include "wire/frame.h"

namespace canopy::net {

// What on_closed() says where nothing was wrong.
inline constexpr std::string_view closed_by_other_side = "the other side closed the connection";

class FrameListener {
 public:
  virtual ~FrameListener() = default;
  // The frame's body lives until this returns.
  virtual void on_frame(const wire::Frame& frame) = 0;
  // The other side is gone, or what it said was no frame; `why` is a sentence. Once; no frame comes after.
  virtual void on_closed(const std::string& why) = 0;
};

class FrameLink;

// Takes a connection up on the loop of another thread, there; once. Closes it if it is never called.
using LinkMaker = std::function<std::unique_ptr<FrameLink>(asio::io_context& io)>;

class FrameLink {
 public:
  virtual ~FrameLink() = default;

  // Before anything else; nothing is read before. `listener` outlives the link, or what takes its place: from
  // a second time on, another one hears what comes.
  virtual void listen(FrameListener& listener) = 0;

  // Hands the frame over; returns its place in the stream of all that was handed over.
  virtual std::uint64_t send(const wire::FrameHead& head, std::string_view body) = 0;
  // Up to which place of the stream the other side can have read; the frames from there on it has not.
  virtual std::uint64_t sent_bytes() const = 0;
  virtual std::uint64_t unsent_bytes() const = 0;

  // Sends what was handed over, then nothing more; the listener hears of it when the other side has closed,
  // too.
  virtual void close() = 0;

  // Lets go of the connection, to be taken up elsewhere: in on_frame() alone. Nothing is heard of it here any
  // more; there, frames may have full size.
  //   invalid  something came behind that frame, or what was sent has not gone yet
  virtual Result<LinkMaker> release() = 0;
};

// A link over the connected stream socket `descriptor`, which it takes over. A frame whose body is larger
// than `body_bytes_max` ends it. With `tls`, everything is carried in that.
std::unique_ptr<FrameLink> make_frame_channel(asio::io_context& io, int descriptor,
                                              std::size_t body_bytes_max = wire::frame_body_bytes_max,
                                              std::unique_ptr<TlsSession> tls = nullptr);

}  // namespace canopy::net
