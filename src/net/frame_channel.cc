#include "net/frame_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <sys/socket.h>

#include "base/descriptor.h"

namespace canopy::net {
namespace {

using FrameSocket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

constexpr std::size_t read_bytes = 64 << 10;
constexpr std::size_t kept_bytes_max = 256 << 10;  // Of a buffer that a large frame has made large.

// What is read and not yet taken apart.
class Inbox {
 public:
  // Room for what comes next: for the rest of the frame that has begun, where its size is known.
  asio::mutable_buffer room() {
    if (first_ == last_) {
      first_ = last_ = 0;
      if (bytes_.size() > kept_bytes_max) bytes_ = {};
    }
    const std::size_t wanted = std::max(wire::frame_bytes(unread()), unread().size() + read_bytes / 2);
    if (first_ + wanted > bytes_.size()) {
      if (first_ > 0) std::memmove(bytes_.data(), bytes_.data() + first_, last_ - first_);
      last_ -= std::exchange(first_, 0);
      if (wanted > bytes_.size()) bytes_.resize(std::max(wanted, read_bytes));
    }
    return asio::buffer(bytes_.data() + last_, bytes_.size() - last_);
  }
  void add(std::size_t size) { last_ += size; }
  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      const asio::mutable_buffer place = room();
      const std::size_t size = std::min(bytes.size(), place.size());
      std::memcpy(place.data(), bytes.data(), size);
      add(size);
      bytes.remove_prefix(size);
    }
  }
  std::string_view unread() const { return {bytes_.data() + first_, last_ - first_}; }
  void take_until(std::string_view rest) { first_ = last_ - rest.size(); }

 private:
  std::vector<char> bytes_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

// What came where a frame should have begun, as far as it shows who is there.
std::string describe(std::string_view bytes, const Error& error) {
  constexpr std::size_t shown_max = 60;
  constexpr std::size_t words_min = 4;
  constexpr std::string_view tls_alert = "\x15\x03";
  if (bytes.starts_with(tls_alert)) return "it speaks TLS";
  const std::string_view line = bytes.substr(0, bytes.find_first_of("\r\n")).substr(0, shown_max);
  const bool is_text = std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; });
  return is_text && line.size() >= words_min ? "it says \"" + std::string(line) + '"' : error.message;
}

struct Stream : std::enable_shared_from_this<Stream> {
  Stream(asio::io_context& io, int descriptor, std::size_t bytes_max, std::unique_ptr<TlsSession> session)
      : socket(io.get_executor()), body_bytes_max(bytes_max), tls(std::move(session)) {
    boost::system::error_code error;
    int family = AF_UNIX;
    socklen_t size = sizeof family;
    getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size);
    socket.assign(asio::generic::stream_protocol(family, 0), descriptor, error);
    socket.non_blocking(true, error);
  }

  void read();
  void take_bytes(std::size_t size);
  void take_frames();
  void plan_flush();
  void flush();
  std::string_view next_to_write();
  void has_written(std::size_t size);
  bool has_unwritten() const { return out_first < out.size() || cipher_first < cipher.size(); }
  void close_now(const std::string& why);
  void leave();
  Result<LinkMaker> release();

  FrameSocket socket;
  const std::size_t body_bytes_max;
  FrameListener* listener = nullptr;
  std::unique_ptr<TlsSession> tls;
  std::vector<char> raw;         // What came of it is read into, before it is taken apart.
  std::string cipher;            // What it has made of `out`,
  std::size_t cipher_first = 0;  // of which this much has gone.
  Inbox inbox;
  std::string_view rest;  // Of it, while frames are taken: what comes behind the one that is heard now.
  std::string out;
  std::size_t out_first = 0;  // What comes before has gone.
  std::uint64_t sent = 0;
  bool reading = false;
  bool flush_planned = false;
  bool write_failed = false;
  bool closing = false;
};

void Stream::read() {
  const auto done = [self = shared_from_this()](const boost::system::error_code& error, std::size_t size) {
    if (self->listener == nullptr) return;
    if (size > 0) self->take_bytes(size);
    if (self->listener == nullptr) return;
    if (!error) return self->read();
    self->close_now(error == asio::error::eof ? std::string(closed_by_other_side)
                                              : "the connection broke: " + error.message());
  };
  if (tls) raw.resize(read_bytes);
  socket.async_read_some(tls ? asio::buffer(raw) : inbox.room(), done);
}

void Stream::take_bytes(std::size_t size) {
  if (!tls) {
    inbox.add(size);
    return take_frames();
  }
  const auto taken = tls->take({raw.data(), size}, [this](std::string_view plain) { inbox.append(plain); });
  plan_flush();  // The handshake has something to say, too.
  if (!taken) {
    flush();  // It says why, too.
    return close_now(taken.error().message);
  }
  take_frames();
}

