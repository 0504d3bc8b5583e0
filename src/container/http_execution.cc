#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <sys/socket.h>

#include "base/log.h"
#include "base/units.h"
#include "container/door.h"
#include "container/execution.h"
#include "container/request.h"
#include "container/waiting.h"
#include "net/descriptor_stream.h"
#include "net/response_reader.h"

namespace canopy::container {
namespace {

using Stream = net::DescriptorStream;

constexpr std::size_t piece_bytes = 64 * KiB;
constexpr std::size_t pieces_per_round = 4;
constexpr int attempts_max = 3;  // Of a call that no container has begun.
constexpr int interim_max = 16;

class HttpExecution final : public Waiting {
 public:
  using Waiting::Waiting;

  ~HttpExecution() override { close(); }

  net::Task<Reply> run(Call& call) override {
    call_ = &call;
    core_.suspend(*this, never, call.deadline);
    auto head = request_head(call);
    if (!head) stop(std::move(head).error());
    if (head) head_ = *std::move(head);
    for (int i = 0; i < attempts_max && !stopped_ && outcome_ != Outcome::answered; ++i) {
      co_await get_place();
      if (stopped_) break;
      co_await reach();
      if (stopped_) break;
      exchange();
      while (outcome_ == Outcome::none && !stopped_) co_await event_.wait();
      if (outcome_ != Outcome::unstarted || stopped_) break;
      close();  // Before the connection does: it has the number.
      give_place({}, may_live_ ? After::good : After::broken);
    }
    if (outcome_ == Outcome::broken && !stopped_) ended_ = co_await await_end();
    core_.leave(*this);
    finish();
    co_return make_reply();
  }

 private:
  enum class Outcome : std::uint8_t {
    none,
    answered,
    unstarted,  // The container has certainly not begun it.
    broken,     // It may have.
    odd,        // What came back is no answer; `error_` says why.
  };
  enum class Progress : std::uint8_t { more, wait, end };

  // Has a connection afterwards: one that lay idle and is still open, or a new one; none where nobody
  // listens.
  net::Task<void> reach() {
    is_reused_ = connection_ && is_silent(connection_.get());
    if (is_reused_) co_return;
    connection_.reset();
    connection_ = co_await connect();
  }

