#include "balance/membership.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/units.h"
#include "crypto/keyed_hash.h"
#include "wire/tree_frames.h"

namespace canopy::balance {
namespace {

using wire::FrameKind;

constexpr Duration beat_period = std::chrono::milliseconds(500);
constexpr Duration doubt_time = std::chrono::seconds(2);
constexpr std::size_t fetches_max = 4;  // At once.
constexpr std::size_t why_size_max = 300;

// From 0 to 1.
double random_part() {
  std::uint32_t number = 0;
  fill_random(&number, sizeof number);
  return static_cast<double>(number) / 4294967295.0;
}

// Words of the other side's or of OpenSSL's, and what helps then; the first that fits.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> advice = {{
    {"HTTP/", "--join has to name its --node-listen, and not its --listen"},
    {"mismatch",
     "its certificate is not for the host behind --join: write there what it is for, or make it one for that "
     "host"},
    {"certificate has expired", "make it another, and start it again"},
    {"certificate expired",
     "CANOPY_JOIN_CERT names one whose time is over; make another, and start this node again"},
    {"unsupported certificate",
     "CANOPY_JOIN_CERT names one that was not made for joining; canopy cert worker and canopy cert balancer "
     "make such"},
    {"certificate",
     "CANOPY_JOIN_CA names what the server's certificate is checked against, and where it has --node-ca, "
     "CANOPY_JOIN_CERT and CANOPY_JOIN_KEY name what it is shown"},
    {"unknown ca", "the authority in its --node-ca has not signed what CANOPY_JOIN_CERT names"},
}};

std::string_view what_to_do(const std::string& why) {
  for (const auto& [words, next] : advice) {
    if (why.find(words) != std::string::npos) return next;
  }
  return "see what it has as --node-listen, or a balancer as --listen, and set CANOPY_JOIN_CA where it has a "
         "certificate, CANOPY_JOIN_CERT and CANOPY_JOIN_KEY where it has --node-ca";
}

}  // namespace

// The first connection, which is about the worker as a whole, or the one to a core of the gateway until the
// worker has it.
struct Membership::Connection final : net::FrameListener {
  Connection(Membership& owner, std::unique_ptr<net::FrameLink> over, std::optional<std::uint32_t> to)
      : of(owner), link(std::move(over)), line(to) {}

  void on_frame(const wire::Frame& frame) override { of.on_frame(*this, frame); }
  void on_closed(const std::string& why) override { of.on_closed(*this, why); }

  Membership& of;
  std::unique_ptr<net::FrameLink> link;
  const std::optional<std::uint32_t> line;  // To that core.
  bool answered = false;                    // It was challenged.
};

struct Membership::Wanted {
  Time since{};
  std::optional<Result<std::string>> piece;
  net::Event event;
};

Membership::Membership(exec::Core& core, worker::Worker& worker, Dialer& dialer, MembershipOptions options)
    : core_(core), worker_(worker), dialer_(dialer), options_(std::move(options)) {}

Membership::~Membership() { core_.leave(*this); }

void Membership::begin() {
  next_at_ = core_.clock().now();
  beat();
}

void Membership::beat() {
  const Time now = core_.clock().now();
  Time next = now + beat_period;
  switch (phase_) {
    case Phase::over:
      return;
    case Phase::waiting:
      if (now >= next_at_) {
        phase_ = Phase::dialing;
        spawn(connect(++attempt_, std::nullopt));
      } else {
        next = std::min(next, next_at_);
      }
      break;
    case Phase::dialing:  // The dialer's own deadline holds.
      break;
    case Phase::greeting:
      if (now - since_ > options_.greeting_max) {
        lose(
            "the server does not answer; is --join the address that it has as --node-listen, or a balancer "
            "as "
            "--listen?");
      } else if (now - since_ > doubt_time && !std::exchange(doubted_, true)) {
        tell(log::level::warn,
             options_.name + ": nothing has come from the server for " + duration_text(doubt_time) +
                 "; is --join the address that it has as --node-listen, or a balancer as --listen?");
      }
      break;
    case Phase::joined:
      if (++unheard_count_ * beat_period > silence_max_) {
        lose("the server says nothing for " + duration_text(silence_max_));
      } else if (lines_open_ < line_count_ && now - since_ > options_.greeting_max) {
        lose("the server takes up no connections to its cores");
      }
      break;
  }
  for (const auto& [number, wanted] : wanted_) {
    if (wanted->piece || now - wanted->since <= options_.piece_time_max) continue;
    wanted->piece = fail(Code::unavailable, "the server sends no code", Stage::start);
    wanted->event.set();
  }
  if (phase_ == Phase::waiting) next = std::min(next, std::max(next_at_, now));
  if (phase_ != Phase::over) core_.suspend(*this, next, never);
}

