#pragma once
// One connection of HTTP/2 from a core into a container, which all calls of that core in it share. It stays
// open until the container's server closes it, or the container ends.
//
// Threads: its core's.
// Life:    keeps itself alive while it is open.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "container/engine.h"
#include "exec/core.h"
#include "net/descriptor_stream.h"
#include "net/http2_client.h"

namespace canopy::container {

class GrpcLink : public std::enable_shared_from_this<GrpcLink> {
 public:
  // `connection` is there already.
  static std::shared_ptr<GrpcLink> open(exec::Core& core, Descriptor connection);
  ~GrpcLink();
  GrpcLink(const GrpcLink&) = delete;
  GrpcLink& operator=(const GrpcLink&) = delete;

  // As Http2Client: `on_end` may be called from within, too.
  std::int32_t ask(net::Http2Request request, std::uint64_t reply_bytes_max, net::Http2Client::OnEnd on_end);
  void cancel(std::int32_t id);
  bool is_open() const { return client_.is_open(); }

  // Called when more of a reply may have come.
  void set_on_read(std::function<void()> on_read) { on_read_ = std::move(on_read); }
  std::string take_body(std::int32_t id) { return client_.take_body(id); }

  int descriptor() const { return connection_.get(); }

  // What is open ends, as if the connection were lost.
  void close(std::string_view why);

 private:
  GrpcLink(exec::Core& core, Descriptor connection);

  void write();
  void wait_to_read();
  Progress read();
  void close_if_done();

  Descriptor connection_;
  net::DescriptorStream stream_;
  net::Http2Client client_;
  std::string out_;
  std::size_t sent_ = 0;
  bool has_sent_ = false;
  bool waits_to_write_ = false;
  std::function<void()> on_read_;
};

}  // namespace canopy::container