  // Neither closed by the other side, nor with words that nobody asked for.
  static bool is_silent(int connection) {
    char byte = 0;
    return recv(connection, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }

  // One attempt.
  void exchange() {
    outcome_ = Outcome::none;
    may_live_ = static_cast<bool>(connection_);
    if (!may_live_) {
      outcome_ = Outcome::unstarted;
      return;
    }
    acknowledged_before_ = is_reused_ ? acknowledged_bytes(connection_.get()) : std::nullopt;
    begin();
    attempt_ = std::make_shared<bool>(true);
    written_ = 0;
    received_.clear();
    has_byte_ = false;
    make_reader();
    stream_.emplace(core_.io());
    boost::system::error_code error;
    stream_->assign(connection_.get(), error);
    write();
    if (outcome_ == Outcome::none) wait_for_answer();
  }

  void make_reader() {
    reader_.emplace(call_->method == "HEAD", call_->function->limits.output_bytes, nullptr);
  }

  // The head, then the input, as fast as they are taken; at first both at once.
  void write() {
    while (stream_ && stream_->is_open()) {
      const bool in_head = written_ < head_.size();
      const std::string_view head = in_head ? std::string_view(head_).substr(written_) : "";
      const std::string_view body = call_->input.substr(in_head ? 0 : written_ - head_.size());
      if (head.empty() && body.empty()) return;
      std::array<iovec, 2> parts = {iovec{const_cast<char*>(head.data()), head.size()},   // NOLINT
                                    iovec{const_cast<char*>(body.data()), body.size()}};  // NOLINT
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = parts.size();
      const ssize_t sent = sendmsg(connection_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno != EAGAIN) return;  // Whoever does not want it may still answer.
      if (sent < 0) return wait(Stream::wait_write, [this] { write(); });
      written_ += static_cast<std::size_t>(sent);
    }
  }

  void wait_for_answer() {
    wait(Stream::wait_read, [this] {
      Progress progress = Progress::more;
      for (std::size_t i = 0; i < pieces_per_round && progress == Progress::more; ++i) progress = read_some();
      if (progress != Progress::end) return wait_for_answer();
      event_.set();
    });
  }

  Progress read_some() {
    std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    const ssize_t got = recv(connection_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) return Progress::more;
    if (got < 0 && errno == EAGAIN) return Progress::wait;
    if (got <= 0) return take_end();
    has_byte_ = true;
    if (received_.empty()) {
      const auto taken = put({piece.data(), static_cast<std::size_t>(got)});
      if (outcome_ == Outcome::none)
        received_.assign(piece.data() + taken, static_cast<std::size_t>(got) - taken);
    } else {
      received_.append(piece.data(), static_cast<std::size_t>(got));
      received_.erase(0, put(received_));
    }
    return outcome_ == Outcome::none ? Progress::more : Progress::end;
  }

  // How much of `bytes` the answer took.
  std::size_t put(std::string_view bytes) {
    std::size_t all = 0;
    while (outcome_ == Outcome::none) {
      const auto taken = reader_->put(bytes.substr(all));
      if (!taken) {
        fail_with(taken.error());
        break;
      }
      all += *taken;
      if (!reader_->is_complete()) break;
      if (!reader_->is_interim()) {
        outcome_ = Outcome::answered;
        is_reusable_ = reader_->keeps_connection() && all == bytes.size() && is_written();
        break;
      }
      if (reader_->response().status == 101 || ++interim_count_ > interim_max) {
        fail_with({Code::died, "its server wants to speak something else than HTTP", Stage::run});
        break;
      }
      make_reader();
    }
    return all;
  }

  bool is_written() const { return written_ == head_.size() + call_->input.size(); }

  void fail_with(const Error& error) {
    outcome_ = Outcome::odd;
    error_ =
        error.code == Code::too_large
            ? Error{Code::limit,
                    "its output is larger than allowed, " + size_text(call_->function->limits.output_bytes),
                    Stage::reply}
            : Error{Code::died, "its server does not answer in HTTP: " + log_safe(error.message), Stage::run};
  }

  // No more comes. A connection that lay idle may have been closed by the server just then; it has not seen
  // the call where its kernel took nothing of it.
  Progress take_end() {
    if (has_byte_ && reader_->put_end()) {
      outcome_ = Outcome::answered;
      is_reusable_ = false;
      return Progress::end;
    }
    const bool unseen =
        acknowledged_before_ && !has_byte_ && acknowledged_bytes(connection_.get()) <= acknowledged_before_;
    outcome_ = unseen ? Outcome::unstarted : Outcome::broken;
    return Progress::end;
  }

  template <class Next>
  void wait(Stream::wait_type what, Next next) {
    if (!stream_ || !stream_->is_open()) return;
    const std::weak_ptr<bool> attempt = attempt_;
    stream_->async_wait(what, [attempt, next](const boost::system::error_code& error) {
      if (!error && !attempt.expired()) next();
    });
  }

  // The number stays open: it is the connection's.
  void close() {
    attempt_.reset();
    if (stream_ && stream_->is_open()) stream_->release();
    stream_.reset();
  }

  void finish() {
    measure();
    close();
    Descriptor kept;
    After after = After::good;
    if (outcome_ == Outcome::answered && !stopped_) {
      if (is_reusable_) kept = std::move(connection_);
    } else if (outcome_ == Outcome::broken || (outcome_ == Outcome::unstarted && !may_live_)) {
      after = ended_ || !may_live_ ? After::broken : After::unfit;
    } else if (stopped_ && begun_at_ != Time{}) {
      // It goes on with what nobody waits for. Alone it ends for that; with others it does when they have
      // ended.
      const bool is_alone = pool_->settings().concurrency == 1;
      const bool is_late = stopped_->code == Code::deadline;
      after = is_alone ? After::broken : is_late ? After::unfit : After::good;
    }
    give_place(std::move(kept), after);
  }

  Reply make_reply() {
    if (outcome_ == Outcome::answered && !stopped_) {
      net::HttpClientResponse& response = reader_->response();
      reply_.status = response.status;
      for (auto& [name, value] : response.headers) {
        if (!is_connection_header(name)) reply_.headers.push_back({std::move(name), std::move(value)});
      }
      reply_.output = std::move(response.body);
    } else if (stopped_) {
      reply_.error = std::move(stopped_);
    } else if (outcome_ == Outcome::odd) {
      reply_.error = std::move(error_);
    } else if (outcome_ == Outcome::unstarted) {
      reply_.unbegun = true;
      reply_.error =
          Error{Code::unavailable,
                "no container of the function took the call: each closed its connection before it began",
                Stage::start};
    } else {
      reply_.error = broken_error();
    }
    return std::move(reply_);
  }

  Error broken_error() const {
    if (!ended_) return {Code::died, "its server closed the connection before it had answered", Stage::run};
    return {ended_->out_of_memory ? Code::limit : Code::died,
            end_text(*ended_, pool_->plan().memory_bytes) + " before it had answered", Stage::run};
  }

  std::string head_;
  std::size_t written_ = 0;
  std::string received_;  // What the reader has not taken yet.
  std::optional<net::ResponseReader> reader_;
  std::optional<Stream> stream_;
  std::shared_ptr<bool> attempt_;
  Outcome outcome_ = Outcome::none;
  Error error_;
  std::optional<End> ended_;
  std::optional<std::uint64_t> acknowledged_before_;  // Of a connection that was there before.
  int interim_count_ = 0;
  bool is_reused_ = false;
  bool is_reusable_ = false;
  bool may_live_ = true;
  bool has_byte_ = false;
};

}  // namespace

std::unique_ptr<exec::Instance> make_http_execution(std::shared_ptr<Pool> pool, exec::Core& core) {
  return std::make_unique<HttpExecution>(std::move(pool), core);
}

}  // namespace canopy::container
