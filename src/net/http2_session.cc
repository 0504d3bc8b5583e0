#include "net/http2_session.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/post.hpp>
#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "base/log.h"
#include "base/units.h"
#include "net/connection.h"
#include "net/http2_fields.h"
#include "net/http_write.h"
#include "wire/grpc.h"
#include "wire/json_find.h"

namespace canopy::net {
namespace {

constexpr std::size_t filled_bytes_max = 256 * KiB;
constexpr std::size_t heads_max = 64;  // So many of the largest ones, of a connection at once.
constexpr std::size_t unsent_bytes_max = 16 * MiB;
constexpr std::size_t dropped_bytes_max = 64 * MiB;  // Of a request that is refused already.
// Frames that wait to be sent, of each stream that may be open: its head, its end, and what is told of
// windows.
constexpr std::size_t waiting_frames_max = 5;
constexpr std::size_t other_frames_max = 1000;
constexpr Duration linger_time = std::chrono::seconds(2);
constexpr int handlers_in_a_row_max = 32;  // Then it is the other connections' turn.
constexpr std::int32_t window_bytes = static_cast<std::int32_t>(MiB);  // Of a stream, and of the connection.

// The same refusal in the words of gRPC, whose clients read no others.
HttpResponse in_grpc(const HttpResponse& refusal) {
  const auto status = static_cast<unsigned>(wire::grpc_status_of_http(refusal.status));
  HttpResponse response;
  response.content_type = "application/grpc";
  response.headers = {
      {"grpc-status", std::to_string(status)},
      {"grpc-message", wire::escape_grpc_message(wire::find_text(refusal.body, "error", "message"))}};
  return response;
}

}  // namespace

// What nghttp2 calls while it reads and writes. Each error it is given ends the connection.
struct Http2Session::Callbacks {
  static Http2Session& self(void* data) { return *static_cast<Http2Session*>(data); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
      self(data).open(frame->hd.stream_id);
    return 0;
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                       std::uint8_t, void* data) {
    Http2Stream* const stream = self(data).find(frame->hd.stream_id);
    if (stream == nullptr || stream->phase_ != Http2Stream::Phase::head) return 0;  // Trailers are not kept.
    const bool fits = stream->add_field({reinterpret_cast<const char*>(name), name_bytes},
                                        {reinterpret_cast<const char*>(value), value_bytes});
    const bool all_fit = self(data).head_bytes_ <= heads_max * self(data).core_->options.head_bytes_max;
    return fits && all_fit ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // Resets the stream.
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Http2Stream* const stream = self(data).find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const bool is_whole = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream->phase_ == Http2Stream::Phase::head) {
      self(data).on_head(*stream, is_whole);
    } else if (is_whole && stream->phase_ == Http2Stream::Phase::body) {
      self(data).on_whole(*stream);
    }
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t size, void* data) {
    Http2Stream* const stream = self(data).find(id);
    if (stream != nullptr && stream->is_refused_) self(data).drop(*stream, size);
    if (stream == nullptr || stream->phase_ != Http2Stream::Phase::body) return 0;
    auto refusal = stream->add_body({reinterpret_cast<const char*>(bytes), size});
    if (refusal) self(data).refuse(*stream, *std::move(refusal));
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* data) {
    self(data).close(id);
    return 0;
  }
  // A request that is answered before all of it has come. Many clients do not see the answer before they have
  // sent it all, or take a reset for a failure: for a while they may.
  static int on_sent(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    const auto type = frame->hd.type;
    if ((type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
      return 0;
    Http2Stream* const stream = self(data).find(frame->hd.stream_id);
    if (stream == nullptr || !stream->is_refused_) return 0;
    stream->is_finished_ = true;
    stream->due_ = self(data).core_->now + self(data).core_->sweep_period + linger_time;
    return 0;
  }
  static ssize_t on_take(nghttp2_session* session, std::int32_t id, std::uint8_t* to, std::size_t size,
                         std::uint32_t* flags, nghttp2_data_source*, void* data) {
    Http2Stream* const stream = self(data).find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t taken = stream->take(to, size);
    if (stream->has_output()) return static_cast<ssize_t>(taken);
    if (stream->is_streaming_) {
      if (taken > 0) return static_cast<ssize_t>(taken);
      stream->is_deferred_ = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (!stream->trailers_.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const Http2Fields trailers(stream->trailers_);
      nghttp2_submit_trailer(session, id, trailers.list().data(), trailers.list().size());
    }
    return static_cast<ssize_t>(taken);
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* made = nullptr;
    CANOPY_CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, on_sent);
    return made;
  }
};

Http2Session::Http2Session(std::shared_ptr<ServerCore> core, std::string peer, std::function<void()> wake)
    : core_(std::move(core)),
      peer_(std::move(peer)),
      wake_(std::move(wake)),
      running_(std::make_shared<std::size_t>(0)),
      idle_since_(core_->now) {
  static const nghttp2_session_callbacks* const callbacks = Callbacks::make();
  CANOPY_CHECK(nghttp2_session_server_new(&session_, callbacks, this) == 0);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, core_->options.streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(core_->options.head_bytes_max)}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window_bytes);
}

