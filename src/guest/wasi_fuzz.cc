// A guest that means no good: the input is a sequence of import calls with arguments of its choice, on a
// small memory. Whatever it does, nothing may crash, leak, or write outside of the memory.
//
// Each call: one byte for the import, then for each argument one byte that says where its value is from
// (small number, address of a prepared text, boundary value, or bytes of the input).

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "guest/fake_caller.h"

namespace {

using canopy::Function;
using canopy::guest::FakeCaller;
using canopy::guest::WasiIovec;

constexpr std::size_t memory_bytes = 8192;
constexpr int calls_max = 200;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool is_over() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | byte();
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

constexpr std::array<std::string_view, 12> texts = {
    "tmp/a", "tmp/b", "tmp/d", "tmp/d/e", "etc/hosts",  "../../etc/shadow",
    ".",     "..",    "tmp",   "a/",      "tmp/a/../d", "d"};
constexpr std::array<std::uint64_t, 12> edges = {
    0,          1,           memory_bytes - 1, memory_bytes, 0x7fffffff, 0x80000000,
    0xffffffff, 0x100000000, INT64_MAX,        1ULL << 63,   ~0ULL,      4096};

// Texts at 64, 128, ...; vectors at 2048, the sane ones and the others.
void prepare(FakeCaller& caller) {
  for (std::size_t i = 0; i < texts.size(); ++i) caller.put_text(64 * (i + 1), texts[i]);
  caller.put(2048, WasiIovec{4096, 100});
  caller.put(2056, WasiIovec{4100, 4000});
  caller.put(2064, WasiIovec{0, memory_bytes});
  caller.put(2072, WasiIovec{memory_bytes, 1});
  caller.put(2080, WasiIovec{0xffffffff, 0xffffffff});
}

std::uint64_t argument(Input& input) {
  const std::uint8_t kind = input.byte();
  switch (kind >> 6) {
    case 0:
      return kind & 63;
    case 1:
      return 64 * (std::uint64_t{kind & 63U} % (texts.size() + 1));
    case 2:
      return edges[(kind & 63U) % edges.size()];
    default:
      return input.number(1 + (kind & 7));
  }
}

void run(FakeCaller& caller, Input& input) {
  const auto& imports = caller.host().imports;
  const auto& import = imports[input.byte() % imports.size()];
  std::array<canopy::wasm::Value, 12> values{};
  for (std::size_t i = 0; i < import.parameters.size(); ++i) {
    values[i].i64 = static_cast<std::int64_t>(argument(input));
  }
  caller.resume = nullptr;
  canopy::wasm::After after = import.function(caller, values.data());
  for (int i = 0; i < 3 && after == canopy::wasm::After::wait && caller.resume != nullptr; ++i) {
    after = caller.resume(caller, values.data());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Function function;
  function.name = {"fuzz", "guest"};
  function.limits.tmp_bytes = 64 * canopy::KiB;
  function.limits.open_files = 12;
  function.limits.output_bytes = 4096;
  FakeCaller caller(function, {}, memory_bytes);
  caller.call().input = "the input of the call";
  caller.call().headers = {{"X-Header", "value"}};
  prepare(caller);
  Input input(data, size);
  caller.is_preparing = (input.byte() & 1) != 0;
  for (int i = 0; i < calls_max && !input.is_over(); ++i) run(caller, input);
  CANOPY_CHECK(caller.reply().output.size() <= function.limits.output_bytes);
  return 0;
}
