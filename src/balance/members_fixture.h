#pragma once
// For tests: a gateway's members on two cores and workers that join them, whole but for their sockets, on
// connections in memory and a clock that stands still.
//
// Threads: one, beside those of the workers' disks.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "balance/members.h"
#include "balance/membership.h"
#include "exec/fake_runtime.h"
#include "net/frame_pair.h"
#include "worker/remote.h"

namespace canopy::balance {

inline constexpr std::string_view good_token = "a token that nobody guesses";

// Makes connections to the members of a test, for as long as there is a way.
class FakeDialer final : public Dialer {
 public:
  net::Task<Result<std::unique_ptr<net::FrameLink>>> dial(exec::Core& /*core*/) override {
    ++dialed;
    if (!reachable) co_return fail(Code::unavailable, "nobody is there");
    lines.push_back(std::make_unique<net::FramePair>());
    greet(lines.back()->left());
    co_return lines.back()->right();
  }
  // Nothing that is on its way arrives, and nobody is told: as where a cable was cut.
  void stop() { stopped = true; }
  bool pump() {
    bool moved = false;
    for (std::size_t i = 0; i < lines.size() && !stopped; ++i) moved = lines[i]->pump() || moved;
    return moved;
  }
  void cut() {
    for (const auto& line : lines) line->cut();
  }

  std::function<void(std::unique_ptr<net::FrameLink> link)> greet;
  std::vector<std::unique_ptr<net::FramePair>> lines;
  std::size_t dialed = 0;
  bool reachable = true;
  bool stopped = false;
};

// A worker node, whole but for its sockets.
struct Peer {
  Peer(const Clock& clock, const exec::FakeRuntime::FindCode& find_code, const std::string& name,
       std::uint32_t slots, std::string_view token)
      : core(0, clock), disk(1, 100) {
    auto made = std::make_unique<exec::FakeRuntime>(find_code);
    runtime = made.get();
    runtimes.emplace("wasm", std::move(made));
    worker.emplace(
        core, runtimes, disk,
        worker::WorkerOptions{
            .slots = slots, .room = {.bytes_max = GiB, .count_max = 9}, .provider = nullptr, .asks = true});
    MembershipOptions options;
    options.name = name;
    options.token = token;
    options.slots = slots;
    options.runtimes = {"wasm"};
    options.instance = make_nonce();
    options.greeting_max = std::chrono::seconds(5);
    options.reconnect = {.first_delay = std::chrono::milliseconds(100),
                         .delay_max = std::chrono::milliseconds(400)};
    options.load = [] { return wire::WorkerLoad{.resident_bytes = 4096}; };
    options.on_joined = [this] { ++joined_count; };
    options.on_failed = [this] { ++failed_count; };
    options.on_refused = [this](const Error& why) { refused = why; };
    membership.emplace(core, *worker, dialer, std::move(options));
  }

  exec::Core core;
  net::BlockingPool disk;
  exec::Runtimes runtimes;
  exec::FakeRuntime* runtime = nullptr;
  FakeDialer dialer;
  std::optional<worker::Worker> worker;
  std::optional<Membership> membership;
  std::size_t joined_count = 0;
  std::size_t failed_count = 0;
  std::optional<Error> refused;
};

struct OneCall {
  Call call;
  CallLog log{1000};
  std::unique_ptr<exec::Instance> instance;
  std::optional<Reply> reply;
};

class MembersTest : public testing::Test {
 protected:
  MembersTest() {
    function_.name = {"demo", "fake"};
    function_.version = 1;
    function_.digest = "fake";
    code_path_ = testing::TempDir() + "members-code-" + std::to_string(getpid());
    std::ofstream(code_path_) << "fake";
    MembersOptions options;
    options.token = good_token;
    options.silence_max = std::chrono::seconds(2);
    options.greeting_max = std::chrono::seconds(5);
    options.strangers_max = 4;
    options.members_max = 4;
    options.crew = {.running_max = 100, .waiting_max = 10};
    const ReadCode read = [this](const wire::Want& want, const CodeRead& done) {
      if (want.digest != stored_digest_) return done(fail(Code::not_found, "no such code"));
      done(stored_code_.substr(std::min<std::uint64_t>(want.offset, stored_code_.size()), piece_bytes_));
    };
    members_.emplace(std::move(options), std::vector<exec::Core*>{&cores_[0], &cores_[1]}, read, clock_);
    members_->listen([this](const Node& node) {
      states_ += node.name + " " + std::string(canopy::name(node.state)) + "\n";
    });
    members_->begin();
  }
  void TearDown() override {
    for (const auto& one : calls_) {
      if (!one->reply) one->instance->cancel();
    }
    settle([this] {
      return std::ranges::all_of(calls_, [](const auto& one) { return one->reply.has_value(); });
    });
    for (const auto& peer : peers_) {
      peer->dialer.reachable = false;
      peer->dialer.cut();
      peer->worker->cut();
    }
    settle([this] {
      return std::ranges::all_of(peers_, [](const auto& peer) { return peer->worker->running_count() == 0; });
    });
    for (const auto& one : calls_) one->instance.reset();
    std::remove(code_path_.c_str());
  }

