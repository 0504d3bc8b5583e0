#pragma once
// JavaScript functions: QuickJS-ng as a WebAssembly module (src/js/engine), which wasm/language.h runs. The
// source is read when a version is deployed; a call starts from a memory in which all of it has happened.

#include <functional>
#include <memory>
#include <vector>

#include "js/fetch.h"
#include "wasm/host.h"
#include "wasm/language.h"

namespace canopy::js {

inline constexpr std::string_view runtime_name = "js";
inline constexpr std::size_t source_bytes_max = 8 * MiB;

// What the guest may import beside what every function may: for wasm::Host::language_imports. They stand on
// the state of the guest folder's host.
std::vector<wasm::Import> make_imports();

// What GuestOptions::make_extension is to be where functions may fetch; `fetcher` is shared by all calls.
std::function<std::unique_ptr<wasm::GuestState>()> make_extension(std::shared_ptr<Fetcher> fetcher);

// What wasm::make_language_runtime() takes.
wasm::Language make_language();

// Whether `source` could be one.
//   refused  empty, too large, not UTF-8 (says where), or bytes that are no text
Result<void> check_source(std::string_view source);

}  // namespace canopy::js
