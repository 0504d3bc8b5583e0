#include "net/connection.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/log.h"
#include "base/units.h"
#include "net/client_rate.h"
#include "net/header_text.h"

namespace canopy::net {
namespace {

constexpr std::size_t first_read_bytes = 4 * KiB;  // What an idle connection holds.
constexpr std::size_t body_read_bytes_max = 64 * KiB;
constexpr std::size_t copied_body_bytes_max = 16 * KiB;  // Larger ones are sent from where they are.
constexpr std::size_t body_piece_bytes = KiB;            // Less than this puts no deadline off.
constexpr std::size_t kept_output_bytes_max = 16 * KiB;
constexpr std::size_t kept_headers_max = 64;
constexpr std::size_t linger_bytes_max = 64 * MiB;
constexpr std::size_t gathered_count_max = 64;  // Of responses: each waits for those behind it,
constexpr Duration gathered_time_max = std::chrono::microseconds(500);  // and no longer than that.
constexpr Duration linger_time = std::chrono::seconds(2);

bool wants_close(const HttpResponse& response) {
  return std::any_of(response.headers.begin(), response.headers.end(), [](const HttpHeader& header) {
    return same_text(header.name, "Connection") && list_has(header.value, "close");
  });
}

bool is_final_status(int status) { return status >= 200 && status <= 599; }

HttpResponse bad_status(int status) {
  return error_response(500, Error{Code::internal, "the answer has the status " + std::to_string(status) +
                                                       ", which is none that ends a request"});
}

}  // namespace

ServerCore::ServerCore(asio::io_context& server_io, HttpServerOptions server_options,
                       const Clock& server_clock, BodyLimit limit, HttpHandler answerer,
                       std::unique_ptr<asio::ssl::context> tls_context, Duration period)
    : io(server_io),
      options(std::move(server_options)),
      clock(server_clock),
      body_limit(std::move(limit)),
      handler(std::move(answerer)),
      tls(std::move(tls_context)),
      sweep_period(period),
      now(clock.now()),
      date_line(net::date_line(clock.wall_now())),
      outbox(std::make_unique<Outbox>(*this)) {}

ServerCore::~ServerCore() = default;

Connection::Connection(std::shared_ptr<ServerCore> core, Socket socket, const std::string& peer)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      peer_(peer),
      share_(core_->options.body_room),
      watch_(socket_, core_->tls != nullptr) {
  request_.peer = peer_;
}

Connection::~Connection() = default;

void Connection::begin_moving() {
  moving_since_ = core_->now;
  moved_bytes_ = 0;
}

void Connection::demand_rate(Duration grace) {
  const Time end =
      end_at_rate(moving_since_ + core_->sweep_period + grace, moved_bytes_, core_->options.client_rate);
  if (end >= deadline_) return;
  deadline_ = end;
  rate_decides_ = true;
}

void Connection::begin_phase(Phase phase) {
  const auto& options = core_->options;
  phase_ = phase;
  expired_ = false;
  rate_decides_ = false;
  const auto within = [this](Duration time) { deadline_ = core_->now + core_->sweep_period + time; };
  switch (phase) {
    case Phase::handshake:
    case Phase::head:
      return within(options.head_timeout);
    case Phase::idle:
      return within(options.idle_timeout);
    case Phase::body:
      piece_bytes_ = 0;
      within(options.body_timeout);
      return demand_rate(options.body_timeout);
    case Phase::write:
      within(options.write_timeout);
      return demand_rate(options.write_timeout);
    case Phase::linger:
      return within(linger_time);
    case Phase::answer:
      deadline_ = never;
      return;
  }
}

Connection::Step Connection::next_step() {
  if (!reader_) {
    if (input_.empty()) return Step::need_bytes;
    request_.method = request_.target = request_.path = request_.query = {};
    reader_.emplace(request_, core_->options.head_bytes_max);
  }
  while (true) {
    const auto state = reader().state();
    if (state == RequestReader::State::done) return Step::complete;
    if (state == RequestReader::State::refused) return Step::refused;
    if (state == RequestReader::State::body && !admitted_) return Step::body_ahead;
    const auto taken = reader().put(input_.unread());
    input_.consume(taken);
    if (!request_.body.empty() && !count_body()) return Step::refused;
    if (taken == 0 && reader().state() == state) return Step::need_bytes;
  }
}

bool Connection::count_body() {
  auto error = share_.grow_to(request_.body.size());
  if (!error) return true;
  reader().refuse({503, *std::move(error)});
  return false;
}

void Connection::forget_body() {
  request_.body.clear();
  if (request_.body.capacity() > kept_output_bytes_max) request_.body.shrink_to_fit();
  share_.give_back();
}

bool Connection::admit_body() {
  begin_moving();
  const auto limit = core_->body_limit(request_);
  if (!limit) {
    reader().refuse({http_status(limit.error().code), limit.error()});
    return false;
  }
  reader().limit_body(*limit);
  admitted_ = true;
  return reader().state() != RequestReader::State::refused;
}

bool Connection::must_say_continue() { return reader().facts().expects_continue && input_.empty(); }

asio::mutable_buffer Connection::room_to_read() {
  const auto head_max = core_->options.head_bytes_max;
  std::span<char> room;
  if (reader_ && reader().state() == RequestReader::State::body) {
    if (!head_memory_) head_memory_ = input_.split();
    if (phase_ != Phase::body || piece_bytes_ >= body_piece_bytes) begin_phase(Phase::body);
    const auto left = reader().body_left().value_or(first_read_bytes);
    const auto first = std::clamp<std::uint64_t>(left, first_read_bytes, body_read_bytes_max);
    room = input_.room(first, std::max(body_read_bytes_max, head_max + first_read_bytes));
  } else if (reader_) {
    if (phase_ != Phase::head) begin_phase(Phase::head);
    room = input_.room(first_read_bytes, head_max);
  } else {
    begin_phase(Phase::idle);
    input_.shrink(first_read_bytes);
    room = input_.room(first_read_bytes, head_max);
  }
  return {room.data(), room.size()};
}

void Connection::note_read(std::size_t size) {
  input_.commit(size);
  piece_bytes_ += size;
  moved_bytes_ += size;
}

bool Connection::note_read_error() {
  if (!expired_ || core_->aborted) return false;
  const auto& options = core_->options;
  if (phase_ == Phase::head) {
    reader().refuse({408, Error{Code::slow_client, "the head of the request took longer than " +
                                                       duration_text(options.head_timeout)}});
    return true;
  }
  if (phase_ == Phase::body) {
    const std::string how = rate_decides_
                                ? "comes slower than " + size_text(options.client_rate) + " a second"
                                : "stopped coming for " + duration_text(options.body_timeout);
    reader().refuse({408, Error{Code::slow_client, "the body of the request " + how}});
    return true;
  }
  return false;
}

void Connection::begin_answer() {
  begin_phase(Phase::answer);
  ++core_->counts.requests;
  keep_alive_ = reader().keep_alive();
  head_only_ = request_.method == "HEAD";
  stream_ = Stream::none;
}

bool Connection::append_response(HttpResponse& response) {
  if (!is_final_status(response.status)) response = bad_status(response.status);
  if (core_->stopping || wants_close(response)) keep_alive_ = false;
  const ResponseFrame frame{Framing::sized, !keep_alive_, reader().facts().http10};
  append_head(out_, response, frame, core_->date_line);
  if (head_only_ || !has_body(response.status)) return true;
  if (response.body.size() > copied_body_bytes_max) return false;
  out_ += response.body;
  return true;
}

void Connection::append_refusal() {
  keep_alive_ = false;
  const auto& refusal = reader().refusal();
  auto response = error_response(refusal.status, refusal.error);
  if (refusal.status == 503) response.headers.push_back({"Retry-After", "1"});
  const ResponseFrame frame{Framing::sized, true, false};
  append_head(out_, response, frame, core_->date_line);
  if (request_.method != "HEAD") out_ += response.body;
  forget_body();
}

void Connection::end_answer() {
  watch_.stop();
  if (stream_ == Stream::chunked) out_ += "0\r\n\r\n";
  reader_.reset();
  head_memory_.reset();
  admitted_ = false;
  request_.headers.clear();
  if (request_.headers.capacity() > kept_headers_max) request_.headers.shrink_to_fit();
  forget_body();
}

std::optional<bool> Connection::speaks_http2() {
  const std::string_view seen = input_.unread();
  const std::size_t size = std::min(seen.size(), http2_preface.size());
  if (seen.substr(0, size) == http2_preface.substr(0, size) && size < http2_preface.size())
    return std::nullopt;
  is_fresh_ = false;
  return seen.starts_with(http2_preface);
}

void Connection::send_gathered() {
  if (http2_) return write_http2();
  const bool reads = phase_ == Phase::idle || phase_ == Phase::head || phase_ == Phase::body;
  if (out_.empty() || failed_ || (phase_ != Phase::answer && !reads)) return;
  if (send_now() || !reads) return;
  boost::system::error_code ignored;
  socket_.cancel(ignored);  // Its loop stops reading, and sees to the rest or to the end.
}

Task<bool> Connection::start_stream(HttpResponse head) {
  if (stream_ != Stream::none || failed_) co_return false;
  if (!is_final_status(head.status)) head = bad_status(head.status);
  const bool http10 = reader().facts().http10;
  if (http10 || core_->stopping || wants_close(head)) keep_alive_ = false;
  stream_ = http10 ? Stream::raw : Stream::chunked;
  if (head_only_ || !has_body(head.status)) stream_ = Stream::silent;
  const auto framing = http10 ? Framing::until_close : Framing::chunked;
  const ResponseFrame frame{framing, !keep_alive_, http10};
  append_head(out_, head, frame, core_->date_line);
  const bool sent = send_now() || co_await flush();
  begin_phase(Phase::answer);
  co_return sent;
}

Task<bool> Connection::write(std::string_view chunk) {
  if (stream_ == Stream::none || failed_) co_return false;
  if (stream_ == Stream::silent || chunk.empty()) co_return true;
  std::string_view tail;
  if (stream_ == Stream::chunked) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), chunk.size(), 16).ptr;
    out_.append(digits.data(), end);
    out_ += "\r\n";
    tail = "\r\n";
  }
  bool sent = false;
  if (chunk.size() <= copied_body_bytes_max) {
    out_ += chunk;
    out_ += tail;
    sent = send_now() || co_await flush();
  } else {
    sent = co_await flush(chunk, tail);
  }
  begin_phase(Phase::answer);
  co_return sent;
}

