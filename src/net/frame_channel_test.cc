#include "net/frame_channel.h"

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace canopy::net {
namespace {

using wire::FrameKind;

struct Heard final : FrameListener {
  void on_frame(const wire::Frame& frame) override {
    kinds.push_back(frame.head.kind);
    calls.push_back(frame.head.call);
    bodies.emplace_back(frame.body);
    if (then) then();
  }
  void on_closed(const std::string& why) override { closed = why; }

  std::vector<FrameKind> kinds;
  std::vector<std::uint64_t> calls;
  std::vector<std::string> bodies;
  std::optional<std::string> closed;
  std::function<void()> then;
};

class FrameChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0);
    left = make_frame_channel(io, ends_[0]);
  }
  void open_right() {
    right = make_frame_channel(io, ends_[1]);
    left->listen(left_heard);
    right->listen(right_heard);
  }
  // Everything that can happen now does.
  void settle() {
    io.restart();
    while (io.poll() > 0) io.restart();
  }

  asio::io_context io{1};
  std::array<int, 2> ends_{};
  Heard left_heard, right_heard;
  std::unique_ptr<FrameLink> left, right;
};

TEST_F(FrameChannelTest, CarriesFramesInOrder) {
  open_right();
  left->send({.kind = FrameKind::open, .call = 1}, "one");
  left->send({.kind = FrameKind::open, .call = 2}, "");
  settle();
  EXPECT_EQ(right_heard.calls, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(right_heard.bodies, (std::vector<std::string>{"one", ""}));
  right->send({.kind = FrameKind::end, .call = 1}, "done");
  settle();
  EXPECT_EQ(left_heard.kinds, std::vector{FrameKind::end});
}

TEST_F(FrameChannelTest, SendsWhatOneRoundGathersInOneWrite) {
  open_right();
  const std::uint64_t first = left->send({.kind = FrameKind::ping}, "");
  const std::uint64_t second = left->send({.kind = FrameKind::ping}, "");
  EXPECT_EQ(first, 0U);
  EXPECT_EQ(second, wire::frame_head_bytes);
  EXPECT_EQ(left->sent_bytes(), 0U);
  EXPECT_EQ(left->unsent_bytes(), 2 * wire::frame_head_bytes);
  settle();
  EXPECT_EQ(left->sent_bytes(), 2 * wire::frame_head_bytes);
  EXPECT_EQ(left->unsent_bytes(), 0U);
}

TEST_F(FrameChannelTest, LargeFramesPassThroughASmallSocket) {
  open_right();
  const std::string large(3'000'000, 'x');
  left->send({.kind = FrameKind::data, .call = 1}, large);
  left->send({.kind = FrameKind::data, .call = 2}, "small");
  settle();
  ASSERT_EQ(right_heard.bodies.size(), 2U);
  EXPECT_EQ(right_heard.bodies[0], large);
  EXPECT_EQ(right_heard.bodies[1], "small");
}

TEST_F(FrameChannelTest, SaysHowMuchTheOtherSideCannotHaveRead) {
  left->listen(left_heard);  // Nobody reads on the other side.
  const std::string large(3'000'000, 'x');
  left->send({.kind = FrameKind::data, .call = 1}, large);
  const std::uint64_t place = left->send({.kind = FrameKind::data, .call = 2}, "small");
  settle();
  EXPECT_GT(left->sent_bytes(), 0U);
  EXPECT_LT(left->sent_bytes(), place);
  ::close(ends_[1]);
  settle();
  EXPECT_TRUE(left_heard.closed);
  EXPECT_LT(left->sent_bytes(), place);
}

TEST_F(FrameChannelTest, TellsOfTheEndAfterTheLastFrame) {
  open_right();
  right->send({.kind = FrameKind::end, .call = 7}, "last words");
  settle();
  right->send({.kind = FrameKind::end, .call = 8}, "gone");
  right->close();
  settle();
  EXPECT_EQ(left_heard.calls, (std::vector<std::uint64_t>{7, 8}));
  EXPECT_EQ(left_heard.closed, "the other side closed the connection");
  EXPECT_TRUE(right_heard.closed);  // Nobody is left to hear.
}

TEST_F(FrameChannelTest, EndsWithWhatIsNoFrame) {
  left->listen(left_heard);
  const std::string_view junk = "GET / HTTP/1.1\r\n\r\n";
  ASSERT_EQ(write(ends_[1], junk.data(), junk.size()), static_cast<ssize_t>(junk.size()));
  settle();
  ASSERT_TRUE(left_heard.closed);
  EXPECT_NE(left_heard.closed->find("no frames"), std::string::npos);
  ::close(ends_[1]);
}

TEST_F(FrameChannelTest, MayBeDestroyedWhileItTells) {
  open_right();
  right_heard.then = [this] { right.reset(); };
  left->send({.kind = FrameKind::ping}, "");
  left->send({.kind = FrameKind::ping}, "");
  settle();
  EXPECT_EQ(right_heard.kinds.size(), 1U);
  EXPECT_TRUE(left_heard.closed);
}

}  // namespace
}  // namespace canopy::net