Http2Session::~Http2Session() {
  if (start_posted_) *start_posted_ = nullptr;
  for (const auto& [id, stream] : std::exchange(streams_, {})) stream->end();
  nghttp2_session_del(session_);
}

Http2Stream* Http2Session::find(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Http2Session::open(std::int32_t id) { streams_.emplace(id, std::make_shared<Http2Stream>(*this, id)); }

void Http2Session::close(std::int32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const auto stream = std::move(found->second);
  streams_.erase(found);
  if (streams_.empty()) idle_since_ = core_->now;
  stream->end();
}

bool Http2Session::receive(std::string_view bytes) {
  is_busy_ = true;
  const auto read =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  is_busy_ = false;
  is_broken_ = is_broken_ || read < 0;
  if (is_broken_) nghttp2_session_terminate_session(session_, NGHTTP2_PROTOCOL_ERROR);
  if (*running_ > 2 * std::size_t{core_->options.streams_max}) {
    log::warn("{} opens and resets requests over HTTP/2 faster than they end: cut off", peer_);
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
    is_broken_ = true;
  }
  if (!is_broken_ && has_too_much_to_say()) {
    log::warn("{} sends over HTTP/2 what has to be answered, and does not read the answers: cut off", peer_);
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
    is_broken_ = true;
  }
  if (!is_broken_) start_handlers();
  return !is_broken_;
}

// It is all in memory.
bool Http2Session::has_too_much_to_say() const {
  const std::size_t frames_max = waiting_frames_max * core_->options.streams_max + other_frames_max;
  return nghttp2_session_get_outbound_queue_size(session_) > frames_max;
}

void Http2Session::fill(std::string& out) {
  while (out.size() < filled_bytes_max) {
    const std::uint8_t* bytes = nullptr;
    is_busy_ = true;
    const auto size = nghttp2_session_mem_send(session_, &bytes);
    is_busy_ = false;
    if (size <= 0) {
      is_broken_ = is_broken_ || size < 0;
      return;
    }
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    if (!whole_.empty() && unsent_bytes_ <= unsent_bytes_max) post_start();
  }
}

bool Http2Session::is_over() const {
  if (is_broken_) return true;
  if (nghttp2_session_want_write(session_) != 0) return false;
  return (is_stopping_ && streams_.empty()) || nghttp2_session_want_read(session_) == 0;
}

void Http2Session::stop() {
  if (std::exchange(is_stopping_, true)) return;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  wake();
}

Time Http2Session::sweep() {
  if (streams_.empty()) return idle_since_ + core_->sweep_period + core_->options.idle_timeout;
  std::vector<std::shared_ptr<Http2Stream>> late;
  for (const auto& [id, stream] : streams_) {
    if (core_->now >= stream->due_) late.push_back(stream);
  }
  for (const auto& stream : late) {
    if (stream->phase_ == Http2Stream::Phase::body) {
      const auto& options = core_->options;
      const std::string how = stream->rate_decides_
                                  ? "comes slower than " + size_text(options.client_rate) + " a second"
                                  : "stopped coming for " + duration_text(options.body_timeout);
      refuse(*stream, error_response(408, {Code::slow_client, "the body of the request " + how}));
    } else {
      reset(stream->id_, stream->is_finished_ ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    }
  }
  return never;
}

void Http2Session::drop(Http2Stream& stream, std::size_t size) {
  stream.dropped_bytes_ += size;
  if (stream.dropped_bytes_ > dropped_bytes_max) reset(stream.id_, NGHTTP2_NO_ERROR);
}

void Http2Session::on_head(Http2Stream& stream, bool is_whole) {
  stream.begin_moving(core_->options.body_timeout);
  stream.phase_ = Http2Stream::Phase::body;
  if (stream.request_.path.empty()) {  // CONNECT
    return refuse(stream, error_response(405, {Code::invalid, "this server is no proxy; ask it for a path"}));
  }
  if (auto error = stream.share_.grow_to(stream.head_bytes_))
    return refuse(stream, Http2Stream::no_room(*error));
  if (is_whole) return on_whole(stream);
  const auto limit = core_->body_limit(stream.request_);
  if (!limit) return refuse(stream, error_response(http_status(limit.error().code), limit.error()));
  stream.body_bytes_max_ = *limit;
}

void Http2Session::on_whole(Http2Stream& stream) {
  stream.phase_ = Http2Stream::Phase::handler;
  // Its handler may have to wait until the client takes other answers.
  stream.due_ = core_->now + core_->sweep_period + core_->options.write_timeout;
  whole_.push_back(stream.shared_from_this());
}

void Http2Session::start_handlers() {
  for (int count = 0; count < handlers_in_a_row_max; ++count) {
    if (whole_.empty() || unsent_bytes_ > unsent_bytes_max) return;  // fill() starts the others.
    const auto stream = std::move(whole_.front());
    whole_.pop_front();
    if (stream->session_ == nullptr) continue;  // Reset since.
    stream->due_ = never;
    ++core_->counts.requests;
    ++*running_;
    asio::co_spawn(
        core_->io.get_executor(),
        [](std::shared_ptr<Http2Stream> own) -> Task<void> { co_await own->run(); }(stream),
        [stream, running = running_](const std::exception_ptr& failure) {
          --*running;
          if (!failure) return;
          log::error("a request over HTTP/2 ended by an exception, which nothing here should raise");
          if (stream->session_ != nullptr) stream->session_->reset(stream->id_, NGHTTP2_INTERNAL_ERROR);
        });
  }
  post_start();
}

void Http2Session::post_start() {
  if (start_posted_) return;
  start_posted_ = std::make_shared<Http2Session*>(this);
  asio::post(core_->io, [posted = start_posted_] {
    if (*posted == nullptr) return;
    (*posted)->start_posted_.reset();
    (*posted)->start_handlers();
  });
}

// The rest of the body is not wanted: what comes of it is dropped, for a while, and then the stream reset.
void Http2Session::refuse(Http2Stream& stream, HttpResponse response) {
  stream.is_refused_ = true;
  stream.request_.body = std::string();
  stream.share_.give_back();
  if (wire::is_grpc_type(stream.request_.header("Content-Type"))) response = in_grpc(response);
  answer(stream, std::move(response));
}

void Http2Session::answer(Http2Stream& stream, HttpResponse response) {
  if (response.status < 200 || response.status > 599) {
    response =
        error_response(500, {Code::internal, "the answer has the status " + std::to_string(response.status) +
                                                 ", which is none that ends a request"});
  }
  stream.trailers_ = response.trailers;
  submit_head(stream, response, true);
  if (!stream.is_silent_) {
    stream.output_ = std::move(response.body);
    unsent_bytes_ += stream.output_.size();
  }
  wake();
}

// Not while nghttp2 is at it: it may not be asked for more then, and will be when it is done.
void Http2Session::wake() {
  if (!is_busy_) wake_();
}

void Http2Session::submit_head(Http2Stream& stream, const HttpResponse& response, bool is_sized) {
  stream.phase_ = Http2Stream::Phase::answer;
  stream.is_answered_ = true;
  stream.is_silent_ = stream.request_.method == "HEAD" || !has_body(response.status);
  stream.begin_moving(core_->options.write_timeout);
  if (!is_sized) stream.due_ = never;
  const Http2Fields fields(response, is_sized, core_->date_line);
  const nghttp2_data_provider body{.source = {.ptr = nullptr}, .read_callback = Callbacks::on_take};
  const bool ends = stream.is_silent_ || (is_sized && response.body.empty() && response.trailers.empty());
  nghttp2_submit_response(session_, stream.id_, fields.list().data(), fields.list().size(),
                          ends ? nullptr : &body);
}

void Http2Session::resume(Http2Stream& stream) {
  if (std::exchange(stream.is_deferred_, false)) nghttp2_session_resume_data(session_, stream.id_);
  wake();
}

void Http2Session::reset(std::int32_t id, std::uint32_t why) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, why);
  wake();
}

}  // namespace canopy::net
