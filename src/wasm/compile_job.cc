#include "wasm/compile_job.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>

#include <fcntl.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/descriptor.h"
#include "base/units.h"
#include "wasm/compile.h"
#include "wire/percent.h"

namespace canopy::wasm {
namespace {

void add(std::string& out, std::string_view key, std::string_view value) {
  out += key;
  out += ' ';
  out += wire::percent_encode(value);
  out += '\n';
}

void add(std::string& out, std::string_view key, std::uint64_t value) {
  add(out, key, std::to_string(value));
}

using Take = std::function<bool(std::string_view key, std::string value)>;

Result<void> read_lines(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return fail(Code::invalid, "a line without an end");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return fail(Code::invalid, "a line without a value");
    CANOPY_TRY(std::string value, wire::percent_decode(line.substr(blank + 1)));
    if (!take(line.substr(0, blank), std::move(value))) {
      return fail(Code::invalid, "not a line of it: " + std::string(line));
    }
  }
  return {};
}

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc{} && result.ptr == end;
}

bool read_duration(std::string_view text, Duration& value) {
  Duration::rep count = 0;
  const bool good = read_number(text, count);
  value = Duration(count);
  return good;
}

bool read_file(std::string_view text, FunctionFile& file) {
  const std::size_t first = text.find(' ');
  const std::size_t second = text.find(' ', first + 1);
  if (second == std::string_view::npos) return false;
  file.digest = text.substr(0, first);
  file.path = text.substr(second + 1);
  return read_number(text.substr(first + 1, second - first - 1), file.size_bytes);
}

// A power cut may leave a file that is shorter than what was written, and a disk one that is not what was
// written: such a file is made anew. What runs was checked here, so this is on the way of a first call.
Result<void> check_whole(const std::filesystem::path& compiled, const ModulePlan& plan) {
  constexpr std::size_t piece_bytes = 256 * KiB;
  const Descriptor file(open(compiled.c_str(), O_RDONLY | O_CLOEXEC));
  const auto piece = std::make_unique_for_overwrite<char[]>(piece_bytes);  // NOLINT(*-avoid-c-arrays)
  Checksum sum;
  std::uint64_t size = 0;
  for (;;) {
    const ssize_t got = read(file.get(), piece.get(), piece_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::uint64_t>(got);
    if (size > plan.compiled_bytes) break;
    sum.update({piece.get(), static_cast<std::size_t>(got)});
  }
  if (size == plan.compiled_bytes && sum.value() == plan.compiled_checksum) return {};
  return fail(Code::not_found, compiled.string() + " is not whole");
}

bool read_kind(std::string_view text, JobKind& kind) {
  unsigned number = 0;
  if (!read_number(text, number) || number > static_cast<unsigned>(JobKind::image)) return false;
  kind = static_cast<JobKind>(number);
  return true;
}

}  // namespace

std::string write_job(const CompileJob& job) {
  std::string out;
  add(out, "code", job.code.string());
  add(out, "compiled", job.compiled.string());
  add(out, "code-folder", job.code_folder.string());
  add(out, "memory", job.memory_bytes);
  add(out, "timeout", static_cast<std::uint64_t>(job.timeout.count()));
  add(out, "function-memory", job.function_memory_bytes);
  for (const FunctionFile& file : job.files) {
    add(out, "file", file.digest + " " + std::to_string(file.size_bytes) + " " + file.path);
  }
  for (const std::string& name : job.entry_names) add(out, "entry", name);
  add(out, "kind", static_cast<std::uint64_t>(job.kind));
  if (job.kind == JobKind::image) {
    add(out, "interpreter", job.interpreter.string());
    add(out, "first-image", job.first_image.string());
  }
  return out;
}

Result<CompileJob> read_job(std::string_view text) {
  CompileJob job;
  CANOPY_TRY_VOID(read_lines(text, [&job](std::string_view key, std::string value) {
    if (key == "code") return job.code = value, true;
    if (key == "compiled") return job.compiled = value, true;
    if (key == "code-folder") return job.code_folder = value, true;
    if (key == "memory") return read_number(value, job.memory_bytes);
    if (key == "timeout") return read_duration(value, job.timeout);
    if (key == "function-memory") return read_number(value, job.function_memory_bytes);
    if (key == "entry") return job.entry_names.push_back(std::move(value)), true;
    if (key == "kind") return read_kind(value, job.kind);
    if (key == "interpreter") return job.interpreter = value, true;
    if (key == "first-image") return job.first_image = value, true;
    return key == "file" && read_file(value, job.files.emplace_back());
  }));
  if (job.code.empty() || job.compiled.empty() || job.entry_names.empty()) {
    return fail(Code::invalid, "a job without code, target or entry point");
  }
  if (job.kind == JobKind::image && (job.interpreter.empty() || job.first_image.empty())) {
    return fail(Code::invalid, "an image without an interpreter");
  }
  return job;
}

std::string write_plan(const ModulePlan& plan) {
  std::string out;
  add(out, "preinitialised", plan.preinitialised ? 1 : 0);
  add(out, "bytes", plan.compiled_bytes);
  add(out, "checksum", plan.compiled_checksum);
  if (!plan.note.empty()) add(out, "note", plan.note);
  for (const std::string& name : plan.entry_names) add(out, "entry", name);
  add(out, "end", checksum(out));
  return out;
}

Result<ModulePlan> parse_plan(std::string_view text) {
  ModulePlan plan;
  std::uint64_t end = 0;
  CANOPY_TRY_VOID(read_lines(text, [&](std::string_view key, std::string value) {
    if (key == "preinitialised") return plan.preinitialised = value == "1", true;
    if (key == "bytes") return read_number(value, plan.compiled_bytes);
    if (key == "checksum") return read_number(value, plan.compiled_checksum);
    if (key == "end") return read_number(value, end);
    if (key == "note") return plan.note = std::move(value), true;
    if (key == "entry") return plan.entry_names.push_back(std::move(value)), true;
    return false;
  }));
  const std::size_t sealed = text.rfind("end ");
  if (sealed == std::string_view::npos || checksum(text.substr(0, sealed)) != end) {
    return fail(Code::invalid, "a plan that is not as it was written");
  }
  if (plan.entry_names.empty()) return fail(Code::invalid, "a plan without an entry point");
  return plan;
}

Result<ModulePlan> read_plan(const std::filesystem::path& compiled) {
  std::ifstream file(compiled.string() + ".plan", std::ios::binary);
  if (!file || !std::filesystem::exists(compiled))
    return fail(Code::not_found, compiled.string() + " is not there");
  std::stringstream text;
  text << file.rdbuf();
  CANOPY_TRY(ModulePlan plan, parse_plan(text.str()));
  CANOPY_TRY_VOID(check_whole(compiled, plan));
  return plan;
}

}  // namespace canopy::wasm