  exec::FakeRuntime::FindCode find_code() {
    return [this](std::string_view) -> Result<std::filesystem::path> { return code_path_; };
  }
  void deploy(const exec::FakeFunction& function) {
    fake_ = function;
    auto local = std::make_unique<exec::FakeRuntime>(find_code());
    local_ = local.get();
    local->add("fake", function);
    runtime_ = worker::make_dispatch_runtime(
        std::move(local), members_->crews(),
        [this](const Function& function) { return members_->way_of(function); });
    template_ = *runtime_->prepare(function_);
  }
  Peer& hire(const std::string& name, std::uint32_t slots = 4, std::string_view token = good_token) {
    peers_.push_back(std::make_unique<Peer>(clock_, find_code(), name, slots, token));
    Peer& peer = *peers_.back();
    peer.dialer.greet = [this](std::unique_ptr<net::FrameLink> link) {
      members_->greet(std::move(link), "10.0.0.7:1");
    };
    peer.runtime->add("fake", fake_);
    made_.push_back(*peer.runtime->prepare(function_));
    peer.membership->begin();
    settle();
    return peer;
  }
  OneCall& begin(std::size_t core = 0, std::string_view input = {},
                 Duration timeout = std::chrono::seconds(60)) {
    calls_.push_back(std::make_unique<OneCall>());
    OneCall& one = *calls_.back();
    one.call.id = {1, calls_.size()};
    one.call.function = called_;
    one.call.queued = clock_.now();
    one.call.deadline = clock_.now() + timeout;
    one.call.input = input;
    one.call.log = &one.log;
    one.instance = template_->start(cores_[core]);
    net::asio::co_spawn(cores_[core].io(), run(one), net::asio::detached);
    cores_[core].poll();
    return one;
  }
  static net::Task<void> run(OneCall& one) {
    Reply reply = co_await one.instance->run(one.call);
    one.reply = std::move(reply);
  }

  void turn() {
    if (members_) members_->poll();
    for (exec::Core& core : cores_) core.poll();
    for (const auto& peer : peers_) {
      peer->core.poll();
      peer->dialer.pump();
    }
    for (const auto& pair : pairs_) pair->pump();
    if (members_) members_->poll();
  }
  // Everything that happens without time.
  void settle() {
    for (int i = 0; i < 40; ++i) turn();
  }
  bool settle(const std::function<bool()>& done) {
    for (int i = 0; i < 1'000'000; ++i) {
      turn();
      if (done()) return true;
      std::this_thread::yield();
    }
    return false;
  }
  void pass(Duration time, Duration step = std::chrono::milliseconds(100)) {
    for (; time > Duration::zero(); time -= step) {
      clock_.advance(step);
      settle();
    }
  }
  Reply finished(OneCall& one) {
    EXPECT_TRUE(settle([&one] { return one.reply.has_value(); }));
    return one.reply.value_or(Reply());
  }
  std::string shown() const {
    std::string text;
    for (const Node& node : members_->nodes()) {
      text += node.name + " " + std::string(canopy::name(node.state)) + "\n";
    }
    return text;
  }
  bool waits(const Peer& peer, std::size_t count) {
    return settle([&] { return peer.runtime->waiting_count() == count; });
  }

  FakeClock clock_;
  std::string code_path_;
  std::string stored_digest_;
  std::string stored_code_;
  std::size_t piece_bytes_ = wire::code_piece_bytes_max;
  std::array<exec::Core, 2> cores_{exec::Core(0, clock_), exec::Core(1, clock_)};
  std::string states_;
  std::optional<Members> members_;
  Function function_;
  const Function* called_ = &function_;
  exec::FakeFunction fake_;
  exec::FakeRuntime* local_ = nullptr;
  std::unique_ptr<exec::Runtime> runtime_;
  std::shared_ptr<exec::Template> template_;
  std::vector<std::shared_ptr<exec::Template>> made_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<net::FramePair>> pairs_;
  std::vector<std::unique_ptr<OneCall>> calls_;
};

inline const exec::FakeFunction echo{.begin = {},
                                     .end = [](Call& call, Reply& reply) { reply.output = call.input; }};
inline const exec::FakeFunction waiting{
    .begin = {}, .waits = true, .end = [](Call& call, Reply& reply) { reply.output = call.input; }};

}  // namespace canopy::balance
