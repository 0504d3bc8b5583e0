#include "wasm/test_host.h"

namespace canopy::wasm {
namespace {

class TestState final : public GuestState {};

std::string_view text(Caller& caller, Value pointer, Value size) {
  bool inside = false;
  const auto bytes = part(caller.memory(), static_cast<std::uint32_t>(pointer.i32),
                          static_cast<std::uint32_t>(size.i32), inside);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

After input_size(Caller& caller, Value* values) {
  values[0].i32 = static_cast<std::int32_t>(caller.call().input.size());
  return After::go_on;
}

After output(Caller& caller, Value* values) {
  caller.reply().output += text(caller, values[0], values[1]);
  return After::go_on;
}

After write_log(Caller& caller, Value* values) {
  caller.call().log->write(CallLog::Stream::err, text(caller, values[0], values[1]));
  return After::go_on;
}

After exit(Caller& caller, Value* values) {
  caller.exit(values[0].i32);
  return After::exit;
}

After fail_now(Caller& caller, Value* /*values*/) {
  caller.fail({Code::limit, "past a limit", Stage::run});
  return After::fail;
}

After sleep_ms(Caller& caller, Value* values) {
  caller.suspend(caller.clock().now() + std::chrono::milliseconds(values[0].i32),
                 [](Caller&, Value* results) {
                   results[0].i32 = 42;
                   return After::go_on;
                 });
  return After::wait;
}

After now(Caller& caller, Value* values) {
  if (caller.preparing()) {
    caller.fail({Code::refused, "it asks for the time", Stage::none});
    return After::fail;
  }
  values[0].i64 = caller.clock().now().time_since_epoch().count();
  return After::go_on;
}

}  // namespace

Host make_test_host() {
  return {.imports = {{"test", "input_size", "", "i", input_size},
                      {"test", "output", "ii", "", output},
                      {"test", "log", "ii", "", write_log},
                      {"test", "exit", "i", "", exit},
                      {"test", "fail", "", "", fail_now},
                      {"test", "sleep_ms", "i", "i", sleep_ms, true},
                      {"test", "now", "", "I", now}},
          .make_state = [](const Function&, const Call&) { return std::make_unique<TestState>(); }};
}

}  // namespace canopy::wasm
