#include "js/language.h"

#include <algorithm>

#include "base/utf8.h"
#include "js/fetch_calls.h"
#include "js/interpreter.h"

namespace canopy::js {

Result<void> check_source(std::string_view source) {
  if (source.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return fail(Code::refused,
                "the source is empty; write `export default function (a, b) { ... }`, for one");
  }
  if (source.size() > source_bytes_max) {
    return fail(Code::refused, "the source is " + size_text(source.size()) + ", more than the " +
                                   size_text(source_bytes_max) + " a JavaScript function may have");
  }
  if (source.starts_with(std::string_view("\0asm", 4))) {
    return fail(Code::refused, "this is a WebAssembly module, not JavaScript; deploy it with runtime 'wasm'");
  }
  const std::size_t nul = source.find('\0');
  const std::size_t bad = std::min(nul, find_invalid_utf8(source));
  if (bad < source.size()) {
    const auto line = 1 + std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
    return fail(Code::refused, "the source is no text: byte " + std::to_string(bad) + ", on line " +
                                   std::to_string(line) + ", is not UTF-8");
  }
  return {};
}

std::function<std::unique_ptr<wasm::GuestState>()> make_extension(std::shared_ptr<Fetcher> fetcher) {
  return [fetcher = std::move(fetcher)] { return std::make_unique<FetchCalls>(fetcher); };
}

wasm::Language make_language() {
  return {.name = std::string(runtime_name),
          .interpreter = interpreter(),
          .prepare_names = {"canopy_js_run", "canopy_js_parse"},
          .handler = "canopy_handle",
          .check = check_source};
}

}  // namespace canopy::js
