#pragma once
// For tests: a gateway, two levels of balancers and workers, whole but for sockets and threads, on a fake
// clock, a network in memory and one seed. Each call says at its worker that it began, so that a call which
// begins twice is seen.
//
// Threads: one.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "balance/members.h"
#include "balance/membership.h"
#include "balance/sim_network.h"
#include "worker/remote.h"
#include "worker/worker.h"

namespace canopy::balance {

// Calls that take a while and say when they begin, and when they are to end.
class SimRuntime final : public exec::PlainRuntime {
 public:
  using OnBegin = std::function<void(const Call& call, Time end)>;
  explicit SimRuntime(OnBegin on_begin) : on_begin_(std::move(on_begin)) {}

  std::string_view name() const override { return "wasm"; }
  Result<void> check(const Function& /*function*/, std::string_view /*code*/) override { return {}; }
  std::shared_ptr<exec::Template> find(const Function& /*function*/) override {
    return std::make_shared<Made>(on_begin_);
  }
  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    return find(function);
  }

 private:
  // Its input says for how many milliseconds.
  class Running final : public exec::Instance, public exec::Turn {
   public:
    Running(exec::Core& core, const OnBegin& on_begin) : core_(core), on_begin_(on_begin) {}
    ~Running() override { core_.leave(*this); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    net::Task<Reply> run(Call& call) override {
      const auto time = std::chrono::milliseconds(std::stoi(std::string(call.input)));
      const Time began = core_.clock().now();
      const Time end = began + time;
      on_begin_(call, end);
      core_.suspend(*this, end, call.deadline);
      co_await done_.wait();
      Reply reply;
      reply.usage.wait_time = began - call.queued;
      reply.usage.run_time = core_.clock().now() - began;
      if (error_) {
        reply.error = error_;
      } else {
        reply.output = call.input;
      }
      co_return reply;
    }
    void cancel() override { end(Error{Code::canceled, "the call was cancelled", Stage::run}); }
    void take() override { end(std::nullopt); }
    void expire() override { end(Error{Code::deadline, "the deadline passed", Stage::run}); }

   private:
    void end(std::optional<Error> error) {
      core_.leave(*this);
      error_ = std::move(error);
      done_.set();
    }
    exec::Core& core_;
    const OnBegin& on_begin_;
    std::optional<Error> error_;
    net::Event done_;
  };

  class Made final : public exec::Template {
   public:
    explicit Made(const OnBegin& on_begin) : on_begin_(on_begin) {}
    std::unique_ptr<exec::Instance> start(exec::Core& core) override {
      return std::make_unique<Running>(core, on_begin_);
    }
    std::uint64_t resident_bytes() const override { return 1; }
    std::uint64_t resident_bytes(const exec::Core& /*core*/) const override { return 1; }
    void unload(exec::Core& /*core*/) override {}

   private:
    const OnBegin& on_begin_;
  };

  const OnBegin on_begin_;
};

struct SimProvider final : worker::Provider {
  net::Task<Result<std::shared_ptr<exec::Template>>> provide(exec::Runtime& runtime,
                                                             const Function& function) override {
    co_return runtime.find(function);
  }
};

// What all nodes of a test have in common.
struct SimWorld {
  explicit SimWorld(std::uint64_t seed) : random(seed), network(clock, seed ^ 0x5eed) {}

