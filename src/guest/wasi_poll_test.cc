#include <gtest/gtest.h>

#include "guest/fake_caller.h"
#include "guest/wasi_calls.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t in = 0, events = 8192, out = 16000;
constexpr std::uint64_t ms = 1'000'000;

WasiSubscription clock_after(std::uint64_t timeout, std::uint64_t userdata,
                             ClockId clock = ClockId::monotonic, bool absolute = false) {
  WasiSubscription subscription{.userdata = userdata};
  subscription.subject = static_cast<std::uint32_t>(clock);
  subscription.timeout = timeout;
  subscription.flags = absolute ? subscription_clock_abstime : 0;
  return subscription;
}

WasiSubscription descriptor(EventType type, std::uint32_t fd, std::uint64_t userdata) {
  WasiSubscription subscription{.userdata = userdata, .type = type, .padding_1 = {}};
  subscription.subject = fd;
  return subscription;
}

class WasiPoll : public testing::Test {
 protected:
  Errno poll(std::initializer_list<WasiSubscription> subscriptions) {
    std::uint64_t at = in;
    for (const WasiSubscription& each : subscriptions) {
      caller.put(at, each);
      at += sizeof each;
    }
    started = caller.clock().now();
    return caller.wasi("poll_oneoff", {in, events, subscriptions.size(), out});
  }
  std::vector<WasiEvent> fired() {
    std::vector<WasiEvent> result;
    for (std::uint32_t i = 0; i < caller.at<std::uint32_t>(out); ++i) {
      result.push_back(caller.at<WasiEvent>(events + i * sizeof(WasiEvent)));
    }
    return result;
  }

  FakeCaller caller;
  Time started;
};

TEST_F(WasiPoll, SleepsUntilTheEarliestClock) {
  EXPECT_EQ(poll({clock_after(30 * ms, 1), clock_after(10 * ms, 2), clock_after(20 * ms, 3)}),
            Errno::success);
  EXPECT_EQ(caller.after, wasm::After::wait);
  EXPECT_EQ(caller.wake_at, started + std::chrono::milliseconds(10));
  EXPECT_EQ(caller.resume, nullptr);
  const auto events_fired = fired();
  ASSERT_EQ(events_fired.size(), 1U);
  EXPECT_EQ(events_fired[0].userdata, 2U);
  EXPECT_EQ(events_fired[0].error, Errno::success);
  EXPECT_EQ(events_fired[0].type, EventType::clock);
}

TEST_F(WasiPoll, FiresAllThatAreDueTogether) {
  poll({clock_after(10 * ms, 1), clock_after(10 * ms, 2)});
  EXPECT_EQ(fired().size(), 2U);
}

