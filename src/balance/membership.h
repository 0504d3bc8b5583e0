#pragma once
// The worker's side of joining a gateway: connects, shows that it knows the token and sees that the gateway
// does, connects once more for each core of the gateway, and hands these connections to a worker. Where the
// connection is lost, or the gateway says nothing for a while, all that ran for it is ended, and it joins
// again, later and later.
//
//   waiting ─▶ dialing ─ challenge, join ─▶ greeting ─ welcome ─▶ joined ─▶ its lines, one after the other
//      ▲                                                            │
//      └──────────────── lost, silent, refused ◀────────────────────┘
//
// Threads: its core's.
// Life:    the core, the worker and the dialer outlive it; the core has stopped when it dies.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "balance/proof.h"
#include "base/log.h"
#include "base/sparing.h"
#include "exec/core.h"
#include "model/node.h"
#include "net/event.h"
#include "net/frame_channel.h"
#include "net/task.h"
#include "policy/reconnect.h"
#include "wire/join_frames.h"
#include "wire/node_frames.h"
#include "worker/worker.h"

namespace canopy::balance {

class Dialer {
 public:
  virtual ~Dialer() = default;
  // One connection to the gateway: where several are known, to the one whose turn it is.
  //   unavailable, deadline  it cannot be had
  virtual net::Task<Result<std::unique_ptr<net::FrameLink>>> dial(exec::Core& core) = 0;
};

struct MembershipOptions {
  std::string name;
  std::string token;
  std::uint32_t slots = 1;
  std::vector<std::string> runtimes;
  std::string program;                                 // Its version.
  std::shared_ptr<const Walls> walls = {};             // Around its process.
  wire::Nonce instance{};                              // Of this run of it.
  bool balancer = false;                               // Its worker says how many slots it has.
  Duration greeting_max = std::chrono::seconds(10);    // To its welcome; then for each line.
  Duration piece_time_max = std::chrono::seconds(30);  // For a piece of code to come.
  policy::ReconnectRule reconnect;
  std::function<double()> random = {};                    // From 0 to 1; empty: the machine's.
  std::function<wire::WorkerLoad()> load;                 // What it has to do now.
  std::function<std::vector<canopy::Node>()> below = {};  // A balancer's: who is below it.
  std::function<void()> on_failed = {};                   // It was not let in: another gateway may be better.
  std::function<void()> on_joined = {};                   // Each time.
  std::function<void(const Error& why)> on_refused = {};  // For good: it does not try again.
};

class Membership final : public exec::Turn {
 public:
  Membership(exec::Core& core, worker::Worker& worker, Dialer& dialer, MembershipOptions options);
  ~Membership() override;
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Joins, and again, until leave().
  void begin();
  // Takes no more calls; `done` is called once, when those that run have ended and the gateway knows.
  void leave(std::function<void()> done);
  bool has_joined() const { return phase_ == Phase::joined; }

  // Code from the gateway, of as many bytes as it is known to have. Not looked at: see CodeCache::put().
  //   unavailable  the connection is lost, or the gateway has no such code
  net::Task<Result<std::string>> fetch(std::string digest, std::uint64_t size_bytes);

 private:
  enum class Phase { waiting, dialing, greeting, joined, over };

  struct Connection;
  struct Wanted;

  void take() override { beat(); }
  void expire() override { beat(); }
  void beat();
  net::Task<void> connect(std::uint64_t attempt, std::optional<std::uint32_t> line);
  void add_connection(std::unique_ptr<net::FrameLink> link, std::optional<std::uint32_t> line);
  void on_frame(Connection& from, const wire::Frame& frame);
  void on_closed(Connection& from, const std::string& why);
  void on_line_frame(Connection& from, const wire::Frame& frame);
  void answer(Connection& from, const wire::Frame& frame);
  void on_welcome(const wire::Frame& frame);
  void on_refusal(const wire::Frame& frame);
  void on_piece(const wire::Frame& frame);
  void lose(const std::string& why);
  void drop_connections();
  void tell(log::level::level_enum level, const std::string& news);
  void spawn(net::Task<void> task);
  net::Task<Result<std::string>> want(const std::string& digest, std::uint64_t offset,
                                      std::uint64_t size_bytes);

  exec::Core& core_;
  worker::Worker& worker_;
  Dialer& dialer_;
  const MembershipOptions options_;
  Phase phase_ = Phase::waiting;
  std::uint64_t attempt_ = 0;  // Tells what belongs to a connection that is lost from what does not.
  std::uint32_t failures_ = 0;
  Time since_{};  // In its phase.
  Time next_at_{};
  std::vector<std::shared_ptr<Connection>> connections_;
  Connection* control_ = nullptr;
  Nonces nonces_;
  Sha256Digest line_key_{};
  std::uint64_t number_ = 0;  // As it was welcomed.
  std::uint32_t line_count_ = 0;
  std::uint32_t lines_open_ = 0;
  Duration silence_max_{};
  std::uint32_t unheard_count_ = 0;  // Beats without a frame.
  std::function<void()> left_;
  bool leaving_ = false;
  bool doubted_ = false;                          // It has said that nothing comes.
  Sparing sparing_{20, std::chrono::minutes(1)};  // A server may let it in and cut it off without end.
  std::string body_;

  std::uint64_t want_count_ = 0;
  std::map<std::uint64_t, Wanted*> wanted_;  // By number.
  std::size_t fetch_count_ = 0;
  std::deque<net::Event*> fetch_line_;
};

}  // namespace canopy::balance
