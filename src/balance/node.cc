#include "balance/node.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "balance/code_relay.h"
#include "balance/members.h"
#include "balance/membership.h"
#include "balance/supply.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "net/frame_port.h"
#include "worker/own_load.h"
#include "worker/remote.h"

namespace canopy::balance {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t disk_threads = 4;
constexpr std::size_t disk_queue_max = 10'000;
constexpr std::size_t compile_queue_max = 1000;
constexpr std::size_t loaded_functions_max = 4096;
constexpr Duration dial_time_max = std::chrono::seconds(10);
constexpr Duration stop_timeout = std::chrono::seconds(10);
constexpr std::size_t nodes_max = 4096;  // That may join a balancer.
constexpr Duration sweep_period = std::chrono::hours(1);

class TcpDialer final : public Dialer {
 public:
  TcpDialer(net::BlockingPool& pool, const std::vector<Parent>& parents) : pool_(pool), parents_(parents) {}

  net::Task<Result<std::unique_ptr<net::FrameLink>>> dial(exec::Core& core) override {
    const Parent& parent = parents_[at_];
    return net::dial_frames(core.io(), pool_, parent.host, parent.port, dial_time_max, parent.tls);
  }
  // The one it dialed last is not to be had.
  void try_next() { at_ = (at_ + 1) % parents_.size(); }

 private:
  net::BlockingPool& pool_;
  const std::vector<Parent>& parents_;
  std::size_t at_ = 0;
};

// Held until this process ends.
Result<Descriptor> lock_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  const fs::path path = folder / "node.lock";
  Descriptor lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock)
    return fail(Code::unavailable, "cannot use the folder " + folder.string() + " for a node's data: " +
                                       std::error_code(errno, std::system_category()).message() +
                                       "; name another with --data");
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Code::conflict,
                "another node uses the folder " + folder.string() + "; give this one another with --data");
  }
  return lock;
}

worker::WorkerOptions with_provider(worker::WorkerOptions options, worker::Provider& provider) {
  if (options.relay == nullptr) options.provider = &provider;
  return options;
}

// One core, and what belongs to the gateway by it.
struct Member {
  Member(exec::Core& own, const exec::Runtimes& runtimes, net::BlockingPool& disk,
         net::BlockingPool& compiling, CodeCache& cache, const std::vector<Parent>& parents,
         const worker::WorkerOptions& options)
      : core(own),
        dialer(disk, parents),
        supply(cache, disk, compiling),
        worker(core, runtimes, disk, with_provider(options, supply)) {}

  exec::Core& core;
  TcpDialer dialer;
  Supply supply;
  worker::Worker worker;
  std::optional<Membership> membership;
};

// Lets go of what was compiled and nobody asks for any more.
class Sweeper final : public exec::Turn {
 public:
  Sweeper(exec::Core& core, const exec::Runtimes& runtimes, net::BlockingPool& disk)
      : core_(core), runtimes_(runtimes), disk_(disk) {}
  ~Sweeper() override { core_.leave(*this); }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

  void plan() { core_.suspend(*this, core_.clock().now() + sweep_period, never); }
  void take() override {
    const auto sweep = [&runtimes = runtimes_] {
      for (const auto& [name, runtime] : runtimes) {
        const auto freed = runtime->sweep({}, sweep_period);
        if (!freed) log::warn("cannot sweep what was compiled: {}", freed.error().message);
      }
    };
    disk_.post(sweep);  // If the queue is full there is another time.
    plan();
  }
  void expire() override { take(); }

 private:
  exec::Core& core_;
  const exec::Runtimes& runtimes_;
  net::BlockingPool& disk_;
};

// How often something is to happen on other threads, for one that waits for all of it.
class Countdown {
 public:
  explicit Countdown(std::size_t count) : left_(count) {}
  void count() {
    const std::lock_guard lock(mutex_);
    if (left_ > 0) --left_;
    changed_.notify_all();
  }
  bool wait(Duration timeout) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, timeout, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t left_;
};

}  // namespace

