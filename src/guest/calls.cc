#include "guest/calls.h"

#include <string>
#include <utility>

namespace canopy::guest {

bool Calls::refused_while_preparing(std::string_view what) {
  if (!caller_.preparing()) return false;
  caller_.fail(Error{Code::refused, "the initialisation asked for " + std::string(what)});
  return true;
}

bool Calls::append_output(std::string_view bytes) {
  const std::uint64_t limit = state().function().limits.output_bytes;
  std::string& output = caller_.reply().output;
  if (bytes.size() > limit - std::min<std::uint64_t>(limit, output.size())) {
    caller_.fail(Error{Code::limit, "the function wrote more than its output limit of " + size_text(limit) +
                                        "; raise 'output' in its manifest, or write less"});
    return false;
  }
  output += bytes;
  return true;
}

bool Calls::write_stdout(std::string_view bytes) {
  if (!caller_.preparing() && !state().output_is_set) return append_output(bytes);
  write_log(CallLog::Stream::out, bytes);
  return true;
}

void Calls::write_log(CallLog::Stream stream, std::string_view bytes) {
  if (CallLog* const log = caller_.call().log) log->write(stream, bytes);
}

void Calls::take_over_output() {
  State& mine = state();
  if (mine.output_is_set) return;
  mine.output_is_set = true;
  std::string& output = caller_.reply().output;
  if (!output.empty()) write_log(CallLog::Stream::out, output);
  output.clear();
}

wasm::After Calls::bad_pointer(std::string_view import, std::uint64_t at, std::uint64_t size) {
  caller_.fail(Error{Code::died, "the function called " + std::string(import) + " with " +
                                     std::to_string(size) + " bytes at " + std::to_string(at) +
                                     ", which is outside of its memory"});
  return wasm::After::fail;
}

}  // namespace canopy::guest
