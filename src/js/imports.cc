#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "base/id.h"
#include "base/utf8.h"
#include "guest/binding.h"
#include "guest/calls.h"
#include "guest/state.h"
#include "js/fetch_calls.h"
#include "js/language.h"
#include "wire/manifest.h"

namespace canopy::js {
namespace {

using guest::Step;
using u32 = std::uint32_t;
using i32 = std::int32_t;

// As src/js/engine/host.h numbers them.
enum class Failure : u32 { threw, out_of_memory, refused, bad_input, not_yet };
enum class List : u32 { headers, variables };

constexpr std::size_t words_max = 16 * KiB;
constexpr Duration wait_max = std::chrono::hours(24);

class Js : public guest::Calls {
 public:
  using Calls::Calls;

  Step<u32> source_size();
  wasm::After source_read(u32 into);
  Step<std::int64_t> seed();
  wasm::After end(u32 failure, u32 text, u32 size);
  Step<u32> list_read(u32 list, u32 into, u32 size);
  Step<i32> wait(std::int64_t microseconds);
  Step<i32> fetch_start(u32 request, u32 size);
  // With size 0: how large the answer is, -1 where there is none; else copies all of it, once.
  Step<i32> fetch_read(i32 number, u32 into, u32 size);

 private:
  std::string_view source() { return caller().call().input; }
  FetchCalls* fetches(bool make) { return static_cast<FetchCalls*>(state().extension(make)); }
  static wasm::After resume_wait(wasm::Caller& caller, wasm::Value* values);
  Error error_of(Failure failure, std::string words);
};

// The function's own words, which may be anything.
std::string printable(std::string_view text) {
  std::string words = repaired_utf8(text);
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
  };
  std::ranges::replace_if(words, is_control, ' ');
  return words;
}

bool only_while_preparing(wasm::Caller& caller) {
  if (caller.preparing()) return true;
  caller.fail({Code::died, "the interpreter asked for its source in a call", Stage::run});
  return false;
}

Step<u32> Js::source_size() {
  if (!only_while_preparing(caller())) return {.after = wasm::After::fail};
  return {.value = static_cast<u32>(source().size())};
}

wasm::After Js::source_read(u32 into) {
  if (!only_while_preparing(caller())) return wasm::After::fail;
  const auto part = memory().part(into, source().size());
  if (!part) return bad_pointer("source_read", into, source().size());
  if (!source().empty()) std::memcpy(part->data(), source().data(), source().size());
  return wasm::After::go_on;
}

Step<std::int64_t> Js::seed() {
  std::int64_t number = 0;
  fill_random(&number, sizeof number);
  return {.value = number};
}

Error Js::error_of(Failure failure, std::string words) {
  switch (failure) {
    case Failure::out_of_memory:
      return {Code::limit,
              "the function needed more than its " + size_text(state().function().limits.memory_bytes) +
                  " of memory; let it use less, or raise 'memory'",
              Stage::run};
    case Failure::bad_input:
      return {Code::invalid, "the body is no argument of the function: " + words, Stage::run};
    case Failure::not_yet:
      return {Code::refused, std::move(words), Stage::run};
    case Failure::refused:
      // Code::refused is for what only a call can do; see wasm::Language.
      return {caller().preparing() ? Code::invalid : Code::function_failed, std::move(words), Stage::run};
    case Failure::threw:
      break;
  }
  return {Code::function_failed, std::move(words), Stage::run};
}

wasm::After Js::end(u32 failure, u32 text, u32 size) {
  const auto from = memory().part(text, std::min<std::size_t>(size, words_max));
  if (!from) return bad_pointer("fail", text, size);
  std::string words = printable(guest::as_text(*from));
  if (words.empty()) words = "the function failed, and said nothing";  // An empty text can be thrown.
  caller().fail(error_of(static_cast<Failure>(std::min<u32>(failure, 4)), std::move(words)));
  return wasm::After::fail;
}

Step<u32> Js::list_read(u32 list, u32 into, u32 size) {
  if (refused_while_preparing("what belongs to a call")) return {.after = wasm::After::fail};
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(1, '\0').append(value).append(1, '\0');
  };
  if (static_cast<List>(list) == List::headers) {
    for (const HeaderView& header : caller().call().headers) add(header.name, header.value);
  } else {
    for (const auto& [name, value] : state().function().env) add(name, value);
  }
  const auto part = memory().part(into, std::min<std::size_t>(size, text.size()));
  if (!part) return {.after = bad_pointer("list_read", into, size)};
  if (!part->empty()) std::memcpy(part->data(), text.data(), part->size());
  return {.value = static_cast<u32>(text.size())};
}

