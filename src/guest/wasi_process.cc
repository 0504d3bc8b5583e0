// Arguments, environment, clocks, randomness, exit, and the sockets that there are not.

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/id.h"
#include "guest/wasi_calls.h"

namespace canopy::guest {
namespace {

// Between two pieces others have their turn: a guest may ask for gigabytes.
constexpr std::uint32_t random_piece = 64 * 1024;
constexpr std::uint64_t clock_resolution = 1000;
constexpr std::chrono::seconds monotonic_start{1};  // Some guests take 0 for "no time yet".

std::uint64_t to_resolution(Duration time) {
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count()));
  return count - count % clock_resolution;
}

}  // namespace

Wasi::Answer Wasi::strings_get(const std::vector<std::string>& strings, u32 pointers, u32 buffer) {
  const Memory bytes = memory();
  u64 at = buffer;
  u64 pointer = pointers;
  for (const std::string& text : strings) {
    const auto into = bytes.part(at, text.size() + 1);
    if (!into) return answer(Errno::fault);
    std::memcpy(into->data(), text.c_str(), text.size() + 1);
    const Errno error = bytes.put(pointer, static_cast<u32>(at));
    if (error != Errno::success) return answer(error);
    at += text.size() + 1;
    pointer += sizeof(u32);
  }
  return answer(Errno::success);
}

Wasi::Answer Wasi::strings_sizes(const std::vector<std::string>& strings, u32 count_out, u32 size_out) {
  u32 size = 0;
  for (const std::string& text : strings) size += static_cast<u32>(text.size() + 1);
  const Errno error = memory().put(count_out, static_cast<u32>(strings.size()));
  return answer(error == Errno::success ? memory().put(size_out, size) : error);
}

Wasi::Answer Wasi::args_get(u32 pointers, u32 buffer) {
  if (refused_while_preparing("its arguments")) return failed();
  return strings_get(state().arguments(), pointers, buffer);
}

Wasi::Answer Wasi::args_sizes_get(u32 count_out, u32 size_out) {
  if (refused_while_preparing("its arguments")) return failed();
  return strings_sizes(state().arguments(), count_out, size_out);
}

Wasi::Answer Wasi::environ_get(u32 pointers, u32 buffer) {
  if (refused_while_preparing("the environment")) return failed();
  return strings_get(state().environment(caller()), pointers, buffer);
}

Wasi::Answer Wasi::environ_sizes_get(u32 count_out, u32 size_out) {
  if (refused_while_preparing("the environment")) return failed();
  return strings_sizes(state().environment(caller()), count_out, size_out);
}

Wasi::u64 Wasi::wall_time() { return to_resolution(caller().clock().wall_now().time_since_epoch()); }

Wasi::u64 Wasi::monotonic_time() {
  return to_resolution(caller().clock().now() - caller().call().queued + monotonic_start);
}

Io<Wasi::u64> Wasi::time_of(u32 clock) {
  switch (static_cast<ClockId>(clock)) {
    case ClockId::realtime:
      return wall_time();
    case ClockId::monotonic:
    case ClockId::process_cputime:
    case ClockId::thread_cputime:
      return monotonic_time();
  }
  return io_error(Errno::inval);
}

Errno Wasi::clock_res_get(u32 clock, u32 out) {
  if (clock > static_cast<u32>(ClockId::thread_cputime)) return Errno::inval;
  return memory().put(out, clock_resolution);
}

Wasi::Answer Wasi::clock_time_get(u32 clock, u64 /*precision*/, u32 out) {
  if (refused_while_preparing("the time")) return failed();
  const auto time = time_of(clock);
  return answer(time ? memory().put(out, *time) : time.error());
}

wasm::After Wasi::proc_exit(u32 code) {
  caller().exit(static_cast<int>(code));
  return wasm::After::exit;
}

Wasi::Answer Wasi::proc_raise(u32 signal) {
  constexpr u32 none = 0;
  constexpr u32 last = 30;
  constexpr std::array<u32, 5> ignored = {13, 16, 17, 22, 27};  // pipe, chld, cont, urg, winch
  constexpr std::array<u32, 4> stops = {18, 19, 20, 21};        // stop, tstp, ttin, ttou
  if (signal > last) return answer(Errno::inval);
  if (signal == none || std::find(ignored.begin(), ignored.end(), signal) != ignored.end()) {
    return answer(Errno::success);
  }
  if (std::find(stops.begin(), stops.end(), signal) != stops.end()) return answer(Errno::notsup);
  caller().exit(static_cast<int>(128 + signal));
  return {wasm::After::exit, Errno::success};
}

Wasi::Answer Wasi::random_get(u32 buffer, u32 size) {
  if (refused_while_preparing("randomness")) return failed();
  if (!memory().part(buffer, size)) return answer(Errno::fault);
  state().random_at = buffer;
  state().random_left = size;
  return fill_random_piece();
}

Wasi::Answer Wasi::fill_random_piece() {
  State& mine = state();
  const u32 size = std::min(mine.random_left, random_piece);
  const auto into = memory().part(mine.random_at, size);
  if (!into) return answer(Errno::fault);
  fill_random(into->data(), into->size());
  mine.random_at += size;
  mine.random_left -= size;
  if (mine.random_left == 0) return answer(Errno::success);
  caller().suspend(caller().clock().now(), &Wasi::resume_random);
  return {wasm::After::wait, Errno::success};
}

wasm::After Wasi::resume_random(wasm::Caller& caller, wasm::Value* values) {
  const Answer step = Wasi(caller).fill_random_piece();
  values[0].i32 = static_cast<std::int32_t>(step.value);
  return step.after;
}

// Other guests have their turns at the end of each slice anyway.
Errno Wasi::sched_yield() { return Errno::success; }

Errno Wasi::sock_accept(u32 fd, u32 /*flags*/, u32 /*out*/) {
  const auto found = open_descriptor(fd);
  return found ? Errno::notsup : found.error();
}

Errno Wasi::sock_recv(u32 fd, u32 /*vectors*/, u32 /*count*/, u32 /*flags*/, u32 /*size_out*/,
                      u32 /*flags_out*/) {
  const auto found = open_descriptor(fd);
  return found ? Errno::notsup : found.error();
}

Errno Wasi::sock_send(u32 fd, u32 /*vectors*/, u32 /*count*/, u32 /*flags*/, u32 /*out*/) {
  const auto found = open_descriptor(fd);
  return found ? Errno::notsup : found.error();
}

// The conformance suite wants notsock here.
Errno Wasi::sock_shutdown(u32 fd, u32 /*how*/) {
  const auto found = open_descriptor(fd);
  return found ? Errno::notsock : found.error();
}

}  // namespace canopy::guest
