#pragma once
// For tests: a client that speaks HTTP/2 to a Loopback, and can also send what no client should.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "net/loopback.h"

namespace canopy::net {

struct Http2Answer {
  std::map<std::string, std::string> fields;    // Of the head, ":status" among them,
  std::map<std::string, std::string> trailers;  // and behind the body.
  std::string body;
  bool has_head = false;
  bool ended = false;           // The stream is closed,
  std::uint32_t closed_by = 0;  // by this error of HTTP/2.
};

class Http2RawClient {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  explicit Http2RawClient(Loopback& loopback) : loopback_(loopback), raw_(loopback.connect()) {
    nghttp2_session_callbacks* callbacks = nullptr;
    CANOPY_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    CANOPY_CHECK(nghttp2_session_client_new(&session_, callbacks, this) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Http2RawClient() { nghttp2_session_del(session_); }
  Http2RawClient(const Http2RawClient&) = delete;
  Http2RawClient& operator=(const Http2RawClient&) = delete;

  // The stream's number. `whole`: no more of the body will come than `body`, which is sent as one frame.
  std::int32_t ask(const std::string& method, const std::string& path, std::string body = "",
                   const Fields& fields = {}, bool whole = true) {
    Fields all = {{":method", method}, {":scheme", "http"}, {":authority", "h"}, {":path", path}};
    all.insert(all.end(), fields.begin(), fields.end());
    std::vector<nghttp2_nv> list;
    for (auto& [name, value] : all) {
      list.push_back({reinterpret_cast<std::uint8_t*>(name.data()),
                      reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NONE});
    }
    const bool has_body = !body.empty() || !whole;
    const nghttp2_data_provider provider{.source = {.ptr = this}, .read_callback = on_take};
    const auto id = nghttp2_submit_request(session_, nullptr, list.data(), list.size(),
                                           has_body ? &provider : nullptr, nullptr);
    CANOPY_CHECK(id > 0);
    bodies_[id] = {std::move(body), whole};
    return id;
  }
  // More of a body that is not whole.
  void go_on(std::int32_t id, std::string_view more) {
    bodies_[id].left += more;
    nghttp2_session_resume_data(session_, id);
  }
  void reset(std::int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }
  void give_window(std::int32_t id, std::int32_t bytes) {
    nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, id, bytes);
  }

  // Lets what is to be sent go out, and what came in be read.
  void move() {
    while (true) {
      const std::uint8_t* bytes = nullptr;
      const auto size = nghttp2_session_mem_send(session_, &bytes);
      if (size <= 0) break;
      loopback_.send(raw_, {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    }
    raw_.read();
    const std::string came = std::exchange(raw_.received, "");
    if (!came.empty()) {
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(came.data()), came.size());
    }
  }
  template <class Condition>
  bool until(Condition condition) {
    return loopback_.until([&] {
      move();
      return condition();
    });
  }
  bool until_ended(std::int32_t id) {
    return until([&] { return answers[id].ended; });
  }
  bool until_cut_off() {
    return until([&] { return raw_.ended; });
  }
  bool is_cut_off() const { return raw_.ended; }
  RawClient& raw() { return raw_; }

  std::map<std::int32_t, Http2Answer> answers;
  bool was_told_to_go = false;  // By a GOAWAY,
  std::uint32_t told_why = 0;   // for this reason.

 private:
  struct Body {
    std::string left;
    bool whole = true;
  };

  static Http2RawClient& self(void* data) { return *static_cast<Http2RawClient*>(data); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
                       std::uint8_t, void* data) {
    auto& answer = self(data).answers[frame->hd.stream_id];
    auto& fields = answer.has_head ? answer.trailers : answer.fields;
    fields[{reinterpret_cast<const char*>(name), name_bytes}] = {reinterpret_cast<const char*>(value),
                                                                 value_bytes};
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type == NGHTTP2_HEADERS) self(data).answers[frame->hd.stream_id].has_head = true;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      self(data).was_told_to_go = true;
      self(data).told_why = frame->goaway.error_code;
    }
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                     std::size_t size, void* data) {
    self(data).answers[id].body.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* data) {
    self(data).answers[id].ended = true;
    self(data).answers[id].closed_by = error;
    return 0;
  }
  static ssize_t on_take(nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t size,
                         std::uint32_t* flags, nghttp2_data_source*, void* data) {
    Body& body = self(data).bodies_[id];
    if (body.left.empty() && !body.whole) return NGHTTP2_ERR_DEFERRED;
    const std::size_t taken = body.left.copy(reinterpret_cast<char*>(to), size);
    body.left.erase(0, taken);
    if (body.left.empty() && body.whole) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(taken);
  }

  Loopback& loopback_;
  RawClient raw_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Body> bodies_;
};

}  // namespace canopy::net