struct Node::Impl {
  Impl(NodeOptions the_options, Descriptor the_lock, const Clock& the_clock)
      : options(std::move(the_options)),
        lock(std::move(the_lock)),
        clock(the_clock),
        code(options.folder / "code", options.code_bytes_max) {}

  Result<void> start(const NodeRuntimeMaker& make_runtimes,
                     const std::function<void(const Error&)>& on_refused);
  MembershipOptions membership_options(std::size_t index,
                                       const std::function<void(const Error&)>& on_refused);
  Result<void> start_balancer(const std::vector<exec::Core*>& all);
  worker::WorkerOptions worker_options(std::size_t index);
  // Rounded up: a core without a slot would be one for nothing.
  std::uint32_t share(std::uint32_t slots) const;
  void offer(const wire::Offer& all);
  void begin_draining();
  bool drain(Duration timeout);
  void stop();

  const NodeOptions options;
  const Descriptor lock;
  const Clock& clock;
  const wire::Nonce instance = make_nonce();
  CodeCache code;
  std::vector<std::unique_ptr<exec::Core>> cores;
  std::optional<CodeRelay> code_relay;
  std::optional<Members> below;  // Of a balancer.
  std::vector<std::unique_ptr<exec::Runtime>> relays;
  exec::Runtimes runtimes;
  std::vector<std::unique_ptr<Member>> members;
  std::unique_ptr<Sweeper> sweeper;
  std::optional<net::BlockingPool> disk;
  std::optional<net::BlockingPool> compiling;
  std::vector<std::jthread> threads;
  std::shared_ptr<Countdown> draining;
};

Result<void> Node::Impl::start(const NodeRuntimeMaker& make_runtimes,
                               const std::function<void(const Error&)>& on_refused) {
  const std::size_t count = std::max<std::size_t>(options.core_count, 1);
  std::vector<exec::Core*> pointers;
  for (std::size_t i = 0; i < count; ++i) {
    cores.push_back(std::make_unique<exec::Core>(i, clock));
    pointers.push_back(cores.back().get());
  }
  disk.emplace(disk_threads, disk_queue_max);
  compiling.emplace(std::max<std::size_t>(options.compile_jobs, 1), compile_queue_max);
  if (options.balancer) {
    CANOPY_TRY_VOID(start_balancer(pointers));
  } else {
    CANOPY_TRY(runtimes, make_runtimes(pointers, *disk, code));
  }
  for (std::size_t i = 0; i < count; ++i) {
    members.push_back(std::make_unique<Member>(*cores[i], runtimes, *disk, *compiling, code, options.parents,
                                               worker_options(i)));
    Member& member = *members.back();
    member.membership.emplace(*cores[i], member.worker, member.dialer, membership_options(i, on_refused));
    member.supply.set_source(*member.membership);
    cores[i]->post([&member] { member.membership->begin(); });
  }
  if (below) {
    code_relay.emplace(*cores.front(), *members.front()->membership, code, *disk);
    CANOPY_TRY_VOID(below->start());
  }
  sweeper = std::make_unique<Sweeper>(*cores.front(), runtimes, *disk);
  sweeper->plan();
  for (exec::Core* const core : pointers) {
    threads.emplace_back([core]() noexcept { core->run(); });
  }
  return {};
}

Result<void> Node::Impl::start_balancer(const std::vector<exec::Core*>& all) {
  const BalancerOptions& balancer = *options.balancer;
  MembersOptions made;
  made.host = balancer.host;
  made.port = balancer.port;
  made.token = options.token;
  made.tls = balancer.tls;
  made.silence_max = balancer.silence_max;
  made.members_max = nodes_max;
  made.crew.running_max = wire::join_slots_max;
  made.crew.placement = balancer.placement;
  made.crew.refuses = true;
  made.rules.mode = policy::Dispatch::push;
  made.instance = instance_of(instance);
  made.on_offer = [this](const wire::Offer& sum) { offer(sum); };
  made.on_warm = [this](std::size_t core) { members[core]->worker.note_warm(); };
  const ReadCode read = [this](const wire::Want& want, const CodeRead& done) {
    code_relay->read(want, done);
  };
  below.emplace(std::move(made), all, read, clock);
  const auto crews = below->crews();
  for (std::size_t i = 0; i < all.size(); ++i) {
    relays.push_back(worker::make_relay_runtime(*all[i], *crews[i]));
  }
  return {};
}