void Stream::take_frames() {
  const auto self = shared_from_this();  // The listener may let go of the link.
  rest = inbox.unread();
  while (listener != nullptr) {
    const auto frame = wire::take_frame(rest, body_bytes_max);
    if (!frame) return close_now("what the other side sends are no frames: " + describe(rest, frame.error()));
    if (!*frame) break;
    listener->on_frame(**frame);
  }
  inbox.take_until(rest);
}

void Stream::plan_flush() {
  if (std::exchange(flush_planned, true)) return;
  asio::post(socket.get_executor(), [self = shared_from_this()] { self->flush(); });
}

void Stream::flush() {
  flush_planned = false;
  if (listener == nullptr) return;
  while (!write_failed) {
    boost::system::error_code error;
    const std::string_view unsent = next_to_write();
    if (unsent.empty()) break;
    has_written(socket.write_some(asio::buffer(unsent.data(), unsent.size()), error));
    if (error == asio::error::would_block || error == asio::error::try_again) {
      flush_planned = true;
      socket.async_wait(asio::socket_base::wait_write,
                        [self = shared_from_this()](const boost::system::error_code&) { self->flush(); });
      // What has gone is let go of, but not for each small step.
      if (out_first > kept_bytes_max) out.erase(0, std::exchange(out_first, 0));
      return;
    }
    write_failed = static_cast<bool>(error);  // What was said before may still be there to be read.
  }
  if (!write_failed && out_first < out.size()) return;  // The handshake is not over.
  if (!write_failed) {
    out.clear();
    out_first = 0;
    if (out.capacity() > kept_bytes_max) out = {};
  }
  boost::system::error_code error;
  if (closing) socket.shutdown(asio::socket_base::shutdown_send, error);
}

// Without TLS, what was handed over; with it, what that was made into, a record at a time. What is in a
// record counts as sent, since nobody knows how much of it can be read.
std::string_view Stream::next_to_write() {
  const std::string_view plain = std::string_view(out).substr(out_first);
  if (!tls) return plain;
  if (cipher_first == cipher.size()) {
    cipher.clear();
    cipher_first = 0;
    const std::size_t size = tls->encrypt(plain);
    out_first += size;
    sent += size;
    tls->take_output(cipher);
  }
  return std::string_view(cipher).substr(cipher_first);
}

void Stream::has_written(std::size_t size) {
  if (tls) {
    cipher_first += size;
    return;
  }
  out_first += size;
  sent += size;
}

void Stream::close_now(const std::string& why) {
  FrameListener* const told = std::exchange(listener, nullptr);
  boost::system::error_code error;
  socket.close(error);
  if (told != nullptr) told->on_closed(why);
}

void Stream::leave() {
  if (listener != nullptr && has_unwritten()) flush();  // As much as goes at once.
  listener = nullptr;
  boost::system::error_code error;
  socket.close(error);
}

// In on_frame() no read is under way: the next one begins when that has returned.
Result<LinkMaker> Stream::release() {
  if (listener != nullptr) flush();
  if (listener == nullptr || !rest.empty() || has_unwritten() || (tls && !tls->is_empty())) {
    return fail(Code::invalid, "the other side went on before it was answered, or does not read");
  }
  listener = nullptr;
  boost::system::error_code error;
  const auto kept = std::make_shared<Descriptor>(socket.release(error));
  const auto session = std::make_shared<std::unique_ptr<TlsSession>>(std::move(tls));
  return [kept, session](asio::io_context& io) {
    return make_frame_channel(io, kept->release(), wire::frame_body_bytes_max, std::move(*session));
  };
}

class FrameChannel final : public FrameLink {
 public:
  FrameChannel(asio::io_context& io, int descriptor, std::size_t body_bytes_max,
               std::unique_ptr<TlsSession> tls)
      : stream_(std::make_shared<Stream>(io, descriptor, body_bytes_max, std::move(tls))) {}
  ~FrameChannel() override { stream_->leave(); }

  void listen(FrameListener& listener) override {
    stream_->listener = &listener;
    if (std::exchange(stream_->reading, true)) return;
    stream_->read();
    if (stream_->tls) stream_->plan_flush();  // Its first word.
  }
  std::uint64_t send(const wire::FrameHead& head, std::string_view body) override {
    const std::uint64_t place = stream_->sent + unsent_bytes();
    wire::append_frame(head, body, stream_->out);
    stream_->plan_flush();
    return place;
  }
  std::uint64_t sent_bytes() const override { return stream_->sent; }
  std::uint64_t unsent_bytes() const override { return stream_->out.size() - stream_->out_first; }
  void close() override {
    stream_->closing = true;
    stream_->plan_flush();
  }
  Result<LinkMaker> release() override { return stream_->release(); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<FrameLink> make_frame_channel(asio::io_context& io, int descriptor,
                                              std::size_t body_bytes_max, std::unique_ptr<TlsSession> tls) {
  return std::make_unique<FrameChannel>(io, descriptor, body_bytes_max, std::move(tls));
}

}  // namespace canopy::net
