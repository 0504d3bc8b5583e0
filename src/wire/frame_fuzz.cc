#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "model/node.h"
#include "wire/frame.h"
#include "wire/node_frames.h"
#include "wire/tree_frames.h"

namespace canopy::wire {
namespace {

void read_body(const Frame& frame) {
  std::string again;
  Reply reply;
  switch (frame.head.kind) {
    case FrameKind::setup:
      if (const auto setup = read_setup(frame.body)) write_setup(*setup, again);
      break;
    case FrameKind::hello:
      if (const auto hello = read_hello(frame.body)) write_hello(*hello, again);
      break;
    case FrameKind::define:
      if (const auto function = read_function(frame.body)) {
        write_function(*function, again);
        CANOPY_CHECK(read_function(again)->digest == function->digest);
      }
      break;
    case FrameKind::open:
      if (const auto call = read_open(frame.body)) CANOPY_CHECK(call->input.size() <= call->input_bytes);
      break;
    case FrameKind::end:
      if (read_end(frame.body, reply)) {
        CANOPY_CHECK(reply.usage.start_time <= reply.usage.wait_time);
        CANOPY_CHECK(reply.node.empty() || is_node_path(reply.node));
        write_end(reply, reply.output, 0, again);
      }
      break;
    case FrameKind::pong:
      static_cast<void>(read_load(frame.body));
      break;
    case FrameKind::offer:
      if (const auto offer = read_offer(frame)) CANOPY_CHECK(offer->slots <= join_slots_max);
      break;
    case FrameKind::warm:
      if (const auto change = read_warm(frame.body)) {
        write_warm(*change, again);
        CANOPY_CHECK(read_warm(again)->added == change->added);
      }
      break;
    case FrameKind::tree:
      if (const auto nodes = read_tree(frame.body)) {
        write_tree(*nodes, again);
        CANOPY_CHECK(read_tree(again)->size() == nodes->size());
      }
      break;
    default:
      break;
  }
}

}  // namespace
}  // namespace canopy::wire

// A stream of frames, as it comes from a connection.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  std::string_view bytes = all;
  std::string again;
  for (;;) {
    const auto frame = wire::take_frame(bytes);
    if (!frame) {
      CANOPY_CHECK(frame.error().code == Code::invalid || frame.error().code == Code::too_large);
      return 0;
    }
    if (!*frame) break;
    CANOPY_CHECK((*frame)->body.size() <= wire::frame_body_bytes_max);
    wire::append_frame((*frame)->head, (*frame)->body, again);
    wire::read_body(**frame);
  }
  CANOPY_CHECK(all.starts_with(again) && again.size() + bytes.size() == all.size());
  return 0;
}