void Membership::spawn(net::Task<void> task) {
  net::asio::co_spawn(core_.io(), std::move(task), net::asio::detached);
}

net::Task<void> Membership::connect(std::uint64_t attempt, std::optional<std::uint32_t> line) {
  auto link = co_await dialer_.dial(core_);
  if (attempt != attempt_ || phase_ == Phase::over) co_return;
  if (!link) {
    lose(link.error().message);
    co_return;
  }
  add_connection(*std::move(link), line);
}

void Membership::add_connection(std::unique_ptr<net::FrameLink> link, std::optional<std::uint32_t> line) {
  connections_.push_back(std::make_shared<Connection>(*this, std::move(link), line));
  Connection& added = *connections_.back();
  if (!line) {
    control_ = &added;
    phase_ = Phase::greeting;
    since_ = core_.clock().now();
  }
  added.link->listen(added);
  // Who waits to be spoken to, as HTTP and TLS do, shows at once that it is no server's port for workers.
  if (!line) added.link->send({.kind = FrameKind::ping}, {});
}

void Membership::on_closed(Connection& from, const std::string& why) {
  if (from.line || from.answered) return lose(why);
  lose("what answers there is no server that workers can join, or not in this way: " + why + "; " +
       std::string(what_to_do(why)));
}

void Membership::on_frame(Connection& from, const wire::Frame& frame) {
  if (!from.link) return;
  if (frame.head.kind == FrameKind::challenge && !from.answered) return answer(from, frame);
  if (frame.head.kind == FrameKind::goaway) return on_refusal(frame);
  if (from.line) return on_line_frame(from, frame);
  unheard_count_ = 0;
  switch (frame.head.kind) {
    case FrameKind::welcome:
      if (phase_ == Phase::greeting && from.answered) return on_welcome(frame);
      break;
    case FrameKind::ping:
      wire::write_load(options_.load(), body_);
      from.link->send({.kind = FrameKind::pong}, body_);
      if (options_.below) {
        wire::write_tree(options_.below(), body_);
        from.link->send({.kind = FrameKind::tree}, body_);
      }
      return;
    case FrameKind::piece:
      return on_piece(frame);
    default:
      break;
  }
  lose("the server sent a frame that is not for a worker");
}

// The gateway's core has taken it up: from now on it is the worker's.
void Membership::on_line_frame(Connection& from, const wire::Frame& frame) {
  if (frame.head.kind != FrameKind::welcome || !from.answered) {
    return lose("the server sent a frame that is not for a worker");
  }
  worker_.serve(std::move(from.link));
  since_ = core_.clock().now();
  if (++lines_open_ < line_count_) return spawn(connect(attempt_, lines_open_));
  failures_ = 0;
  const std::uint32_t slots = options_.balancer ? worker_.slots() : options_.slots;
  tell(log::level::info,
       options_.name + (slots == 0 ? " has joined; its slots are those of the workers that join it"
                                   : " has joined, with " + std::to_string(slots) + " slots"));
  if (options_.on_joined) options_.on_joined();
}

void Membership::answer(Connection& from, const wire::Frame& frame) {
  const auto challenge = wire::read_challenge(frame.body);
  if (!challenge)
    return lose("what answers there is no server that workers can join: " + challenge.error().message);
  if (challenge->version != wire::frame_version) {
    return lose("the server speaks version " + std::to_string(challenge->version) + " and this worker " +
                std::to_string(wire::frame_version) + "; start the same program on both sides");
  }
  from.answered = true;
  if (from.line) {
    wire::write_line(
        {.worker = number_, .core = *from.line, .proof = line_proof(line_key_, challenge->nonce, *from.line)},
        body_);
    from.link->send({.kind = FrameKind::line}, body_);
    return;
  }
  nonces_ = {.gateway = challenge->nonce, .worker = make_nonce()};
  wire::write_join({.name = options_.name,
                    .instance = options_.instance,
                    .slots = options_.balancer ? worker_.slots() : options_.slots,
                    .runtimes = options_.runtimes,
                    .process = static_cast<std::uint64_t>(getpid()),
                    .program = options_.program,
                    .balancer = options_.balancer,
                    .nonce = nonces_.worker,
                    .proof = joining_proof(options_.token, nonces_, options_.name),
                    .walls = options_.walls},
                   body_);
  from.link->send({.kind = FrameKind::join}, body_);
}

void Membership::on_welcome(const wire::Frame& frame) {
  const auto welcome = wire::read_welcome(frame.body);
  if (!welcome) return lose(welcome.error().message);
  // Who does not know the token could have us run anything.
  if (!crypto::same_digest(welcome->proof, welcome_proof(options_.token, nonces_))) {
    return lose("what answers there does not know the join token");
  }
  phase_ = Phase::joined;
  since_ = core_.clock().now();
  number_ = welcome->worker;
  line_count_ = welcome->line_count;
  lines_open_ = 0;
  silence_max_ = welcome->silence_max;
  unheard_count_ = 0;
  line_key_ = line_key(options_.token, nonces_);
  spawn(connect(attempt_, 0));
}

