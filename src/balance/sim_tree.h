#pragma once
// For tests: a tree of simulated nodes of any shape, with time that goes from one event to the next, and
// calls at its gateway.
//
// Threads: one.

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "balance/sim_cluster.h"

namespace canopy::balance {

// By node: who is above it, and how many calls it runs at once; 0 of a balancer. Node 0 is the gateway.
struct SimShape {
  std::vector<std::size_t> parents;
  std::vector<std::uint32_t> slots;
};

struct SimCall {
  Call call;
  CallLog log{100};
  std::string input;
  std::unique_ptr<exec::Instance> instance;
  std::optional<Reply> reply;
};

class SimTree {
 public:
  static constexpr std::size_t gateway = 0;
  static constexpr Duration look_period = std::chrono::milliseconds(50);
  static constexpr int rounds_max = 100;

  SimTree(std::uint64_t seed, SimShape shape)
      : world(seed), core(0, world.clock), shape_(std::move(shape)), nodes_(shape_.parents.size()) {
    world.members_of = [this](std::size_t node) -> Members* {
      is_touched_ = true;
      touched_[node] = true;
      if (node == gateway) return &*below->members;
      return nodes_[node] ? &*nodes_[node]->below->members : nullptr;
    };
    touched_.assign(nodes_.size(), false);
    world.on_begin = [this](const Call& call, Time end) {
      ends_.push(end);
      if (on_begin) on_begin(call);
    };
    world.network.on_touch = [this](std::size_t node) {
      is_touched_ = true;
      touched_[node] = true;
    };
    below.emplace(world, core, 0, nullptr, nullptr);
    for (std::size_t i = 0; i < functions_.size(); ++i) {
      functions_.at(i).name = {"t", "f" + std::to_string(i)};
      functions_.at(i).digest = "digest-" + std::to_string(i);
      functions_.at(i).runtime = "wasm";
      made_.at(i) = below->relay->find(functions_.at(i));
    }
  }
  ~SimTree() {
    for (const auto& one : calls) one->instance.reset();
    made_ = {};
    for (std::size_t i = 1; i < nodes_.size(); ++i) end(i);
  }
  SimTree(const SimTree&) = delete;
  SimTree& operator=(const SimTree&) = delete;

  std::size_t node_count() const { return nodes_.size() - 1; }
  std::uint32_t slots_of(std::size_t node) const { return shape_.slots.at(node); }
  std::size_t parent_of(std::size_t node) const { return shape_.parents.at(node); }
  bool is_there(std::size_t node) const { return nodes_.at(node) != nullptr; }
  SimNode& node(std::size_t number) { return *nodes_.at(number); }

  void start(std::size_t node) {
    nodes_.at(node) = std::make_unique<SimNode>(world, node, parent_of(node), slots_of(node));
  }
  void start_all() {
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
      if (!is_there(i)) start(i);
    }
  }
  // As by kill -9: what it ran is gone, and its connections break.
  void end(std::size_t node) {
    SimNode* const gone = nodes_.at(node).get();
    if (gone == nullptr) return;
    world.network.end_node(node);
    gone->worker->cut();
    for (int i = 0; i < 100 && (gone->worker->running_count() > 0 || i < 5); ++i) {
      world.network.deliver();
      gone->poll();
    }
    nodes_.at(node).reset();
  }

  // Runs for so many milliseconds.
  SimCall& begin(unsigned run_time, Duration timeout, std::size_t function = 0) {
    calls.push_back(std::make_unique<SimCall>());
    SimCall& one = *calls.back();
    one.input = std::to_string(run_time);
    one.call.id = {1, calls.size()};
    one.call.function = &functions_.at(function);
    one.call.queued = world.clock.now();
    one.call.deadline = world.clock.now() + timeout;
    one.call.input = one.input;
    one.call.log = &one.log;
    start_attempt(one);
    return one;
  }
  // A durable call's next one.
  void again(SimCall& one, Duration timeout) {
    one.reply.reset();
    ++one.call.attempt;
    one.call.queued = world.clock.now();
    one.call.deadline = world.clock.now() + timeout;
    start_attempt(one);
  }

  void pass(Duration time) {
    const Time end = world.clock.now() + time;
    run_all();
    while (world.clock.now() < end) {
      const Time next =
          std::min({world.network.next_due(), ends_.empty() ? never : ends_.top(), next_look_, end});
      if (next > world.clock.now()) world.clock.advance(next - world.clock.now());
      world.network.deliver();
      bool is_end = false;
      for (; !ends_.empty() && ends_.top() <= next; ends_.pop()) is_end = true;
      is_end || next >= next_look_ ? run_all() : run_touched();
    }
  }

  // "node-1 ready 4\n" and so on: who the gateway knows of, with their slots.
  std::string shown() const {
    std::string text;
    for (const Node& node : below->members->nodes()) {
      text += node.name + " " + std::string(canopy::name(node.state)) + " " +
              std::to_string(node.slot_count) + "\n";
    }
    return text;
  }

  SimWorld world;
  exec::Core core;  // The gateway's.
  std::optional<SimBelow> below;
  std::vector<std::unique_ptr<SimCall>> calls;
  std::function<void(const Call& call)> on_begin;  // Told where a call begins to run.

 private:
  void start_attempt(SimCall& one) {
    const auto function = static_cast<std::size_t>(one.call.function - functions_.data());
    one.instance = made_.at(function)->start(core);
    net::asio::co_spawn(core.io(), run(one), net::asio::detached);
    is_touched_ = true;
    touched_[gateway] = true;
  }
  static net::Task<void> run(SimCall& one) {
    Reply reply = co_await one.instance->run(one.call);
    one.reply = std::move(reply);
  }

  // Timers are looked at from time to time, and what ends a call or comes over the network at its moment.
  void run_all() {
    next_look_ = world.clock.now() + look_period;
    is_touched_ = true;
    touched_.assign(touched_.size(), true);
    run_touched();
  }
  // Until nobody has anything to do now.
  void run_touched() {
    // There is an end to it where a core's timer fires for nothing: see SimNetwork::time_grain.
    for (int round = 0; round < rounds_max && std::exchange(is_touched_, false); ++round) {
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (!touched_[i]) continue;
        touched_[i] = false;
        std::size_t done = 0;
        if (i == gateway) {
          done = below->members->poll() + core.poll();
        } else if (nodes_[i]) {
          done = nodes_[i]->poll();
        }
        if (done == 0) continue;
        is_touched_ = true;
        touched_[i] = true;
      }
    }
  }

  const SimShape shape_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<bool> touched_;  // By node: it may have something to do.
  bool is_touched_ = false;
  Time next_look_{};
  std::priority_queue<Time, std::vector<Time>, std::greater<>> ends_;  // Of calls that run.
  std::array<Function, 3> functions_;
  std::array<std::shared_ptr<exec::Template>, 3> made_;
};

}  // namespace canopy::balance
