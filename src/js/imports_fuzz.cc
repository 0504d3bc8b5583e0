// An interpreter that a guest has taken over: any calls of its imports, with any arguments, on a small
// memory.
//
// Each call: one byte for the import, then for each argument one byte that says where its value is from
// (small number, boundary value, or bytes of the input). Nobody answers what it fetches.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "guest/fake_caller.h"
#include "js/language.h"
#include "wire/manifest.h"

namespace {

using namespace canopy;

constexpr std::size_t memory_bytes = 4096;
constexpr int calls_max = 200;
constexpr std::array<std::uint64_t, 10> edges = {
    0, 1, memory_bytes - 1, memory_bytes, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, 1ULL << 63, ~0ULL};

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool is_over() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint64_t argument() {
    const std::uint8_t kind = byte();
    if (kind < 128) return kind;
    if (kind < 192) return edges[kind % edges.size()];
    std::uint64_t value = 0;
    for (int i = 0; i <= (kind & 7); ++i) value = value << 8 | byte();
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

void run(guest::FakeCaller& caller, const wasm::Import& import, Input& input) {
  std::array<wasm::Value, 8> values{};
  for (std::size_t i = 0; i < import.parameters.size(); ++i) {
    values[i].i64 = static_cast<std::int64_t>(input.argument());
  }
  caller.resume = nullptr;
  wasm::After after = import.function(caller, values.data());
  for (int i = 0; i < 3 && after == wasm::After::wait && caller.resume != nullptr; ++i) {
    caller.fake_clock().advance(std::chrono::seconds(1));
    after = caller.resume(caller, values.data());
  }
  if (after == wasm::After::fail) CANOPY_CHECK(caller.error && !caller.error->message.empty());
}

// A queue without room: each fetch is answered at once, on this thread, that there is none.
guest::GuestOptions options() {
  static const auto fetcher =
      std::make_shared<js::Fetcher>(js::FetchOptions{.thread_count = 1, .queue_max = 0});
  guest::GuestOptions made;
  made.make_extension = js::make_extension(fetcher);
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto imports = js::make_imports();
  Input input(data, size);
  Function function;
  function.name = {"fuzz", "guest"};
  function.env = {{"NAME", "value"}, {std::string(wire::fetch_variable), "*"}};
  guest::FakeCaller caller(function, options(), memory_bytes);
  caller.call().input = "export default () => 1";
  caller.call().headers = {{"X-Header", "value"}};
  caller.is_preparing = (input.byte() & 1) != 0;
  for (std::size_t at = 1024; at < memory_bytes; ++at) {
    caller.bytes()[at] = static_cast<std::byte>(at % 5 == 0 ? 0 : input.byte());
  }
  for (int i = 0; i < calls_max && !input.is_over(); ++i) {
    run(caller, imports[input.byte() % imports.size()], input);
  }
  return 0;
}
