// Strangers: from a connection to a welcome, a line, or a refusal.

#include <algorithm>
#include <utility>

#include "balance/members_impl.h"
#include "base/log.h"
#include "crypto/keyed_hash.h"
#include "policy/place.h"

namespace canopy::balance {

using wire::FrameKind;

void Members::Impl::greet(std::unique_ptr<net::FrameLink> link, const std::string& address) {
  make_room_for_strangers();
  sessions.push_back(std::make_unique<Session>());
  Session& session = *sessions.back();
  session.link = std::move(link);
  session.address = address;
  session.since = clock.now();
  session.nonce = make_nonce();
  session.heard = [this, raw = &session](const wire::Frame& frame) { heard(*raw, frame); };
  session.closed = [this, raw = &session](const std::string& why) {
    if (raw->colleague) return end(*raw, why);
    // Whoever only looks whether the port is open does no harm.
    if (!raw->refused && why != net::closed_by_other_side)
      complain("a connection from " + raw->address + " is no worker's: " + why);
    forget(*raw);
  };
  wire::write_challenge({.version = wire::frame_version, .nonce = session.nonce}, body);
  session.link->send({.kind = FrameKind::challenge}, body);
  session.link->listen(session);
}

// Whoever floods the port ends its own connections first, and a worker that comes has its turn.
void Members::Impl::make_room_for_strangers() {
  const auto is_stranger = [](const auto& session) { return session->is_stranger(); };
  const auto count = static_cast<std::size_t>(std::ranges::count_if(sessions, is_stranger));
  if (count < options.strangers_max) return;
  forget(**std::ranges::find_if(sessions, is_stranger));
}

void Members::Impl::meet(Session& session, const wire::Frame& frame) {
  if (frame.head.kind == FrameKind::join) return welcome(session, frame);
  if (frame.head.kind == FrameKind::line) return take_line(session, frame);
  if (frame.head.kind == FrameKind::ping) return;  // A worker's first word, before it was asked for more.
  refuse(session, "a worker says first who it is", true);
}

void Members::Impl::welcome(Session& session, const wire::Frame& frame) {
  auto join = wire::read_join(frame.body);
  if (!join) return refuse(session, join.error().message, true);
  const Nonces nonces{.gateway = session.nonce, .worker = join->nonce};
  if (!crypto::same_digest(join->proof, joining_proof(options.token, nonces, join->name))) {
    return refuse(session,
                  "its join token is not the one of this server; --token-file names the file that has it",
                  true);
  }
  if (options.instance != 0 && options.instance == instance_of(join->instance)) {
    return refuse(session, "this is that balancer's own --listen; --join names another's, or a server's",
                  true);
  }
  std::size_t member_count = 0;
  for (const auto& other : sessions) {
    if (!other->is_member()) continue;
    ++member_count;
    if (other->join.name != join->name) continue;
    if (other->join.instance != join->instance) {
      return refuse(session, "a worker of the name '" + join->name + "' is here; give it another with --name",
                    false);
    }
    cut(*other, "it has joined again");
    --member_count;
  }
  if (member_count >= options.members_max) {
    return refuse(session, "as many workers as may, " + std::to_string(options.members_max) + ", are here",
                  false);
  }
  accept(session, *std::move(join), nonces);
}

void Members::Impl::accept(Session& session, wire::Join join, const Nonces& nonces) {
  session.join = std::move(join);
  session.colleague = std::make_shared<worker::Colleague>();
  session.colleague->number = ++number;
  session.colleague->name = session.join.name;
  session.colleague->joined = true;
  session.colleague->set_slots(session.join.slots);
  session.colleague->key = policy::hash_of(session.join.name);
  session.colleague->balancer = session.join.balancer;
  session.colleague->runtimes = session.join.runtimes;
  session.runtimes = session.join.runtimes;
  // A member's frames may have full size: a balancer tells of all who are below it.
  auto maker = session.link->release();
  if (!maker) return forget(session);
  session.link = (*maker)(loop.io());
  session.link->listen(session);
  session.line_key = line_key(options.token, nonces);
  session.lines.assign(cores.size(), false);
  session.since = clock.now();
  session.wall_since = clock.wall_now();
  wire::write_welcome({.worker = session.colleague->number,
                       .line_count = static_cast<std::uint32_t>(cores.size()),
                       .silence_max = options.silence_max,
                       .proof = welcome_proof(options.token, nonces)},
                      body);
  session.link->send({.kind = FrameKind::welcome}, body);
  const std::string slots =
      session.join.slots == 0 ? "" : ": " + std::to_string(session.join.slots) + " slots";
  const std::string text =
      std::string(session.role()) + " " + session.join.name + " joins from " + session.address + slots;
  if (const auto line = comings.take(text, clock.now())) log::info("{}", *line);
  changed(session.describe());
}

void Members::Impl::complain(const std::string& what) {
  if (const auto line = complaints.take(log_safe(what, 400), clock.now())) log::warn("{}", *line);
}

void Members::Impl::refuse(Session& session, const std::string& why, bool for_good) {
  complain("a worker from " + session.address + " is refused: " + why);
  session.refused = true;
  const std::uint8_t flags = for_good ? wire::goaway_for_good : std::uint8_t{0};
  session.link->send({.kind = FrameKind::goaway, .flags = flags}, why);
  session.link->close();
}

void Members::Impl::take_line(Session& session, const wire::Frame& frame) {
  const auto line = wire::read_line(frame.body);
  Session* const member = line ? find(line->worker) : nullptr;
  const bool fits = member != nullptr && line->core < cores.size() && !member->lines[line->core];
  if (!fits || !crypto::same_digest(line->proof, line_proof(member->line_key, session.nonce, line->core))) {
    return refuse(session, "this connection belongs to no worker that is here", false);
  }
  auto maker = session.link->release();
  forget(session);
  if (!maker) return cut(*member, maker.error().message);
  member->lines[line->core] = true;
  member->since = clock.now();  // Over a long way each takes its time, and there may be many.
  cores[line->core]->post([crew = crews[line->core].get(), core = cores[line->core],
                           colleague = member->colleague, make = *std::move(maker)] {
    auto link = make(core->io());
    link->send({.kind = FrameKind::welcome}, {});
    crew->attach(colleague, std::move(link));
  });
  if (!std::ranges::all_of(member->lines, [](bool connected) { return connected; })) return;
  if (member->state != NodeState::starting) return;
  member->state = NodeState::ready;
  changed(member->describe());
}

}  // namespace canopy::balance
