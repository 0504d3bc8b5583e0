#pragma once
// Where frames come from over the network: a port that is listened on, and connections that are made to one.
//
// Threads: everything runs on the io_context's thread.
// Life:    a port may be destroyed at any time; the links it handed out live on.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "net/blocking_pool.h"
#include "net/frame_channel.h"
#include "net/task.h"

namespace canopy::net {

class FramePort {
 public:
  virtual ~FramePort() = default;
  virtual std::uint16_t port() const = 0;
};

// `address` is that of the other side, "10.0.0.7:52110".
using OnLink = std::function<void(std::unique_ptr<FrameLink> link, const std::string& address)>;

// Listens from the moment this returns; port 0 lets the kernel choose. Frames that come have bodies of at
// most `body_bytes_max`. Where `tls` is given, it is spoken.
//   unavailable  the address is taken or not ours; the message says which
Result<std::unique_ptr<FramePort>> open_frame_port(asio::io_context& io, const std::string& host,
                                                   std::uint16_t port, std::size_t body_bytes_max,
                                                   std::shared_ptr<const TlsContext> tls, OnLink on_link);

// Connects within `timeout`; names are looked up on `pool`. Where `tls` is given, its handshake follows: that
// it fails is heard on the link.
//   unavailable  nobody listens there, the name is not known
//   deadline     no answer
Task<Result<std::unique_ptr<FrameLink>>> dial_frames(asio::io_context& io, BlockingPool& pool,
                                                     std::string host, std::uint16_t port, Duration timeout,
                                                     std::shared_ptr<const TlsContext> tls = nullptr);

}  // namespace canopy::net
