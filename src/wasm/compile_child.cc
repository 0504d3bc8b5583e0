#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/log.h"
#include "wasm/compile.h"
#include "wasm/compile_job.h"
#include "wasm/language_image.h"
#include "wasm/preinit.h"
#include "wire/wasm_bulk.h"

namespace canopy::wasm {
namespace {

// A sanitizer's shadow of all address space counts as data, so with one no limit of it can be kept.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool has_shadow_memory = true;
#else
constexpr bool has_shadow_memory = false;
#endif

void limit(int resource, rlim_t value) {
  const rlimit wanted{value, value};
  setrlimit(static_cast<__rlimit_resource>(resource), &wanted);
}

// Address space is reserved freely (a memory is 4 GiB of it); what is written is what counts.
void limit_self(const CompileJob& job) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(job.timeout).count();
  if (!has_shadow_memory) limit(RLIMIT_DATA, job.memory_bytes);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, static_cast<rlim_t>(seconds) * 4 + 1);  // The compiler has several threads.
  limit(RLIMIT_NOFILE, 256);
  // Calls go before deploys, but all functions of a language wait for its interpreter. Where it is not
  // granted, so be it.
  if (job.kind != JobKind::interpreter && nice(10) == -1) return;
}

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::unavailable, "cannot read " + path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Whole, or not at all: a reader never sees half a file.
Result<void> write_file(const std::filesystem::path& path, std::string_view bytes) {
  const std::string temporary = path.string() + "." + std::to_string(getpid()) + ".new";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    if (!file) {
      std::remove(temporary.c_str());
      return fail(Code::unavailable, "cannot write " + temporary + ": is the disk full?");
    }
  }
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return fail(Code::unavailable, "cannot write " + path.string() + ": " + error.message());
  return {};
}

// What only the first call would find out otherwise: that imports and entry points have the types they must.
Result<void> check_links(wasm_engine_t& engine, const Host& host, wasmtime_module_t* module,
                         const std::vector<std::string>& entry_names) {
  CANOPY_TRY(const LinkerHandle linker, make_linker(engine, host.imports, false));
  wasmtime_instance_pre_t* raw = nullptr;
  if (const ErrorHandle error{wasmtime_linker_instantiate_pre(linker.get(), module, &raw)}) {
    return fail(Code::refused, "linking: " + message(*error));
  }
  const InstancePreHandle pre(raw);
  for (const std::string& name : entry_names) {
    canopy_entry_t* entry = nullptr;
    if (const ErrorHandle error{canopy_entry_new(pre.get(), name.data(), name.size(), &entry)}) {
      return fail(Code::refused, "the entry point '" + log_safe(name) + "': " + message(*error));
    }
    const EntryHandle owned(entry);
  }
  return {};
}

// What the server's pool has no slot for compiles well, and could then never be loaded: tables, and globals
// and functions beyond what an instance has room for. The pool of one instance has the bounds of the
// server's.
Result<void> check_fits(std::string_view compiled) {
  CANOPY_TRY(const EngineHandle engine, make_pooled_engine({.instances_max = 1}));
  wasmtime_module_t* raw = nullptr;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(compiled.data());
  if (const ErrorHandle error{wasmtime_module_deserialize(engine.get(), bytes, compiled.size(), &raw)}) {
    return fail(Code::refused, "the module needs more than an instance has here: " + message(*error));
  }
  const ModuleHandle module(raw);
  return {};
}

Result<void> leave(const CompileJob& job, wasmtime_module_t& module, ModulePlan plan) {
  ByteVec compiled;
  if (const ErrorHandle error{wasmtime_module_serialize(&module, compiled.get())}) {
    return fail(Code::internal, message(*error));
  }
  CANOPY_TRY_VOID(check_fits(compiled.view()));
  plan.compiled_bytes = compiled.size();
  plan.compiled_checksum = checksum(compiled.view());
  // The plan first: compiled code without a plan is never seen.
  CANOPY_TRY_VOID(write_file(job.compiled.string() + ".plan", write_plan(plan)));
  return write_file(job.compiled, compiled.view());
}

Function function_of(const CompileJob& job) {
  Function function;
  function.limits.memory_bytes = job.function_memory_bytes;
  function.files = job.files;
  return function;
}