  FakeClock clock;
  std::mt19937_64 random;
  SimNetwork network;
  net::BlockingPool disk{1, 10};  // There since a worker wants one; nothing is done in it.
  std::function<Members*(std::size_t node)> members_of;
  ReadCode read_code = [](const wire::Want& /*want*/, const CodeRead& done) {
    done(fail(Code::not_found, "there is no code in this test"));
  };
  SimRuntime::OnBegin on_begin;
  std::function<void(const Error& why)> on_refused;
};

// A balancer's or a gateway's side towards those below it.
struct SimBelow {
  // `instance`: of the balancer; 0 of a gateway.
  SimBelow(SimWorld& world, exec::Core& core, std::uint64_t instance,
           std::function<void(const wire::Offer&)> on_offer, std::function<void()> on_warm) {
    const bool refuses = instance != 0;
    MembersOptions options;
    options.token = "a token that nobody guesses";
    options.silence_max = std::chrono::milliseconds(1500);
    options.greeting_max = std::chrono::seconds(2);
    options.crew = {.running_max = 10'000, .waiting_max = refuses ? std::size_t{0} : std::size_t{1000}};
    options.crew.refuses = refuses;
    options.rules.mode = policy::Dispatch::push;
    options.instance = instance;
    options.on_offer = std::move(on_offer);
    options.on_warm = [tell = std::move(on_warm)](std::size_t /*core*/) {
      if (tell) tell();
    };
    const ReadCode read = [&world](const wire::Want& want, const CodeRead& done) {
      world.read_code(want, done);
    };
    members.emplace(std::move(options), std::vector<exec::Core*>{&core}, read, world.clock);
    members->begin();
    relay = worker::make_relay_runtime(core, *members->crews().front());
  }
  std::optional<Members> members;
  std::unique_ptr<exec::Runtime> relay;
};

// A worker, or a balancer.
struct SimNode {
  struct Dialed final : Dialer {
    Dialed(SimWorld& of, std::size_t own, std::size_t to) : world(of), number(own), parent(to) {}
    net::Task<Result<std::unique_ptr<net::FrameLink>>> dial(exec::Core& /*core*/) override {
      Members* const there = world.members_of(parent);
      if (there == nullptr) co_return fail(Code::unavailable, "nobody listens there");
      auto [own, others] = world.network.connect(number, parent);
      there->greet(std::move(others), "10.0.0.7:1");
      co_return std::move(own);
    }
    SimWorld& world;
    const std::size_t number;
    const std::size_t parent;
  };

  SimNode(SimWorld& of, std::size_t own, std::size_t parent, std::uint32_t slots)
      : world(of), core(0, of.clock), dialer(of, own, parent), slot_count(slots) {
    if (slots == 0) {
      below.emplace(
          world, core, instance_of(instance),
          [this](const wire::Offer& offer) {
            core.post([this, offer] { worker->set_offer(offer.slots, offer.runtimes); });
          },
          [this] { worker->note_warm(); });
    }
    runtimes.emplace("wasm", std::make_unique<SimRuntime>(world.on_begin));
    worker::WorkerOptions options{.slots = slots,
                                  .room = {.bytes_max = 1 << 20, .count_max = 100},
                                  .provider = &provider,
                                  .asks = true};
    if (below) {
      options.provider = nullptr;
      options.relay = below->relay.get();
      options.warm_keys = [crew = below->members->crews().front()] { return crew->warm_keys(); };
    }
    worker.emplace(core, runtimes, world.disk, options);
    MembershipOptions joining;
    joining.name = "node-" + std::to_string(own);
    joining.token = "a token that nobody guesses";
    joining.slots = slots;
    if (!below) joining.runtimes = {"wasm"};
    joining.balancer = below.has_value();
    joining.instance = instance;
    joining.greeting_max = std::chrono::seconds(2);
    joining.reconnect = {.first_delay = std::chrono::milliseconds(50),
                         .delay_max = std::chrono::milliseconds(400)};
    joining.random = [this] { return static_cast<double>(world.random() % 1000) / 1000; };
    joining.load = [this] {
      return wire::WorkerLoad{.running_count = static_cast<std::uint32_t>(worker->running_count())};
    };
    if (below) joining.below = [this] { return below->members->nodes(); };
    joining.on_refused = world.on_refused;
    membership.emplace(core, *worker, dialer, std::move(joining));
    membership->begin();
  }
  std::size_t poll() { return (below ? below->members->poll() : 0) + core.poll(); }

  SimWorld& world;
  const wire::Nonce instance = make_nonce();
  exec::Core core;
  SimProvider provider;
  exec::Runtimes runtimes;
  Dialed dialer;
  std::uint32_t slot_count;
  std::optional<SimBelow> below;
  std::optional<worker::Worker> worker;
  std::optional<Membership> membership;
};

}  // namespace canopy::balance
