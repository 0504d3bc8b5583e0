#pragma once
// For tests: a network in memory between nodes that are known by number, on a fake clock and from one seed.
// Frames take their time, each connection by itself, so what goes over two of them overtakes each other; what
// one connection carries keeps its order, as TCP does, and what is lost on the way comes later, as where TCP
// sends it again. A node can be cut off (nothing arrives, nobody is told) and come back, so can one direction
// between two; a connection can break, and a node can end.
//
// Threads: one.
// Life:    links may be destroyed in any order, and before it.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/frame_channel.h"

namespace canopy::balance {

class SimNetwork {
 public:
  using NodeNumber = std::size_t;

  SimNetwork(const Clock& clock, std::uint64_t seed) : clock_(clock), random_(seed) {}

  // The two ends of a new connection.
  std::pair<std::unique_ptr<net::FrameLink>, std::unique_ptr<net::FrameLink>> connect(NodeNumber from,
                                                                                      NodeNumber to) {
    auto a = std::make_shared<End>(*this, from, to);
    auto b = std::make_shared<End>(*this, to, from);
    a->other = b;
    b->other = a;
    std::erase_if(ends_, [](const auto& end) { return end->told && end->out.empty(); });
    ends_.push_back(a);
    ends_.push_back(b);
    return {std::make_unique<Link>(a), std::make_unique<Link>(b)};
  }

  // When there is something to carry; never: nothing is on its way that could arrive.
  Time next_due() const { return events_.empty() ? never : events_.top().due; }
  // Carries what is due, and tells on_touch of each node that hears something.
  void deliver() {
    while (!events_.empty() && events_.top().due <= clock_.now()) {
      const std::shared_ptr<End> end = events_.top().end;
      events_.pop();
      carry(*end);
    }
  }

  void cut_off(NodeNumber node) { cut_off_.emplace(node, clock_.now()); }
  void heal(NodeNumber node) {
    if (cut_off_.erase(node) > 0) look_at_all();
  }
  // Nothing arrives that goes from one to the other.
  void cut_way(NodeNumber from, NodeNumber to) { cut_ways_.emplace(std::pair(from, to), clock_.now()); }
  void heal_ways() {
    cut_ways_.clear();
    look_at_all();
  }
  // Since when these two do not hear of each other on both ways; never: they do.
  Time parted_since(NodeNumber one, NodeNumber other) const {
    Time since = never;
    for (const NodeNumber node : {one, other}) {
      if (const auto at = cut_off_.find(node); at != cut_off_.end()) since = std::min(since, at->second);
    }
    for (const auto& way : {std::pair(one, other), std::pair(other, one)}) {
      if (const auto at = cut_ways_.find(way); at != cut_ways_.end()) since = std::min(since, at->second);
    }
    return since;
  }
  // All its connections break: what is on its way is lost.
  void end_node(NodeNumber node) {
    for (const auto& end : ends_) {
      if (end->to == node) end->is_own_end = true;
      if (end->from == node || end->to == node) break_off(end);
    }
    cut_off_.erase(node);
  }
  void break_one() {
    if (ends_.empty()) return;
    const std::shared_ptr<End> end = ends_[random_() % ends_.size()];
    if (const auto there = end->other.lock()) break_off(there);
    break_off(end);
  }

  Duration delay_max = std::chrono::milliseconds(3);
  std::uint32_t lost_per_thousand = 0;
  Duration sent_again_after = std::chrono::milliseconds(200);
  // The bug that a test is to catch: a link forgets what it has sent, so its owner tries it again elsewhere.
  bool canary = false;
  // Told of each frame as it is handed over.
  std::function<void(NodeNumber from, NodeNumber to, const wire::FrameHead& head)> on_send = {};
  std::function<void(NodeNumber node)> on_touch = {};

 private:
  // A core's own timer runs on the machine's clock, so one that is to fire within less would fire at once,
  // for nothing, again and again while the fake clock stands still.
  static constexpr Duration time_grain = std::chrono::microseconds(100);

  struct Packet {
    Time due;
    std::string bytes;
  };

  struct End {
    End(SimNetwork& of, NodeNumber own, NodeNumber others) : network(of), from(own), to(others) {}