void Membership::on_refusal(const wire::Frame& frame) {
  const std::string why = "the server refuses: " + log_safe(frame.body, why_size_max);
  if ((frame.head.flags & wire::goaway_for_good) == 0 || phase_ == Phase::joined) return lose(why);
  drop_connections();
  phase_ = Phase::over;
  if (options_.on_refused) options_.on_refused({Code::unauthorized, why});
}

void Membership::on_piece(const wire::Frame& frame) {
  const auto at = wanted_.find(frame.head.call);
  if (at == wanted_.end() || at->second->piece) return;
  if ((frame.head.flags & wire::piece_missing) != 0) {
    at->second->piece =
        fail(Code::unavailable, "the server has no such code: " + log_safe(frame.body, why_size_max),
             Stage::start);
  } else {
    at->second->piece = std::string(frame.body);
  }
  at->second->event.set();
}

void Membership::lose(const std::string& why) {
  if (phase_ == Phase::over || phase_ == Phase::waiting) return;
  ++attempt_;
  const bool was_joined = phase_ == Phase::joined && lines_open_ == line_count_;
  phase_ = Phase::waiting;
  drop_connections();
  worker_.cut();
  for (const auto& [number, wanted] : wanted_) {
    if (wanted->piece) continue;
    wanted->piece = fail(Code::unavailable, "the connection to the server is lost", Stage::start);
    wanted->event.set();
  }
  if (leaving_) {
    phase_ = Phase::over;
    return;
  }
  const double random = options_.random ? options_.random() : random_part();
  const Duration delay = policy::reconnect_delay(options_.reconnect, ++failures_, random);
  tell(log::level::warn, options_.name + (was_joined ? " has lost the server: " : " cannot join: ") +
                             log_safe(why, 2 * why_size_max) + "; it tries again in " +
                             duration_text(std::chrono::ceil<std::chrono::milliseconds>(delay)));
  if (!was_joined && options_.on_failed) options_.on_failed();
  next_at_ = core_.clock().now() + delay;
  core_.suspend(*this, next_at_, never);
}

void Membership::tell(log::level::level_enum level, const std::string& news) {
  if (const auto line = sparing_.take(news, core_.clock().now())) log::log(level, "{}", *line);
}

// One of them may be what is heard now, so they live on until this round is over.
void Membership::drop_connections() {
  control_ = nullptr;
  for (const auto& connection : connections_) connection->link.reset();
  core_.post([kept = std::exchange(connections_, {})] {});
}

void Membership::leave(std::function<void()> done) {
  if (std::exchange(leaving_, true)) return;
  if (phase_ == Phase::joined && control_ != nullptr) control_->link->send({.kind = FrameKind::goaway}, {});
  left_ = std::move(done);
  worker_.drain([this] {
    ++attempt_;
    phase_ = Phase::over;
    drop_connections();
    core_.leave(*this);
    left_();
  });
}

net::Task<Result<std::string>> Membership::want(const std::string& digest, std::uint64_t offset,
                                                std::uint64_t size_bytes) {
  if (phase_ != Phase::joined) {
    co_return fail(Code::unavailable, "the connection to the server is lost", Stage::start);
  }
  const std::uint64_t number = ++want_count_;
  Wanted wanted;
  wanted.since = core_.clock().now();
  wanted_.emplace(number, &wanted);
  wire::write_want({.digest = digest, .offset = offset, .size_bytes = size_bytes}, body_);
  control_->link->send({.kind = FrameKind::want, .call = number}, body_);
  co_await wanted.event.wait();
  wanted_.erase(number);
  co_return *std::move(wanted.piece);
}

net::Task<Result<std::string>> Membership::fetch(std::string digest, std::uint64_t size_bytes) {
  if (++fetch_count_ > fetches_max) {
    net::Event turn;
    fetch_line_.push_back(&turn);
    co_await turn.wait();
  }
  Result<std::string> code;
  while (code && code->size() < size_bytes) {
    auto piece = co_await want(digest, code->size(), size_bytes);
    if (!piece) {
      code = tl::unexpected(piece.error());
    } else if (piece->empty() || code->size() + piece->size() > size_bytes) {
      code = fail(Code::internal, "the server sent code of another size than it said", Stage::start);
    } else {
      *code += *piece;
    }
  }
  --fetch_count_;
  if (!fetch_line_.empty()) {
    fetch_line_.front()->set();
    fetch_line_.pop_front();
  }
  co_return code;
}

}  // namespace canopy::balance