void Connection::on_client_gone(std::function<void()> gone) {
  if (gone) {
    watch_.start(shared_watch(), std::move(gone));
  } else {
    watch_.stop();
  }
}

Task<void> Connection::linger() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  begin_phase(Phase::linger);
  input_ = InputBuffer();
  const auto room = input_.room(body_read_bytes_max / 4, body_read_bytes_max);
  const asio::mutable_buffer buffer(room.data(), room.size());
  std::size_t left = linger_bytes_max;
  while (left > 0 && !core_->stopping) {
    const auto [error, size] = co_await socket_.async_read_some(buffer, use_task);
    if (error) break;
    left -= std::min(left, size);
  }
}

void Connection::close() {
  boost::system::error_code ignored;
  if (expired_ && phase_ == Phase::write) {
    // It does not read: the kernel must not hold what was not sent, either.
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  } else {
    socket_.shutdown(asio::socket_base::shutdown_both, ignored);
  }
  socket_.close(ignored);
}

void Connection::sweep() {
  if (http2_ && !is_writing_) deadline_ = http2_->sweep();
  if (core_->now >= deadline_) {
    expired_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
  watch_.sweep();
}

void Connection::stop() {
  if (http2_) return http2_->stop();
  if (phase_ != Phase::idle && phase_ != Phase::handshake && phase_ != Phase::linger) return;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

void Connection::abort() {
  failed_ = true;
  close();
  watch_.socket_closed(shared_watch());
}

// The responses of a round wait for each other, but not for a handler that waits.
void Outbox::put(Connection& connection) {
  if (connection.outbox_hook.is_linked()) return;
  connections_.push_back(connection);
  const Time now = core_.clock.now();
  if (++count_ == 1) first_put_ = now;
  if (count_ >= gathered_count_max || now - first_put_ >= gathered_time_max) return send_all();
  if (send_posted_) return;
  send_posted_ = true;
  asio::post(core_.io, [core = core_.shared_from_this()] {
    core->outbox->send_posted_ = false;
    core->outbox->send_all();
  });
}

void Outbox::send_all() {
  count_ = 0;
  while (!connections_.empty()) {
    Connection& connection = connections_.front();
    connections_.pop_front();
    connection.send_gathered();
  }
}

}  // namespace canopy::net
