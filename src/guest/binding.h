#pragma once
// Makes an Import of a member function: the letters of its type and the unpacking of its arguments come
// from its C++ signature, so that each import is one member function and one line of a table.
//
//   class Wasi { public: explicit Wasi(wasm::Caller&); Errno fd_tell(std::uint32_t fd, std::uint32_t out); };
//   bind<&Wasi::fd_tell>("wasi_snapshot_preview1", "fd_tell")
//
// Parameters are 32- and 64-bit integers. Results: void, Errno, a 32- or 64-bit integer, a Step of one of
// these where the function may end the call or wait, or a bare After where there is no result.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "guest/wasi.h"
#include "wasm/host.h"

namespace canopy::guest {

// A result, and whether the guest goes on with it.
template <class T>
struct Step {
  wasm::After after = wasm::After::go_on;
  T value{};
};

namespace detail {

template <class T>
constexpr char letter() {
  static_assert(std::is_same_v<T, Errno> || (std::integral<T> && (sizeof(T) == 4 || sizeof(T) == 8)));
  return sizeof(T) == 8 ? 'I' : 'i';
}

template <class T>
T unpack(const wasm::Value& value) {
  if constexpr (sizeof(T) == 8) {
    return static_cast<T>(value.i64);
  } else {
    return static_cast<T>(value.i32);
  }
}

template <class T>
void pack(T result, wasm::Value& value) {
  if constexpr (sizeof(T) == 8) {
    value.i64 = static_cast<std::int64_t>(result);
  } else {
    value.i32 = static_cast<std::int32_t>(result);
  }
}

template <class Result>
struct Plain {
  using Type = Result;
};
template <class T>
struct Plain<Step<T>> {
  using Type = T;
};

template <auto method>
struct Binding;

template <class Calls, class Result, class... Parameters, Result (Calls::*method)(Parameters...)>
struct Binding<method> {
  using Plainly = typename Plain<Result>::Type;
  static constexpr bool has_result = !std::is_void_v<Result> && !std::is_same_v<Result, wasm::After>;

  static constexpr std::array<char, sizeof...(Parameters)> parameters{letter<Parameters>()...};
  static constexpr char result = [] {
    if constexpr (has_result) return letter<Plainly>();
    return ' ';
  }();

  static wasm::After call(wasm::Caller& caller, wasm::Value* values) {
    return call_with(caller, values, std::index_sequence_for<Parameters...>{});
  }

 private:
  template <std::size_t... index>
  static wasm::After call_with(wasm::Caller& caller, wasm::Value* values,
                               std::index_sequence<index...> /*places*/) {
    Calls calls(caller);
    if constexpr (std::is_void_v<Result>) {
      (calls.*method)(unpack<Parameters>(values[index])...);
      return wasm::After::go_on;
    } else if constexpr (std::is_same_v<Result, wasm::After>) {
      return (calls.*method)(unpack<Parameters>(values[index])...);
    } else if constexpr (std::is_same_v<Result, Plainly>) {
      pack((calls.*method)(unpack<Parameters>(values[index])...), values[0]);
      return wasm::After::go_on;
    } else {
      const Result step = (calls.*method)(unpack<Parameters>(values[index])...);
      pack(step.value, values[0]);
      return step.after;
    }
  }
};

}  // namespace detail

template <auto method>
wasm::Import bind(std::string_view module, std::string_view name, bool may_wait = false) {
  using Binding = detail::Binding<method>;
  return {.module = module,
          .name = name,
          .parameters = {Binding::parameters.data(), Binding::parameters.size()},
          .results = {&Binding::result, Binding::has_result ? 1U : 0U},
          .function = &Binding::call,
          .may_wait = may_wait};
}

}  // namespace canopy::guest
