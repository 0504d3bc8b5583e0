#include "wasm/language.h"

#include <atomic>
#include <fstream>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/sha256.h"
#include "wasm/compile_job.h"
#include "wire/wasm_split.h"

namespace canopy::wasm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t mark_size = 16;
// Our own code, which does end: what makes it slow is the machine.
constexpr Duration interpreter_timeout = std::chrono::minutes(5);

// The interpreter as files: its compiled code, and the memory it starts with.
struct Interpreter {
  fs::path code;
  fs::path first_image;
};

class LanguageRuntime final : public exec::PlainRuntime {
 public:
  LanguageRuntime(Language language, std::shared_ptr<Engines> engines)
      : language_(std::move(language)),
        engines_(std::move(engines)),
        mark_(sha256_hex(language_.interpreter).substr(0, mark_size)) {
    const std::string key = language_.name + "-" + mark_;
    interpreter_ = {.code = engines_->compiled_path(key), .first_image = {}};
    interpreter_.first_image = interpreter_.code.string() + ".image";
    engines_->keep_always(key);
  }

  std::string_view name() const override { return language_.name; }

  Result<void> check(const Function& /*function*/, std::string_view code) override {
    return language_.check(code);
  }

  std::shared_ptr<exec::Template> find(const Function& function) override {
    const std::string key = compiled_name(function);
    if (auto kept = engines_->find(key)) return kept;
    Result<ModulePlan> plan = engines_->find_plan(key);
    if (!plan || !is_interpreter_made()) return nullptr;
    return engines_->keep(key, *std::move(plan), interpreter_.code);
  }

  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    if (auto found = find(function)) return found;
    CANOPY_TRY_VOID(make_interpreter());
    const std::string key = compiled_name(function);
    CompileJob job;
    job.kind = JobKind::image;
    job.entry_names = language_.prepare_names;
    CANOPY_TRY(job.code, engines_->code_path(function));
    job.compiled = engines_->compiled_path(key);
    job.function_memory_bytes = function.limits.memory_bytes;
    job.files = function.files;
    job.entry_names.push_back(language_.handler);
    job.interpreter = interpreter_.code;
    job.first_image = interpreter_.first_image;
    CompileOptions options = engines_->options().compile;
    options.timeout = std::min(options.timeout, language_.prepare_timeout);
    const Time before = system_clock().now();
    auto plan = carry_out(options, std::move(job));
    if (!plan && plan.error().code == Code::limit && system_clock().now() - before >= options.timeout) {
      return fail(Code::limit, "reading the source took longer than " + duration_text(options.timeout) +
                                   "; what its top level does has to be done sooner");
    }
    if (!plan) return tl::unexpected(std::move(plan).error());
    if (!plan->note.empty()) {
      log::debug("prepared {}; its top level runs in each call: {}", function.digest.substr(0, 12),
                 log_safe(plan->note));
    }
    return engines_->keep(key, *std::move(plan), interpreter_.code);
  }

  std::string made_name(const Function& function) const override { return compiled_name(function); }

 private:
  std::string compiled_name(const Function& function) const {
    return sha256_hex(language_.name + '\n' + mark_ + '\n' + function.digest + '\n' +
                      std::to_string(function.limits.memory_bytes));
  }

  // Reads all of it to see that it is whole, so only until it was once.
  bool is_interpreter_made() {
    if (!interpreter_made_.load(std::memory_order_relaxed))
      interpreter_made_ = read_plan(interpreter_.code).has_value();
    return interpreter_made_;
  }

  // Once per data folder and version of the engine: seconds.
  Result<void> make_interpreter() {
    const std::lock_guard lock(making_);
    std::error_code error;
    if (is_interpreter_made() && fs::exists(interpreter_.first_image, error)) return {};
    CANOPY_TRY(const wire::SplitModule split, wire::split_memory(language_.interpreter));
    fs::create_directories(interpreter_.code.parent_path(), error);
    const fs::path wasm = interpreter_.code.string() + ".wasm";
    CANOPY_TRY_VOID(write_whole(interpreter_.first_image, split.image));
    CANOPY_TRY_VOID(write_whole(wasm, split.code));
    const Time before = system_clock().now();
    CompileJob job;
    job.kind = JobKind::interpreter;
    job.code = wasm;
    job.compiled = interpreter_.code;
    job.entry_names = {language_.handler};
    CompileOptions options = engines_->options().compile;
    options.timeout = std::max(options.timeout, interpreter_timeout);
    const auto plan = carry_out(options, std::move(job));
    fs::remove(wasm, error);
    if (!plan) return tl::unexpected(plan.error());
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(system_clock().now() - before);
    log::debug("compiled the interpreter of {} in {} ms", language_.name, took.count());
    return {};
  }

  static Result<void> write_whole(const fs::path& path, std::string_view bytes) {
    const fs::path temporary = path.string() + ".new";
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    std::error_code error;
    if (file) fs::rename(temporary, path, error);
    if (!file || error)
      return fail(Code::unavailable, "cannot write " + path.string() + ": is the disk full?");
    return {};
  }

  const Language language_;
  const std::shared_ptr<Engines> engines_;
  const std::string mark_;
  Interpreter interpreter_;
  std::mutex making_;
  std::atomic<bool> interpreter_made_ = false;
};

}  // namespace

std::unique_ptr<exec::Runtime> make_language_runtime(Language language, std::shared_ptr<Engines> engines) {
  return std::make_unique<LanguageRuntime>(std::move(language), std::move(engines));
}

}  // namespace canopy::wasm
