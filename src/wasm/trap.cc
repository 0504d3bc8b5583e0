#include "wasm/trap.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "base/units.h"

namespace canopy::wasm {
namespace {

constexpr std::size_t frame_count_max = 8;

std::string reason(const wasm_trap_t& trap) {
  wasmtime_trap_code_t code = 0;
  if (!wasmtime_trap_code(&trap, &code)) return log_safe(message(trap));
  switch (code) {
    case WASMTIME_TRAP_CODE_STACK_OVERFLOW:
      return "stack overflow";
    case WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS:
      return "out of bounds memory access";
    case WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS:
      return "out of bounds table access";
    case WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL:
      return "call of a null function pointer";
    case WASMTIME_TRAP_CODE_BAD_SIGNATURE:
      return "call of a function pointer of another type";
    case WASMTIME_TRAP_CODE_INTEGER_OVERFLOW:
      return "integer overflow";
    case WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO:
      return "integer division by zero";
    case WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER:
      return "conversion of a number that no integer can hold";
    case WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED:
      return "unreachable code reached (abort, panic or assert)";
    case WASMTIME_TRAP_CODE_UNCAUGHT_EXCEPTION:
      return "uncaught exception";
    default:
      return "trap " + std::to_string(code);
  }
}

std::string frame_text(const wasm_frame_t& frame) {
  const wasm_name_t* const name = wasmtime_frame_func_name(&frame);
  std::array<char, 32> offset{};
  const std::size_t at = wasm_frame_func_offset(&frame);
  constexpr auto unknown =
      static_cast<std::size_t>(-1);  // In what a function does before its first instruction.
  if (at != unknown) std::snprintf(offset.data(), offset.size(), " (+0x%zx)", at);
  if (name == nullptr || name->size == 0) {
    return "function " + std::to_string(wasm_frame_func_index(&frame)) + offset.data();
  }
  return log_safe(std::string_view(name->data, name->size), 120) + offset.data();
}

// " in f (+0x10), called by main (+0x2)"; gives the frames back.
std::string take_trace(wasm_frame_vec_t& frames) {
  std::string text;
  for (std::size_t i = 0; i < std::min(frames.size, frame_count_max); ++i) {
    text += i == 0 ? " in " : ", called by ";
    text += frame_text(*frames.data[i]);
  }
  if (frames.size > frame_count_max)
    text += ", and " + std::to_string(frames.size - frame_count_max) + " more";
  wasm_frame_vec_delete(&frames);
  return text;
}

std::string where(const wasmtime_error_t& error) {
  wasm_frame_vec_t frames;
  wasmtime_error_wasm_trace(&error, &frames);
  return take_trace(frames);
}

}  // namespace

std::string describe(const wasm_trap_t& trap) {
  wasm_frame_vec_t frames;
  wasm_trap_trace(&trap, &frames);
  return reason(trap) + take_trace(frames);
}

Error trap_error(const wasm_trap_t& trap, std::uint64_t memory_bytes, std::uint64_t memory_limit_bytes) {
  std::string text = "the function trapped: " + describe(trap);
  if (memory_bytes > memory_limit_bytes - memory_limit_bytes / 8) {
    text += "; it had " + size_text(memory_bytes) + " of its memory limit of " +
            size_text(memory_limit_bytes) + ": raise 'memory' if it needs more";
  }
  return {.code = Code::died, .message = std::move(text), .stage = Stage::run};
}

Error engine_error(const wasmtime_error_t& error) {
  const std::string text = message(error);
  if (text.find("thrown Wasm exception") != std::string::npos ||
      text.find("uncaught exception") != std::string::npos || text.find("exception") == 0) {
    return {.code = Code::died,
            .message = "the function ended with an uncaught exception" + where(error),
            .stage = Stage::run};
  }
  if (text.find("GC heap out of memory") != std::string::npos) {
    return {.code = Code::limit,
            .message =
                "the exceptions that the function keeps need more than its memory limit; keep fewer, or "
                "raise 'memory'" +
                where(error),
            .stage = Stage::run};
  }
  if (text.find("memory minimum size") != std::string::npos ||
      text.find("table minimum size") != std::string::npos) {
    return {.code = Code::limit,
            .message = "the function needs more than its limits allow: " + text,
            .stage = Stage::start};
  }
  if (text.find("maximum concurrent") != std::string::npos) {
    return {.code = Code::unavailable,
            .message = "every instance slot of this core is in use",
            .stage = Stage::start};
  }
  return {.code = Code::died, .message = "the function could not run: " + text, .stage = Stage::start};
}

}  // namespace canopy::wasm
