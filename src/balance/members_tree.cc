// What balancers say of those below them, and what all who are here come to: for those above, and for whoever
// asks who is here.

#include <algorithm>
#include <utility>

#include "balance/members_impl.h"

namespace canopy::balance {

// Who is below itself would have calls go round for ever.
void Members::Impl::take_tree(Session& session, const wire::Frame& frame) {
  auto nodes = session.join.balancer ? wire::read_tree(frame.body) : Result<std::vector<Node>>();
  if (!nodes) return cut(session, nodes.error().message);
  const bool round = options.instance != 0 && std::ranges::any_of(*nodes, [this](const Node& node) {
                       return node.instance == options.instance;
                     });
  if (!round) {
    std::size_t others = 0;
    for (const auto& one : sessions) others += one.get() == &session ? 0 : one->below.size();
    if (nodes->size() + others > wire::tree_nodes_max) {
      nodes->resize(wire::tree_nodes_max - std::min(others, wire::tree_nodes_max));
    }
    session.below = *std::move(nodes);
    return;
  }
  // Each of its cores has joined by itself.
  for (const auto& one : sessions) {
    if (!one->is_member() || one->join.instance != session.join.instance) continue;
    cut(*one, "this balancer is below it, too; let one of them join another");
  }
}

// However many a balancer sends, the loop is told of one.
void Members::Impl::tell_offer(worker::WorkerNumber worker, const wire::Offer& offer) {
  const std::lock_guard lock(mutex);
  if (news.empty()) loop.post([this] { take_offers(); });
  wire::Offer& last = news[worker];
  if (offer.number >= last.number) last = offer;
}

void Members::Impl::take_offers() {
  std::map<worker::WorkerNumber, wire::Offer> offers;
  {
    const std::lock_guard lock(mutex);
    offers.swap(news);
  }
  std::vector<Node> nodes;
  for (auto& [worker, offer] : offers) {
    Session* const session = find(worker);
    if (session == nullptr || offer.number < session->offer_number) continue;
    session->offer_number = offer.number;
    session->runtimes = std::move(offer.runtimes);
    nodes.push_back(session->describe());
  }
  show();
  for (const Node& node : nodes) announce(node);
}

wire::Offer Members::Impl::sum_of_offers() const {
  wire::Offer sum{.number = offered.number, .slots = 0, .runtimes = {}};
  for (const auto& session : sessions) {
    if (!session->is_member() || session->state != NodeState::ready) continue;
    if (session->colleague->silent) continue;
    sum.slots += std::min(session->colleague->slots(), wire::join_slots_max - sum.slots);
    for (const std::string& runtime : session->runtimes) {
      const bool known = std::ranges::find(sum.runtimes, runtime) != sum.runtimes.end();
      if (!known && sum.runtimes.size() < wire::join_runtimes_max) sum.runtimes.push_back(runtime);
    }
  }
  std::ranges::sort(sum.runtimes);
  return sum;
}

void Members::Impl::changed(const Node& node) {
  show();
  announce(node);
}

void Members::Impl::announce(const Node& node) {
  Listener told;
  {
    const std::lock_guard lock(mutex);
    told = listener;
  }
  if (told) told(node);
}

void Members::Impl::show() {
  std::vector<Node> now;
  std::size_t ready = 0;
  for (const auto& session : sessions) {
    if (!session->is_member()) continue;
    now.push_back(session->describe());
    ready += session->state == NodeState::ready && session->colleague->slots() > 0 ? 1 : 0;
    for (Node below : session->below) {
      below.name = session->join.name + "/" + below.name;
      now.push_back(std::move(below));
    }
  }
  for (const auto& [when, node] : gone) {
    const bool back = std::ranges::any_of(now, [&](const Node& one) { return one.name == node.name; });
    if (!back) now.push_back(node);
  }
  std::ranges::sort(now, {}, [](const Node& node) { return node.name; });
  ready_count = ready;
  if (wire::Offer sum = sum_of_offers(); sum != offered) {
    ++sum.number;
    offered = std::move(sum);
    if (options.on_offer) options.on_offer(offered);
  }
  const std::lock_guard lock(mutex);
  shown = std::move(now);
}

}  // namespace canopy::balance
