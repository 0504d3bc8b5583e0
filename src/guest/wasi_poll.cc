// poll_oneoff: waiting for clocks and descriptors. Descriptors are ready at once, so only a poll of clocks
// alone waits, and then it is known at the start which of them will fire: the events are written first.

#include <algorithm>
#include <limits>

#include "guest/wasi_calls.h"

namespace canopy::guest {

struct Wasi::PolledClock {
  u64 delay = 0;  // From now; nanoseconds.
  u64 userdata = 0;
};

namespace {

constexpr std::uint64_t resolution = 1000;

// When `delay` from now is over, so that a guest that then reads the clock finds it over.
Time wake_at(Time now, std::uint64_t delay) {
  const auto room = static_cast<std::uint64_t>((never - now).count());
  if (delay >= room - resolution) return never;
  return now + Duration(static_cast<Duration::rep>(delay));
}

}  // namespace

Io<Wasi::PolledClock> Wasi::polled_clock(const WasiSubscription& subscription) {
  const auto now = time_of(subscription.subject);
  if (!now) return io_error(now.error());
  if ((subscription.flags & ~subscription_clock_abstime) != 0) return io_error(Errno::inval);
  if ((subscription.flags & subscription_clock_abstime) == 0) {
    return PolledClock{subscription.timeout, subscription.userdata};
  }
  const u64 delay = subscription.timeout > *now ? subscription.timeout - *now : 0;
  return PolledClock{delay, subscription.userdata};
}

// What a subscription to a descriptor fires at once; an error of it is an event too.
Io<WasiEvent> Wasi::ready_event(const WasiSubscription& subscription) {
  const bool is_read = subscription.type == EventType::fd_read;
  if (!is_read && subscription.type != EventType::fd_write) return io_error(Errno::inval);
  WasiEvent event{.userdata = subscription.userdata, .type = subscription.type};
  const Rights wanted = is_read ? rights::fd_read : rights::fd_write;
  const auto found = need(subscription.subject, wanted | rights::poll_fd_readwrite);
  if (!found) {
    event.error = found.error();
    return event;
  }
  Descriptor& descriptor = **found;
  if (descriptor.stream == Stream::input) {
    event.ready_bytes = caller().call().input.size() - state().input_offset;
  } else if (is_read && descriptor.seekable()) {
    const auto stat = node(descriptor).stat();
    if (stat && stat->size > descriptor.offset) event.ready_bytes = stat->size - descriptor.offset;
  }
  return event;
}

Wasi::Answer Wasi::poll_oneoff(u32 subscriptions, u32 events, u32 count, u32 out) {
  if (count == 0 || count > subscriptions_max) return answer(Errno::inval);
  if (!memory().part(events, u64{count} * sizeof(WasiEvent)) || !memory().part(out, sizeof(u32))) {
    return answer(Errno::fault);
  }
  std::vector<PolledClock> clocks;
  std::vector<WasiEvent> fired;
  for (u32 i = 0; i < count; ++i) {
    const auto each = memory().get<WasiSubscription>(subscriptions + u64{i} * sizeof(WasiSubscription));
    if (!each) return answer(each.error());
    if (each->type != EventType::clock) {
      const auto event = ready_event(*each);
      if (!event) return answer(event.error());
      fired.push_back(*event);
      continue;
    }
    if (refused_while_preparing("the time")) return failed();
    const auto clock = polled_clock(*each);
    if (clock) {
      clocks.push_back(*clock);
    } else {
      fired.push_back({.userdata = each->userdata, .error = clock.error(), .type = EventType::clock});
    }
  }
  u64 delay = fired.empty() ? std::numeric_limits<u64>::max() : 0;
  for (const PolledClock& clock : clocks) delay = std::min(delay, clock.delay);
  for (const PolledClock& clock : clocks) {
    if (clock.delay == delay) fired.push_back({.userdata = clock.userdata, .type = EventType::clock});
  }
  u64 at = events;
  for (const WasiEvent& event : fired) {
    const Errno error = memory().put(at, event);
    if (error != Errno::success) return answer(error);
    at += sizeof event;
  }
  const Errno error = memory().put(out, static_cast<u32>(fired.size()));
  if (error != Errno::success || delay == 0) return answer(error);
  caller().suspend(wake_at(caller().clock().now(), delay), nullptr);
  return {wasm::After::wait, Errno::success};
}

}  // namespace canopy::guest
