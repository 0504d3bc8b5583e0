#pragma once
// Functions and code for the tests of this folder.

#include <string>
#include <string_view>

#include "base/sha256.h"
#include "model/function.h"
#include "store/catalog.h"
#include "store/temp_folder.h"

namespace canopy::store {

inline constexpr std::string_view sample_code = "\0asm sample";

// A folder for tests to which it does not matter what a disk does, or how slowly: in memory where there is
// such.
inline TempFolder quick_folder() {
  if (auto quick = TempFolder::make_in("/dev/shm")) return *std::move(quick);
  return *TempFolder::make();
}

// With every field set to something of its own, so that a mixed-up column shows.
inline Function sample_function(std::string_view name, std::string_view code = sample_code) {
  Function function;
  function.name = *parse_function_name(name);
  function.digest = sha256_hex(code);
  function.code_bytes = code.size();
  function.runtime = "wasm";
  function.limits = {.memory_bytes = 101,
                     .timeout = Duration(102),
                     .concurrency = 103,
                     .output_bytes = 104,
                     .log_bytes = 105,
                     .tmp_bytes = 106,
                     .open_files = 107,
                     .table_elements = 108};
  function.env = {{"COLOUR", "green"}, {"EMPTY", ""}, {"BYTES", "\xff\x01 \xc3\xa9"}};
  return function;
}

// Puts the code, then the function.
inline Result<PutResult> deploy(Catalog& catalog, Function function, std::string_view code = sample_code,
                                const Change& change = {}) {
  CANOPY_TRY(function.digest, catalog.put_code(code));
  function.code_bytes = code.size();
  return catalog.put(std::move(function), change);
}

// All but version and time.
inline bool same_content(const Function& a, const Function& b) {
  return a.name == b.name && a.digest == b.digest && a.code_bytes == b.code_bytes && a.runtime == b.runtime &&
         a.limits == b.limits && a.env == b.env && a.files == b.files;
}

inline bool equal(const Function& a, const Function& b) {
  return same_content(a, b) && a.version == b.version && a.created == b.created;
}

}  // namespace canopy::store