Step<i32> Js::wait(std::int64_t microseconds) {
  if (refused_while_preparing("the time")) return {.after = wasm::After::fail};
  FetchCalls* const pending = fetches(false);
  if (const i32 number = pending == nullptr ? 0 : pending->next_answered(); number != 0)
    return {.value = number};
  Time until = never;
  if (microseconds >= 0) {
    const Duration time = std::min<Duration>(
        wait_max, std::chrono::microseconds(std::min(microseconds, std::int64_t{86'400'000'000})));
    until = caller().clock().now() + time;
  }
  if (pending != nullptr) pending->waiting_until = until;
  caller().suspend(until, pending == nullptr ? nullptr : &Js::resume_wait);
  return {.after = wasm::After::wait, .value = 0};
}

// Its time is over, or a fetch has its answer; or both at once, and the answer was taken the turn before.
wasm::After Js::resume_wait(wasm::Caller& caller, wasm::Value* values) {
  FetchCalls& pending = *Js(caller).fetches(true);
  values[0].i32 = pending.next_answered();
  if (values[0].i32 != 0 || caller.clock().now() >= pending.waiting_until) return wasm::After::go_on;
  caller.suspend(pending.waiting_until, &Js::resume_wait);
  return wasm::After::wait;
}

Step<i32> Js::fetch_start(u32 request, u32 size) {
  if (refused_while_preparing("what is elsewhere")) return {.after = wasm::After::fail};
  const auto from = memory().part(request, size);
  if (!from) return {.after = bad_pointer("fetch_start", request, size)};
  FetchCalls* const pending = fetches(true);
  if (pending == nullptr) return {.value = -1};
  const auto& env = state().function().env;
  const auto hosts = env.find(std::string(wire::fetch_variable));
  // Before it is copied: the function may have a gigabyte of its own.
  const auto sent = size > fetch_bytes_max
                        ? Result<FetchRequest>(fail(
                              Code::limit, "fetch: the request is larger than " + size_text(fetch_bytes_max)))
                        : read_fetch_request(guest::as_text(*from));
  const i32 number = pending->start(sent, hosts == env.end() ? "" : hosts->second, caller().call().deadline,
                                    caller().clock(), caller().waker());
  return {.value = number};
}

Step<i32> Js::fetch_read(i32 number, u32 into, u32 size) {
  FetchCalls* const pending = fetches(false);
  const std::string* const answer = pending == nullptr ? nullptr : pending->answer(number);
  if (answer == nullptr) return {.value = -1};
  const auto whole = static_cast<i32>(answer->size());
  if (size == 0) return {.value = whole};
  const auto part = memory().part(into, size);
  if (!part || part->size() < answer->size()) return {.after = bad_pointer("fetch_read", into, size)};
  std::memcpy(part->data(), answer->data(), answer->size());
  pending->drop(number);
  return {.value = whole};
}

}  // namespace

std::vector<wasm::Import> make_imports() {
  constexpr std::string_view module = "canopy_js";
  return {
      guest::bind<&Js::source_size>(module, "source_size"),
      guest::bind<&Js::source_read>(module, "source_read"),
      guest::bind<&Js::seed>(module, "seed"),
      guest::bind<&Js::end>(module, "fail"),
      guest::bind<&Js::list_read>(module, "list_read"),
      guest::bind<&Js::wait>(module, "wait", true),
      guest::bind<&Js::fetch_start>(module, "fetch_start"),
      guest::bind<&Js::fetch_read>(module, "fetch_read"),
  };
}

}  // namespace canopy::js
