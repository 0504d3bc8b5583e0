// What a call costs that one core gives to one of many children, and what a child costs to be known.
//
//   place_call CHILDREN    a JSON line
//
// Calls of a hundred functions, each of which a few children have loaded, run and end at random while others
// come: half of all places are taken. What is measured is from a call that wants to run to its frame: the
// choice, the place, the timer of its deadline, Protobuf, and its coroutine.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <malloc.h>

#include "balance/members.h"
#include "balance/proof.h"
#include "base/log.h"
#include "net/frame_channel.h"
#include "policy/place.h"
#include "wire/node_frames.h"
#include "worker/remote.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)

constexpr std::uint32_t slots = 4;
constexpr std::size_t function_count = 100;
constexpr std::size_t warm_count = 10;  // Of them, by child.
constexpr std::size_t batch_count = 3000;
constexpr std::size_t batch_size = 64;  // Calls of one round of the loop, whose wake-up they share.

// A connection on which nothing goes out: what it was to carry last is kept.
struct Wire {
  net::FrameListener* listener = nullptr;
  std::deque<std::uint64_t> opened;
  std::string challenge;

  void hear(const wire::FrameHead& head, std::string_view body) const {
    listener->on_frame({.head = head, .body = body});
  }
};

class NoLink final : public net::FrameLink {
 public:
  explicit NoLink(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  void listen(net::FrameListener& listener) override { wire_->listener = &listener; }
  std::uint64_t send(const wire::FrameHead& head, std::string_view body) override {
    if (head.kind == wire::FrameKind::open) wire_->opened.push_back(head.call);
    if (head.kind == wire::FrameKind::challenge) wire_->challenge = body;
    return 0;
  }
  std::uint64_t sent_bytes() const override { return 0; }
  std::uint64_t unsent_bytes() const override { return 0; }
  void close() override {}
  Result<net::LinkMaker> release() override {
    return [wire = wire_](net::asio::io_context&) { return std::make_unique<NoLink>(wire); };
  }

 private:
  const std::shared_ptr<Wire> wire_;
};

constexpr std::string_view token = "a token that nobody guesses";

wire::Nonce challenged(const Wire& from) { return wire::read_challenge(from.challenge)->nonce; }

// Joins as a worker does; returns its connection to the core.
std::shared_ptr<Wire> join(balance::Members& members, exec::Core& core, std::size_t number) {
  auto control = std::make_shared<Wire>();
  members.greet(std::make_unique<NoLink>(control), "10.0.0.7:40000");
  const balance::Nonces nonces{.gateway = challenged(*control), .worker = balance::make_nonce()};
  const std::string name = "worker-" + std::to_string(number);
  std::string body;
  wire::write_join({.name = name,
                    .instance = nonces.worker,
                    .slots = slots,
                    .runtimes = {"js", "python", "wasm"},
                    .process = number,
                    .program = "1.0.0",
                    .nonce = nonces.worker,
                    .proof = balance::joining_proof(token, nonces, name)},
                   body);
  control->hear({.kind = wire::FrameKind::join}, body);
  auto line = std::make_shared<Wire>();
  members.greet(std::make_unique<NoLink>(line), "10.0.0.7:40001");
  const auto proof = balance::line_proof(balance::line_key(token, nonces), challenged(*line), 0);
  wire::write_line({.worker = number, .core = 0, .proof = proof}, body);
  line->hear({.kind = wire::FrameKind::line}, body);
  core.poll();
  wire::write_hello({.version = wire::frame_version, .credit = 1000, .process = number}, body);
  line->hear({.kind = wire::FrameKind::hello}, body);
  return line;
}

struct OneCall {
  Call call;
  CallLog log{100};
  std::unique_ptr<exec::Instance> instance;
  bool ended = false;
};

net::Task<void> run(OneCall& one) {
  co_await one.instance->run(one.call);
  one.ended = true;
}

std::uint64_t heap_bytes() {
  const auto now = mallinfo2();
  return now.uordblks + now.hblkhd;
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::uint64_t next_random() {
  static std::uint64_t state = 7;
  return state = policy::affinity(state, 1);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t child_count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
  start_log("off");
  exec::Core core(0, system_clock());
  balance::MembersOptions options;
  options.token = token;
  options.members_max = child_count;
  options.crew = {.running_max = 1'000'000, .waiting_max = 1000};
  balance::Members members(std::move(options), {&core}, nullptr, system_clock());
  members.begin();
  const auto runtime = worker::make_relay_runtime(core, *members.crews().front());
  std::vector<Function> functions(function_count);
  std::vector<std::shared_ptr<exec::Template>> made;
  for (std::size_t i = 0; i < function_count; ++i) {
    functions[i].name = {"bench", "f" + std::to_string(i)};
    functions[i].digest = "digest-" + std::to_string(i);
    functions[i].runtime = "wasm";
    made.push_back(runtime->find(functions[i]));
  }

  const std::uint64_t heap_before = heap_bytes();
  std::vector<std::shared_ptr<Wire>> lines;
  std::string body;
  for (std::size_t i = 0; i < child_count; ++i) {
    lines.push_back(join(members, core, i + 1));
    wire::WarmChange warm;
    for (std::size_t j = 0; j < warm_count; ++j) {
      warm.added.push_back(policy::hash_of(functions[next_random() % function_count].digest));
    }
    wire::write_warm(warm, body);
    lines.back()->hear({.kind = wire::FrameKind::warm}, body);
  }
  members.poll();
  const double child_bytes =
      static_cast<double>(heap_bytes() - heap_before) / static_cast<double>(child_count);

  std::deque<std::unique_ptr<OneCall>> running;
  std::vector<double> placed_ns;
  const std::size_t running_max = child_count * slots / 2;
  wire::write_end({}, {}, 0, body);
  for (std::size_t i = 0; i < batch_count; ++i) {
    for (std::size_t j = 0; j < batch_size; ++j) {
      running.push_back(std::make_unique<OneCall>());
      OneCall& one = *running.back();
      const std::size_t function = next_random() % function_count;
      one.call.id = {1, i * batch_size + j};
      one.call.function = &functions[function];
      one.call.queued = core.clock().now();
      one.call.deadline = one.call.queued + std::chrono::minutes(1);
      one.call.log = &one.log;
      one.instance = made[function]->start(core);
      net::asio::co_spawn(core.io(), run(one), net::asio::detached);
    }
    const Time before = system_clock().now();
    core.poll(1'000'000);
    placed_ns.push_back(static_cast<double>((system_clock().now() - before).count()) / batch_size);
    for (std::size_t left = running.size(); left > running_max;) {
      Wire& line = *lines[next_random() % lines.size()];
      if (line.opened.empty()) continue;
      const std::uint64_t call = line.opened.front();
      line.opened.pop_front();
      line.hear({.kind = wire::FrameKind::end, .flags = wire::end_asks, .call = call}, body);
      --left;
    }
    core.poll(1'000'000);
    std::erase_if(running, [](const auto& other) { return other->ended; });
  }
  for (const auto& one : running) one->instance.reset();
  made.clear();
  for (std::size_t i = 0; i < child_count; ++i) members.crews().front()->cut(i + 1, "is over");
  std::printf("{\"children\": %zu, \"placed_ns\": %.0f, \"child_bytes\": %.0f}\n", child_count,
              median(placed_ns), child_bytes);
  return 0;
}