worker::WorkerOptions Node::Impl::worker_options(std::size_t index) {
  worker::WorkerOptions made{
      .slots = share(options.slots),
      .room = {.bytes_max = options.templates_bytes_max / cores.size(), .count_max = loaded_functions_max},
      .provider = nullptr,
      .asks = true};
  if (!below) return made;
  made.relay = relays[index].get();
  made.warm_keys = [crew = below->crews()[index]] { return crew->warm_keys(); };
  return made;
}

std::uint32_t Node::Impl::share(std::uint32_t slots) const {
  return static_cast<std::uint32_t>((slots + cores.size() - 1) / cores.size());
}

// What is below has changed.
void Node::Impl::offer(const wire::Offer& all) {
  for (std::size_t i = 0; i < cores.size(); ++i) {
    cores[i]->post([this, i, slots = share(all.slots), runtimes_below = all.runtimes] {
      members[i]->worker.set_offer(slots, runtimes_below);
    });
  }
}

MembershipOptions Node::Impl::membership_options(std::size_t index,
                                                 const std::function<void(const Error&)>& on_refused) {
  MembershipOptions made;
  made.name = options.core_count <= 1 ? options.name : options.name + "-" + std::to_string(index + 1);
  made.token = options.token;
  made.slots = share(options.slots);
  made.balancer = below.has_value();
  made.on_failed = [this, index] { members[index]->dialer.try_next(); };
  // One of several is enough to tell of it.
  if (below && index == 0) made.below = [this] { return below->nodes(); };
  for (const auto& [name, runtime] : runtimes) made.runtimes.push_back(name);
  made.program = options.program;
  made.walls = options.walls;
  made.instance = instance;
  made.load = [this, index] {
    const worker::Worker& worker = members[index]->worker;
    return wire::WorkerLoad{.running_count = static_cast<std::uint32_t>(worker.running_count()),
                            .resident_bytes = worker::own_resident_bytes(),
                            .templates_bytes = worker.templates_bytes(),
                            .cpu_time = worker::own_cpu_time()};
  };
  made.on_refused = on_refused;
  return made;
}

void Node::Impl::begin_draining() {
  if (draining) return;
  draining = std::make_shared<Countdown>(members.size());
  for (const auto& member : members) {
    member->core.post(
        [raw = member.get(), left = draining] { raw->membership->leave([left] { left->count(); }); });
  }
}

bool Node::Impl::drain(Duration timeout) {
  begin_draining();
  return draining->wait(timeout);
}

void Node::Impl::stop() {
  if (threads.empty()) return;
  for (const auto& [name, runtime] : runtimes) runtime->stop();
  begin_draining();
  for (const auto& member : members) {
    member->core.post([raw = member.get()] { raw->worker.cut(); });
  }
  if (!draining->wait(stop_timeout)) {
    log::error("some calls do not end; the process ends without them");
    std::fflush(nullptr);
    _exit(1);
  }
  for (const auto& core : cores) core->stop();
  threads.clear();
  if (below) below->stop();  // The pools go before it, and it asks for code.
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() { impl_->stop(); }

Result<std::unique_ptr<Node>> Node::start(NodeOptions options, const NodeRuntimeMaker& make_runtimes,
                                          std::function<void(const Error& why)> on_refused,
                                          const Clock& clock) {
  CANOPY_TRY(auto lock, lock_folder(options.folder));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(lock), clock);
  CANOPY_TRY_VOID(impl->start(make_runtimes, on_refused));
  return std::unique_ptr<Node>(new Node(std::move(impl)));
}

std::string Node::address() const { return impl_->below ? impl_->below->address() : std::string(); }

bool Node::drain(Duration timeout) { return impl_->drain(timeout); }

}  // namespace canopy::balance