TEST_F(WasiPoll, KnowsAbsoluteTimes) {
  // Of the real clock, and of the monotonic one, which is at one second when the call comes in.
  poll({clock_after(1'000'000'000 + 7 * ms, 1, ClockId::realtime, true)});
  EXPECT_EQ(caller.wake_at, started + std::chrono::milliseconds(7));
  poll({clock_after(1'000'000'000 + 9 * ms, 1, ClockId::monotonic, true)});
  EXPECT_EQ(caller.wake_at, started + std::chrono::milliseconds(9));
}

TEST_F(WasiPoll, DoesNotWaitForWhatIsOver) {
  EXPECT_EQ(poll({clock_after(5, 1, ClockId::realtime, true), clock_after(10 * ms, 2)}), Errno::success);
  EXPECT_EQ(caller.after, wasm::After::go_on);
  ASSERT_EQ(fired().size(), 1U);
  EXPECT_EQ(fired()[0].userdata, 1U);
  EXPECT_EQ(poll({clock_after(0, 3)}), Errno::success);
  EXPECT_EQ(caller.after, wasm::After::go_on);
}

TEST_F(WasiPoll, SleepsForEverWhereAskedTo) {
  EXPECT_EQ(poll({clock_after(~std::uint64_t{0}, 1)}), Errno::success);
  EXPECT_EQ(caller.after, wasm::After::wait);
  EXPECT_EQ(caller.wake_at, never);
  poll({clock_after(~std::uint64_t{0}, 1, ClockId::realtime, true)});
  EXPECT_EQ(caller.wake_at, never);
}

TEST_F(WasiPoll, FindsStreamsAndFilesReadyAtOnce) {
  caller.call().input = "12345";
  EXPECT_EQ(poll({clock_after(10 * ms, 1), descriptor(EventType::fd_read, 0, 2),
                  descriptor(EventType::fd_write, 1, 3), descriptor(EventType::fd_write, 2, 4)}),
            Errno::success);
  EXPECT_EQ(caller.after, wasm::After::go_on);
  const auto ready = fired();
  ASSERT_EQ(ready.size(), 3U);
  EXPECT_EQ(ready[0].userdata, 2U);
  EXPECT_EQ(ready[0].type, EventType::fd_read);
  EXPECT_EQ(ready[0].ready_bytes, 5U);
  EXPECT_EQ(ready[1].userdata, 3U);
  EXPECT_EQ(ready[2].error, Errno::success);
}

TEST_F(WasiPoll, TellsHowMuchOfAFileIsLeft) {
  FakeGuest guest(caller);
  const auto fd = guest.open_read("etc/hosts");
  ASSERT_TRUE(fd);
  ASSERT_TRUE(guest.read(*fd, 4));
  poll({descriptor(EventType::fd_read, *fd, 9)});
  ASSERT_EQ(fired().size(), 1U);
  EXPECT_EQ(fired()[0].ready_bytes, 16U);
}

TEST_F(WasiPoll, MakesAnEventOfABadDescriptor) {
  EXPECT_EQ(poll({descriptor(EventType::fd_read, 77, 1), descriptor(EventType::fd_write, 0, 2),
                  descriptor(EventType::fd_read, 3, 3)}),
            Errno::success);
  const auto events_fired = fired();
  ASSERT_EQ(events_fired.size(), 3U);
  EXPECT_EQ(events_fired[0].error, Errno::badf);
  EXPECT_EQ(events_fired[1].error, Errno::badf);
  EXPECT_EQ(events_fired[2].error, Errno::isdir);
}

TEST_F(WasiPoll, MakesAnEventOfABadClock) {
  auto flags = clock_after(1, 2);
  flags.flags = 6;
  EXPECT_EQ(poll({clock_after(1, 1, static_cast<ClockId>(9)), flags}), Errno::success);
  const auto events_fired = fired();
  ASSERT_EQ(events_fired.size(), 2U);
  EXPECT_EQ(events_fired[0].error, Errno::inval);
  EXPECT_EQ(events_fired[1].error, Errno::inval);
}

TEST_F(WasiPoll, RefusesWhatIsMalformed) {
  EXPECT_EQ(poll({}), Errno::inval);
  EXPECT_EQ(poll({descriptor(static_cast<EventType>(3), 0, 1)}), Errno::inval);
  EXPECT_EQ(caller.wasi("poll_oneoff", {0, events, Wasi::subscriptions_max + 1, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("poll_oneoff", {0, events, 0xffffffff, out}), Errno::inval);
}

TEST_F(WasiPoll, StaysInsideOfTheMemory) {
  EXPECT_EQ(caller.wasi("poll_oneoff", {65500, events, 1, out}), Errno::fault);
  EXPECT_EQ(caller.wasi("poll_oneoff", {in, 65520, 1, out}), Errno::fault);
  EXPECT_EQ(caller.wasi("poll_oneoff", {in, events, 1, 65533}), Errno::fault);
  EXPECT_EQ(caller.wasi("poll_oneoff", {0xffffffff, 0xffffffff, 1, 0xffffffff}), Errno::fault);
  EXPECT_EQ(caller.wasi("poll_oneoff", {in, events, 4096, out}), Errno::fault);
}

TEST_F(WasiPoll, IsRefusedAClockWhilePreparing) {
  caller.is_preparing = true;
  poll({clock_after(1, 1)});
  EXPECT_EQ(caller.after, wasm::After::fail);
  EXPECT_EQ(caller.error->message, "the initialisation asked for the time");
}

TEST_F(WasiPoll, WritesNoBytesOfOurs) {
  for (std::size_t at = events; at < events + sizeof(WasiEvent); ++at) caller.put(at, std::uint8_t{0xff});
  poll({clock_after(ms, 1)});
  EXPECT_EQ(caller.text(events + 11, 5), std::string(5, '\0'));
  EXPECT_EQ(caller.text(events + 26, 6), std::string(6, '\0'));
}

}  // namespace
}  // namespace canopy::guest