    SimNetwork& network;
    const NodeNumber from;
    const NodeNumber to;
    std::weak_ptr<End> other;
    net::FrameListener* listener = nullptr;
    std::deque<Packet> out;
    Time last_due{};
    std::uint64_t sent = 0;
    bool closed = false;      // Nothing more comes from here, after what is on its way,
    bool broken = false;      // or at once;
    bool is_own_end = false;  // the other side ended itself, and knows it wherever it is.
    bool told = false;        // And the other side knows.
  };

  struct Event {
    Time due;
    std::uint64_t number;
    std::shared_ptr<End> end;
    bool operator<(const Event& other) const {  // The first to come is the greatest.
      return std::pair(due, number) > std::pair(other.due, other.number);
    }
  };

  class Link final : public net::FrameLink {
   public:
    explicit Link(std::shared_ptr<End> end) : end_(std::move(end)) {}
    ~Link() override {
      end_->listener = nullptr;
      close();
    }
    void listen(net::FrameListener& listener) override {
      end_->listener = &listener;
      if (const auto there = end_->other.lock()) end_->network.look_at(there, {});
    }
    std::uint64_t send(const wire::FrameHead& head, std::string_view body) override {
      SimNetwork& network = end_->network;
      if (network.on_send) network.on_send(end_->from, end_->to, head);
      std::string bytes;
      wire::append_frame(head, body, bytes);
      const std::uint64_t place = end_->sent;
      end_->sent += bytes.size();
      if (end_->broken || end_->closed) return place;
      end_->last_due = std::max(end_->last_due, network.clock_.now() + network.time_on_its_way());
      end_->out.push_back({end_->last_due, std::move(bytes)});
      network.look_at(end_, end_->last_due);
      return place;
    }
    std::uint64_t sent_bytes() const override { return end_->network.canary ? 0 : end_->sent; }
    std::uint64_t unsent_bytes() const override { return 0; }
    void close() override {
      end_->closed = true;
      end_->network.look_at(end_, end_->last_due);
      if (const auto there = end_->other.lock()) end_->network.look_at(there, {});
    }
    Result<net::LinkMaker> release() override {
      end_->listener = nullptr;
      const auto end = std::exchange(end_, std::make_shared<End>(end_->network, 0, 0));
      return [end](net::asio::io_context&) { return std::make_unique<Link>(end); };
    }

   private:
    std::shared_ptr<End> end_;
  };

  Duration time_on_its_way() {
    const auto most = static_cast<std::uint64_t>(delay_max / time_grain);
    const Duration usual = static_cast<Duration::rep>(random_() % most) * time_grain;
    return random_() % 1000 < lost_per_thousand ? usual + sent_again_after : usual;
  }

  // At `due`, or now where that is past.
  void look_at(const std::shared_ptr<End>& end, Time due) {
    events_.push({std::max(due, clock_.now()), ++event_count_, end});
  }
  void look_at_all() {
    for (const auto& end : ends_) look_at(end, {});
  }
  void break_off(const std::shared_ptr<End>& end) {
    end->out.clear();
    end->broken = true;
    look_at(end, {});
  }

  void touch(NodeNumber node) const {
    if (on_touch) on_touch(node);
  }

  void carry(End& from) {
    const auto to = from.other.lock();
    if (!to || (to->closed && to->listener == nullptr)) from.out.clear();
    if (!to) {
      from.told = true;
      return;
    }
    const bool held = cut_off_.contains(from.from) || cut_off_.contains(from.to) ||
                      cut_ways_.contains({from.from, from.to});
    if (held && !from.is_own_end) return;
    while (!from.out.empty() && from.out.front().due <= clock_.now() && to->listener != nullptr) {
      const std::string bytes = std::move(from.out.front().bytes);
      from.out.pop_front();
      std::string_view rest = bytes;
      const auto frame = wire::take_frame(rest);
      touch(from.to);
      to->listener->on_frame(**frame);
    }
    const bool over = from.broken || (from.closed && (from.out.empty() || to->closed));
    if (!over || (to->listener == nullptr && !to->closed) || std::exchange(from.told, true)) return;
    to->closed = true;
    touch(from.to);
    if (auto* const told = std::exchange(to->listener, nullptr)) told->on_closed("the connection broke");
  }

  const Clock& clock_;
  std::mt19937_64 random_;
  std::vector<std::shared_ptr<End>> ends_;
  std::priority_queue<Event> events_;
  std::uint64_t event_count_ = 0;
  std::map<NodeNumber, Time> cut_off_;
  std::map<std::pair<NodeNumber, NodeNumber>, Time> cut_ways_;
};

}  // namespace canopy::balance
