#include "net/http2_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "base/units.h"
#include "base/words.h"
#include "net/header_text.h"
#include "net/http_write.h"

namespace canopy::net {
namespace {

constexpr std::int32_t window_bytes = static_cast<std::int32_t>(MiB);
constexpr std::size_t head_bytes_max = 64 * KiB;

nghttp2_nv field(std::string& name, std::string& value) {
  return {.name = reinterpret_cast<std::uint8_t*>(name.data()),
          .value = reinterpret_cast<std::uint8_t*>(value.data()),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NONE};
}

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// "te" is the one header of the connection that HTTP/2 has too.
bool may_be_sent(const HttpHeader& header) {
  if (!is_token(header.name) || !is_field_value(header.value)) return false;
  if (std::ranges::any_of(header.name, [](char c) { return c >= 'A' && c <= 'Z'; })) return false;
  if (header.name == "te") return header.value == "trailers";
  return header.name != "host" && !is_framing_header(header.name, false);
}

}  // namespace

struct Http2Client::Callbacks {
  static Http2Client& self(void* data) { return *static_cast<Http2Client*>(data); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                       std::uint8_t, void* data) {
    Stream* const stream = self(data).find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->head_bytes += name_bytes + value_bytes;
    if (stream->head_bytes > head_bytes_max) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::string_view key = text(name, name_bytes);
    const std::string_view said = text(value, value_bytes);
    if (key == ":status") {
      std::from_chars(said.data(), said.data() + said.size(), stream->reply.status);
    } else if (!key.starts_with(':')) {
      auto& fields = stream->has_head ? stream->reply.trailers : stream->reply.headers;
      fields.push_back({std::string(key), std::string(said)});
    }
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type == NGHTTP2_GOAWAY) self(data).is_open_ = false;
    Stream* const stream = self(data).find(frame->hd.stream_id);
    if (stream == nullptr || frame->hd.type != NGHTTP2_HEADERS) return 0;
    const bool is_interim = stream->reply.status < 200 && !stream->has_head;
    if (is_interim) stream->reply.headers.clear();
    stream->has_head = !is_interim;
    return 0;
  }
  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t size, void* data) {
    Stream* const stream = self(data).find(id);
    if (stream == nullptr) return 0;
    if (stream->reply.body.size() + size > stream->reply_bytes_max) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      self(data).end(id, Error{Code::too_large, "the reply is larger than the " +
                                                    size_text(stream->reply_bytes_max) + " it may have"});
      return 0;
    }
    stream->reply.body += text(bytes, size);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t why, void* data) {
    if (why == NGHTTP2_NO_ERROR) {
      self(data).end(id, std::nullopt);
    } else {
      const Code code = why == NGHTTP2_REFUSED_STREAM ? Code::unavailable : Code::died;
      self(data).end(id,
                     Error{code, "the server reset the stream: " + std::string(nghttp2_http2_strerror(why))});
    }
    return 0;
  }
  static int on_sent(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    Stream* const stream = self(data).find(frame->hd.stream_id);
    if (stream != nullptr) stream->is_begun = true;
    return 0;
  }
  static ssize_t on_take(nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t size,
                         std::uint32_t* flags, nghttp2_data_source*, void* data) {
    Stream* const stream = self(data).find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t taken = std::min(size, stream->body.size() - stream->sent);
    std::memcpy(to, stream->body.data() + stream->sent, taken);
    stream->sent += taken;
    if (stream->sent == stream->body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(taken);
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* made = nullptr;
    CANOPY_CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, on_sent);
    return made;
  }
};

Http2Client::Http2Client() {
  static const nghttp2_session_callbacks* const callbacks = Callbacks::make();
  CANOPY_CHECK(nghttp2_session_client_new(&session_, callbacks, this) == 0);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window_bytes);
}

Http2Client::~Http2Client() { nghttp2_session_del(session_); }

std::int32_t Http2Client::ask(Http2Request request, std::uint64_t reply_bytes_max, OnEnd on_end) {
  std::array<std::string, 4> names = {":method", ":scheme", ":authority", ":path"};
  std::array<std::string, 4> values = {std::move(request.method), "http", std::move(request.authority),
                                       std::move(request.path)};
  std::vector<nghttp2_nv> fields;
  for (std::size_t i = 0; i < names.size(); ++i) fields.push_back(field(names.at(i), values.at(i)));
  for (HttpHeader& header : request.headers) {
    if (may_be_sent(header)) fields.push_back(field(header.name, header.value));
  }
  const nghttp2_data_provider body{.source = {.ptr = nullptr}, .read_callback = Callbacks::on_take};
  const std::int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                                 request.body.empty() ? nullptr : &body, nullptr);
  auto stream = std::make_unique<Stream>();
  stream->body = std::move(request.body);
  stream->reply_bytes_max = reply_bytes_max;
  stream->on_end = std::move(on_end);
  if (id > 0) {
    streams_.emplace(id, std::move(stream));
    return id;
  }
  is_open_ = false;  // It has used up its numbers.
  stream->reply.error = Error{Code::unavailable, "the connection takes no more requests"};
  if (stream->on_end) stream->on_end(std::move(stream->reply));
  return 0;
}

void Http2Client::cancel(std::int32_t id) {
  if (streams_.erase(id) > 0) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

Http2Client::Stream* Http2Client::find(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

const Http2Reply* Http2Client::look(std::int32_t id) const {
  const Stream* const stream = find(id);
  return stream == nullptr ? nullptr : &stream->reply;
}

std::string Http2Client::take_body(std::int32_t id) {
  Stream* const stream = find(id);
  return stream == nullptr ? std::string() : std::exchange(stream->reply.body, {});
}

void Http2Client::end(std::int32_t id, std::optional<Error> error) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const auto stream = std::move(found->second);
  streams_.erase(found);
  stream->reply.error = std::move(error);
  if (stream->on_end) stream->on_end(std::move(stream->reply));
}

bool Http2Client::receive(std::string_view bytes) {
  const auto read =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (read < 0) close("the server does not speak HTTP/2");
  if (nghttp2_session_want_read(session_) == 0) close("the server ended the connection");
  return read >= 0;
}

void Http2Client::fill(std::string& out) {
  for (;;) {
    const std::uint8_t* bytes = nullptr;
    const auto size = nghttp2_session_mem_send(session_, &bytes);
    if (size <= 0) break;
    out += text(bytes, static_cast<std::size_t>(size));
  }
  // What this side was told, or found wrong, has been answered.
  if (nghttp2_session_want_read(session_) == 0) close("the connection speaks no HTTP/2, or ended it");
}

void Http2Client::close(std::string_view why, bool nothing_was_sent) {
  is_open_ = false;
  while (!streams_.empty()) {
    // One of which nothing was sent has certainly not begun.
    const bool unbegun = nothing_was_sent || !streams_.begin()->second->is_begun;
    end(streams_.begin()->first, Error{unbegun ? Code::unavailable : Code::died, std::string(why)});
  }
}

}  // namespace canopy::net
