#include "wire/tree_frames.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "frames.pb.h"
#include "model/function.h"
#include "wire/frame_message.h"
#include "wire/walls_message.h"

namespace canopy::wire {
namespace {

constexpr std::size_t address_size_max = 100;
constexpr std::uint32_t slots_bits = 32;
constexpr std::size_t below_head_bytes_max = 6;  // Before each: which field it is, and how long.

template <class Message>
Result<Message> parse(std::string_view body, std::string_view what) {
  return parse_message<Message>(body, what, frame_body_bytes_max);
}

bool is_plain(std::string_view text) {
  return text.size() <= address_size_max &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

void write_below(const Node& node, frames::Below& below) {
  below.set_name(node.name);
  below.set_balancer(node.balancer);
  below.set_state(static_cast<std::uint32_t>(node.state));
  below.set_running(node.running_count);
  below.set_slots(node.slot_count);
  below.set_process(static_cast<std::uint64_t>(node.process));
  below.set_resident_bytes(node.resident_bytes);
  below.set_since_ns(node.since.time_since_epoch().count());
  below.set_address(node.address.substr(0, address_size_max));
  below.set_instance(node.instance);
  if (node.walls) put_walls(*node.walls, *below.mutable_walls());
}

}  // namespace

FrameHead offer_head(const Offer& offer) {
  return {.kind = FrameKind::offer,
          .call = (static_cast<std::uint64_t>(offer.number) << slots_bits) | offer.slots};
}

void write_offer(const Offer& offer, std::string& out) {
  frames::Offer message;
  for (const std::string& runtime : offer.runtimes) message.add_runtimes(runtime);
  put_message(message, out);
}

Result<Offer> read_offer(const Frame& frame) {
  CANOPY_TRY(auto message, parse<frames::Offer>(frame.body, "offer"));
  Offer offer{.number = static_cast<std::uint32_t>(frame.head.call >> slots_bits),
              .slots = static_cast<std::uint32_t>(frame.head.call),
              .runtimes = {}};
  if (offer.slots > join_slots_max || static_cast<std::size_t>(message.runtimes_size()) > join_runtimes_max) {
    return no_message("offer");
  }
  for (std::string& runtime : *message.mutable_runtimes()) {
    if (!is_name_part(runtime)) return no_message("offer");
    offer.runtimes.push_back(std::move(runtime));
  }
  return offer;
}

void write_warm(const WarmChange& change, std::string& out) {
  frames::Warm message;
  message.mutable_added()->Add(change.added.begin(), change.added.end());
  message.mutable_removed()->Add(change.removed.begin(), change.removed.end());
  put_message(message, out);
}

Result<WarmChange> read_warm(std::string_view body) {
  CANOPY_TRY(const auto message, parse<frames::Warm>(body, "list of functions that are loaded"));
  if (static_cast<std::size_t>(message.added_size()) > warm_count_max ||
      static_cast<std::size_t>(message.removed_size()) > warm_count_max) {
    return no_message("list of functions that are loaded");
  }
  return WarmChange{.added = {message.added().begin(), message.added().end()},
                    .removed = {message.removed().begin(), message.removed().end()}};
}

void write_tree(const std::vector<Node>& nodes, std::string& out) {
  frames::Tree message;
  std::size_t bytes = 0;
  const std::string* last = nullptr;
  for (const Node& node : nodes) {
    if (static_cast<std::size_t>(message.below_size()) == tree_nodes_max) break;
    if (!is_node_path(node.name)) continue;  // Deeper than anybody is told.
    if (last != nullptr && node.name <= *last) continue;
    last = &node.name;
    frames::Below below;
    write_below(node, below);
    // Names that came from below have become longer here, so they may not fit any more.
    bytes += below.ByteSizeLong() + below_head_bytes_max;
    if (bytes > frame_body_bytes_max) break;
    *message.add_below() = std::move(below);
  }
  put_message(message, out);
}

Result<std::vector<Node>> read_tree(std::string_view body) {
  CANOPY_TRY(auto message, parse<frames::Tree>(body, "tree"));
  if (static_cast<std::size_t>(message.below_size()) > tree_nodes_max) return no_message("tree");
  std::vector<Node> nodes;
  for (frames::Below& below : *message.mutable_below()) {
    if (!is_node_path(below.name()) || !is_plain(below.address()) ||
        below.state() > static_cast<std::uint32_t>(NodeState::gone) ||
        below.process() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
        below.since_ns() < 0 || (!nodes.empty() && below.name() <= nodes.back().name)) {
      return no_message("tree");
    }
    nodes.push_back({.name = std::move(*below.mutable_name()),
                     .process = static_cast<std::int64_t>(below.process()),
                     .state = static_cast<NodeState>(below.state()),
                     .running_count = below.running(),
                     .resident_bytes = below.resident_bytes(),
                     .since = WallTime(Duration(below.since_ns())),
                     .last_end = {},
                     .address = std::move(*below.mutable_address()),
                     .slot_count = below.slots(),
                     .balancer = below.balancer(),
                     .instance = below.instance()});
    if (!below.has_walls()) continue;
    nodes.back().walls = take_walls(*below.mutable_walls());
    if (!nodes.back().walls) return no_message("tree");
  }
  return nodes;
}

}  // namespace canopy::wire
