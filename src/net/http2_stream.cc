// One stream of HTTP/2: its request as it comes, its response as it goes.

#include <algorithm>
#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/units.h"
#include "net/client_rate.h"
#include "net/connection.h"
#include "net/http2_session.h"
#include "net/http_write.h"

namespace canopy::net {
namespace {

constexpr std::size_t body_piece_bytes = KiB;               // Less than this puts no deadline off.
constexpr std::size_t field_overhead_bytes = 32;            // RFC 9113, 10.5.1: of each, beside its text.
constexpr std::size_t waiting_output_bytes_max = 64 * KiB;  // Of a stream; then its writer waits.
constexpr std::size_t free_streams_max = 4;                 // Of a connection, at once.

}  // namespace

Http2Stream::Http2Stream(Http2Session& session, std::int32_t id)
    : core_(session.core_),
      session_(&session),
      id_(id),
      peer_(session.peer_),
      is_free_(session.free_count_ < free_streams_max),
      share_(core_->options.body_room, is_free_ ? free_body_bytes : 0) {
  if (is_free_) ++session.free_count_;
  request_.peer = peer_;
  due_ = core_->now + core_->sweep_period + core_->options.head_timeout;
}

asio::io_context& Http2Stream::io() { return core_->io; }

bool Http2Stream::add_field(std::string_view name, std::string_view value) {
  const std::size_t bytes = name.size() + value.size() + field_overhead_bytes;
  head_bytes_ += bytes;
  session_->head_bytes_ += bytes;
  if (head_bytes_ > core_->options.head_bytes_max) return false;
  const std::string_view kept = texts_.emplace_back(value);
  if (name == ":method") {
    request_.method = kept;
  } else if (name == ":path") {
    request_.target = kept;
    const auto mark = kept.find('?');
    request_.path = kept.substr(0, mark);
    request_.query = mark == std::string_view::npos ? std::string_view() : kept.substr(mark + 1);
  } else if (name == ":authority") {
    request_.headers.emplace_back("host", kept);
  } else if (!name.starts_with(':')) {
    // Only where there is no :authority may it say the host: else two would.
    if (name == "host" && !request_.header("host").empty()) return true;
    request_.headers.emplace_back(texts_.emplace_back(name), kept);
  }
  return true;
}

std::optional<HttpResponse> Http2Stream::add_body(std::string_view bytes) {
  if (request_.body.size() + bytes.size() > body_bytes_max_) {
    return error_response(413, {Code::too_large, "the body of the request is larger than the limit of " +
                                                     size_text(body_bytes_max_)});
  }
  request_.body += bytes;
  piece_bytes_ += bytes.size();
  if (piece_bytes_ >= body_piece_bytes)
    has_moved(std::exchange(piece_bytes_, 0), core_->options.body_timeout);
  const auto error = share_.grow_to(head_bytes_ + request_.body.size());
  if (!error) return std::nullopt;
  return no_room(*error);
}

HttpResponse Http2Stream::no_room(const Error& error) {
  HttpResponse refusal = error_response(503, error);
  refusal.headers.push_back({"Retry-After", "1"});
  return refusal;
}

void Http2Stream::begin_moving(Duration grace) {
  moving_since_ = core_->now;
  moved_bytes_ = 0;
  has_moved(0, grace);
}

void Http2Stream::has_moved(std::size_t size, Duration grace) {
  moved_bytes_ += size;
  due_ = core_->now + core_->sweep_period + grace;
  const Time end =
      end_at_rate(moving_since_ + core_->sweep_period + grace, moved_bytes_, core_->options.client_rate);
  rate_decides_ = end < due_;
  if (rate_decides_) due_ = end;
}

Task<void> Http2Stream::run() {
  HttpResponse response = co_await core_->handler(*this);
  gone_ = nullptr;
  if (session_ == nullptr) co_return;
  if (!is_streaming_) {
    session_->answer(*this, std::move(response));
    co_return;
  }
  is_streaming_ = false;
  trailers_ = std::move(response.trailers);
  session_->resume(*this);
}

// Who asks may hear of it only later: it may be asked for while all that runs is looked through.
void Http2Stream::on_client_gone(std::function<void()> gone) {
  gone_ = std::move(gone);
  if (session_ != nullptr || !gone_) return;
  asio::post(core_->io, [stream = shared_from_this()] {
    if (const auto left = std::exchange(stream->gone_, nullptr)) left();
  });
}

Task<bool> Http2Stream::start_stream(HttpResponse head) {
  if (is_answered_ || session_ == nullptr) co_return false;
  is_streaming_ = true;
  session_->submit_head(*this, head, false);
  session_->wake();
  co_return true;
}

Task<bool> Http2Stream::write(std::string_view chunk) {
  if (!is_streaming_ || session_ == nullptr) co_return false;
  if (is_silent_ || chunk.empty()) co_return true;
  if (!has_output()) begin_moving(core_->options.write_timeout);
  output_.erase(0, std::exchange(sent_, 0));
  add_output(chunk);
  session_->resume(*this);
  while (session_ != nullptr && output_.size() - sent_ > waiting_output_bytes_max) co_await taken_.wait();
  co_return session_ != nullptr;
}

void Http2Stream::add_output(std::string_view bytes) {
  output_ += bytes;
  session_->unsent_bytes_ += bytes.size();
}

std::size_t Http2Stream::take(std::uint8_t* to, std::size_t size) {
  const std::size_t taken = std::min(size, output_.size() - sent_);
  std::memcpy(to, output_.data() + sent_, taken);
  sent_ += taken;
  session_->unsent_bytes_ -= taken;
  has_moved(taken, core_->options.write_timeout);
  if (!has_output() && is_streaming_) due_ = never;
  if (!has_output()) {
    output_ = std::string();
    sent_ = 0;
  }
  if (output_.size() - sent_ <= waiting_output_bytes_max) taken_.set();
  return taken;
}

void Http2Stream::end() {
  session_->head_bytes_ -= head_bytes_;
  session_->unsent_bytes_ -= output_.size() - sent_;
  if (is_free_) --session_->free_count_;
  session_ = nullptr;
  output_ = std::string();
  sent_ = 0;
  taken_.set();
  if (const auto gone = std::exchange(gone_, nullptr)) gone();
}

}  // namespace canopy::net