// Compiles `wasm` and leaves it beside its plan.
Result<void> leave(wasm_engine_t& engine, const CompileJob& job, std::string_view wasm, ModulePlan plan) {
  wasmtime_module_t* raw = nullptr;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(wasm.data());
  if (const ErrorHandle error{wasmtime_module_new(&engine, bytes, wasm.size(), &raw)}) {
    return fail(Code::refused, message(*error));
  }
  const ModuleHandle module(raw);
  return leave(job, *module, std::move(plan));
}

// The module with no instruction that could hold a core for long. What is wrong with it is said of the module
// as it was sent.
Result<std::string> in_pieces(wasm_engine_t& engine, std::string wasm) {
  auto parted = wire::part_bulk_operations(wasm);
  if (parted && !*parted) return wasm;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(wasm.data());
  if (const ErrorHandle error{wasmtime_module_validate(&engine, bytes, wasm.size())}) {
    return fail(Code::refused, message(*error));
  }
  if (!parted) return tl::unexpected(std::move(parted).error());
  return **std::move(parted);
}

Result<void> carry_out(const CompileJob& job, const HostMaker& make_host) {
  CANOPY_TRY(const std::string original, read_file(job.code));
  CANOPY_TRY(const EngineHandle engine, make_compiler());
  const Host host = make_host(job.code_folder);
  ModulePlan plan{.entry_names = job.entry_names, .preinitialised = false, .note = {}};
  if (job.kind == JobKind::interpreter) {
    CANOPY_TRY(const std::string wasm, in_pieces(*engine, original));
    return leave(*engine, job, wasm, std::move(plan));
  }
  if (job.kind == JobKind::image) {
    CANOPY_TRY(const std::string first_image, read_file(job.first_image));
    CANOPY_TRY(LanguageImage image,
               prepare_image(*engine, host, function_of(job),
                             {.source = original,
                              .interpreter = job.interpreter,
                              .first_image = first_image,
                              .prepare_names = {job.entry_names.begin(), job.entry_names.end() - 1}}));
    plan.entry_names = {job.entry_names.back()};
    plan.preinitialised = image.note.empty();
    plan.note = std::move(image.note);
    return leave(*engine, job, image.wasm, std::move(plan));
  }
  std::string wasm = original;
  const std::vector<std::string> init_names(job.entry_names.begin(), job.entry_names.end() - 1);
  if (!init_names.empty()) {
    CANOPY_TRY(Preinitialised prepared, preinitialise(*engine, host, function_of(job), original, init_names));
    plan.note = std::move(prepared.note);
    plan.preinitialised = !prepared.wasm.empty();
    if (plan.preinitialised) {
      wasm = std::move(prepared.wasm);
      plan.entry_names = {job.entry_names.back()};
    }
  }
  CANOPY_TRY(wasm, in_pieces(*engine, std::move(wasm)));
  wasmtime_module_t* raw = nullptr;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(wasm.data());
  if (const ErrorHandle error{wasmtime_module_new(engine.get(), bytes, wasm.size(), &raw)}) {
    return fail(Code::refused, message(*error));
  }
  const ModuleHandle module(raw);
  CANOPY_TRY_VOID(check_links(*engine, host, module.get(), plan.entry_names));
  return leave(job, *module, std::move(plan));
}

}  // namespace

bool is_compile_child(int count, const char* const* arguments) {
  return count == 2 && arguments[1] == compile_child_word;
}

int compile_child(int /*count*/, const char* const* /*arguments*/, const HostMaker& make_host) {
  const std::string text(std::istreambuf_iterator<char>(std::cin), {});
  const auto job = read_job(text);
  if (!job) {
    std::fprintf(stdout, "refused\nthe compile job makes no sense: %s\n", job.error().message.c_str());
    return 1;
  }
  limit_self(*job);
  const auto done = carry_out(*job, make_host);
  if (done) {
    std::fputs("done\n", stdout);
    return 0;
  }
  const Code code = done.error().code;
  std::fprintf(stdout, "%s\n%s",
               code == Code::refused ? "refused"
               : code == Code::limit ? "limit"
                                     : "failed",
               done.error().message.c_str());
  return 1;
}

}  // namespace canopy::wasm
