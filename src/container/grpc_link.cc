#include "container/grpc_link.h"

#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "base/units.h"

namespace canopy::container {
namespace {

using Stream = net::DescriptorStream;

constexpr std::size_t piece_bytes = 64 * KiB;
constexpr int pieces_per_round = 4;

}  // namespace

GrpcLink::GrpcLink(exec::Core& core, Descriptor connection)
    : connection_(std::move(connection)), stream_(core.io()) {
  boost::system::error_code error;
  stream_.assign(connection_.get(), error);
}

// The number is the connection's, and closed by it.
GrpcLink::~GrpcLink() {
  if (stream_.is_open()) stream_.release();
}

std::shared_ptr<GrpcLink> GrpcLink::open(exec::Core& core, Descriptor connection) {
  std::shared_ptr<GrpcLink> link(new GrpcLink(core, std::move(connection)));
  link->wait_to_read();
  return link;
}

std::int32_t GrpcLink::ask(net::Http2Request request, std::uint64_t reply_bytes_max,
                           net::Http2Client::OnEnd on_end) {
  const std::int32_t id = client_.ask(std::move(request), reply_bytes_max, std::move(on_end));
  write();
  close_if_done();
  return id;
}

void GrpcLink::cancel(std::int32_t id) {
  client_.cancel(id);
  write();
  close_if_done();
}

void GrpcLink::write() {
  while (stream_.is_open() && !waits_to_write_) {
    if (sent_ == out_.size()) {
      out_.clear();
      sent_ = 0;
      client_.fill(out_);
      if (out_.empty()) return;
    }
    const ssize_t sent =
        send(connection_.get(), out_.data() + sent_, out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      sent_ += static_cast<std::size_t>(sent);
      has_sent_ = true;
    } else if (errno == EAGAIN) {
      waits_to_write_ = true;
      stream_.async_wait(Stream::wait_write,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                           self->waits_to_write_ = false;
                           if (!error) self->write();
                         });
    } else if (errno != EINTR) {
      return;  // What is there may still be read; the end comes with it.
    }
  }
}

void GrpcLink::wait_to_read() {
  if (!stream_.is_open()) return;
  stream_.async_wait(Stream::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
    if (error) return;
    Progress progress = Progress::more;
    for (int i = 0; i < pieces_per_round && progress == Progress::more; ++i) progress = self->read();
    if (progress != Progress::end) self->wait_to_read();
  });
}

Progress GrpcLink::read() {
  std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const ssize_t got = recv(connection_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EINTR) return Progress::more;
  if (got < 0 && errno == EAGAIN) return Progress::wait;
  if (got <= 0) {
    close("the container's server closed the connection");
    return Progress::end;
  }
  const bool goes_on = client_.receive({piece.data(), static_cast<std::size_t>(got)});
  write();
  if (!goes_on) close("the container's server does not speak HTTP/2");
  if (const auto on_read = on_read_) on_read();  // It may be taken back meanwhile.
  close_if_done();
  return stream_.is_open() ? Progress::more : Progress::end;
}

// Nothing more can come of it: a server that stops has answered all that it took.
void GrpcLink::close_if_done() {
  if (!client_.is_open() && client_.stream_count() == 0) close("");
}

void GrpcLink::close(std::string_view why) {
  client_.close(why, !has_sent_);
  if (stream_.is_open()) stream_.release();
  // Somebody may have its number once more.
  if (connection_) shutdown(connection_.get(), SHUT_RDWR);
  connection_.reset();
}

}  // namespace canopy::container
