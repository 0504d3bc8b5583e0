#include "cli/single_run.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <unistd.h>

#include "base/sha256.h"
#include "cli/build.h"
#include "cli/files.h"
#include "cli/progress.h"
#include "cli/project.h"
#include "cli/serve.h"
#include "exec/core.h"
#include "guest/host.h"
#include "js/language.h"
#include "net/blocking_pool.h"
#include "wasm/engines.h"
#include "wasm/language.h"
#include "wire/manifest.h"
#include "wire/wasm_inspect.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t compiled_bytes_max = 512 * MiB;
constexpr Duration grace = std::chrono::milliseconds(500);

// Compiled modules are kept for the next time; the oldest go when they take too much.
void make_room(const fs::path& folder) {
  struct File {
    fs::path path;
    std::uint64_t size;
    fs::file_time_type used;
  };
  std::vector<File> files;
  std::uint64_t total = 0;
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(folder, error); at != fs::recursive_directory_iterator();
       at.increment(error)) {
    if (error) return;
    if (!at->is_regular_file(error)) continue;
    files.push_back({at->path(), at->file_size(error), at->last_write_time(error)});
    total += files.back().size;
  }
  std::ranges::sort(files, {}, &File::used);
  for (const File& file : files) {
    if (total <= compiled_bytes_max) return;
    if (fs::remove(file.path, error)) total -= file.size;
  }
}

std::string past_time(Duration time) {
  return "it had not ended after its time of " + duration_text(time) + "; raise --time";
}

// Ends the program where the guest waits for something that no clock of ours interrupts, such as a terminal.
class Watchdog {
 public:
  explicit Watchdog(Duration time) {
    if (time.count() == 0) return;
    thread_ = std::jthread([this, time](const std::stop_token& stopped) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stopped, time + grace, [] { return false; });
      if (stopped.stop_requested()) return;
      std::fprintf(stderr, "canopy: %s\n", past_time(time).c_str());
      _exit(status_timed_out);
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

// Functions that ask for a call's input get what is piped in; what they answer is printed at their end. All
// other programs have our own streams.
bool wants_call(const wire::WasmModule& module) {
  if (module.shape() == wire::WasmShape::reactor) return true;
  return std::ranges::any_of(module.imports, [](const wire::WasmImport& import) {
    return import.module == "canopy" || import.name.starts_with("__faasm_");
  });
}

struct Guest {
  bool is_module = true;  // Else JavaScript.
  Function function;
  fs::path code;
  bool wants_call = false;
};

Result<Guest> make_guest(const Built& built, const fs::path& code, const Flags& flags) {
  const std::string& module = built.code;
  Guest guest{.is_module = built.runtime == "wasm", .function = {}, .code = code, .wants_call = true};
  guest.function.runtime = built.runtime;
  if (guest.is_module) {
    CANOPY_TRY(const auto inspected, wire::inspect_wasm(module));
    guest.wants_call = wants_call(inspected);
  } else {
    CANOPY_TRY_VOID(js::check_source(module));
  }
  Function& function = guest.function;
  function.name = {.space = "local", .name = "run"};
  function.digest = sha256_hex(module);
  function.code_bytes = module.size();
  function.limits = {.memory_bytes = flags.memory_bytes == 0 ? 4 * GiB : flags.memory_bytes,
                     .timeout = flags.time,
                     .concurrency = 1,
                     .output_bytes = GiB,
                     .log_bytes = 256 * MiB,
                     .tmp_bytes = GiB,
                     .open_files = 1024,
                     .table_elements = 1'000'000};
  for (const std::string& text : flags.env) {
    auto variable = wire::parse_env(text);
    if (!variable) return fail(variable.error().code, "--env: " + variable.error().message);
    function.env.insert_or_assign(variable->first, variable->second);
  }
  return guest;
}

Result<guest::LocalRun> make_local(const Command& command, bool wants_call) {
  guest::LocalRun local;
  local.arguments = command.arguments;
  local.arguments.front() = fs::path(command.arguments.front()).filename().string();
  local.own_streams = !wants_call;
  for (const std::string& text : command.flags.folders) {
    CANOPY_TRY(auto folder, guest::map_folder(text));
    local.folders.push_back(std::move(folder));
  }
  return local;
}

int status_of(const Error& error) {
  switch (error.code) {
    case Code::died:
      return status_trapped;
    case Code::limit:
      return status_past_limit;
    case Code::deadline:
      return status_timed_out;
    default:
      return status_failed;
  }
}

Reply call_once(exec::Core& core, exec::Template& from, Call& call) {
  std::optional<Reply> reply;
  auto instance = from.start(core);
  net::asio::co_spawn(core.io(), instance->run(call), [&](const std::exception_ptr& error, Reply made) {
    if (error) std::rethrow_exception(error);  // A bug; ends the program.
    reply = std::move(made);
    core.stop();
  });
  core.run();
  instance.reset();
  return *std::move(reply);
}

Result<int> run_guest(const Guest& guest, const Command& command, Terminal& terminal,
                      const fs::path& compiled) {
  exec::Core core(0, command.clock);
  net::BlockingPool pool(1, 16);
  wasm::RuntimeOptions options;
  options.pool.instances_max = 1;
  options.pool.table_elements_max = guest.function.limits.table_elements;
  options.compile.timeout = std::chrono::minutes(10);
  options.compile.memory_bytes = 8 * GiB;
  options.compiled_folder = compiled;
  options.code_path = [&guest](std::string_view) -> Result<fs::path> { return guest.code; };
  CANOPY_TRY(guest::LocalRun local, make_local(command, guest.wants_call));
  // With the rights of who runs it: private networks too.
  const auto fetch = js::make_extension(
      std::make_shared<js::Fetcher>(js::FetchOptions{.allow_private = true, .thread_count = 4}));
  CANOPY_TRY(
      const auto engines,
      wasm::Engines::make(
          std::move(options), {&core},
          make_language_host({.load_file = {}, .local = std::move(local), .make_extension = fetch}), pool));
  const auto runtime = guest.is_module ? wasm::make_module_runtime(engines)
                                       : wasm::make_language_runtime(js::make_language(), engines);
  std::shared_ptr<exec::Template> prepared;
  {
    const Progress progress(terminal, "compiling");
    CANOPY_TRY(prepared, runtime->prepare(guest.function));
  }
  std::string input;
  if (guest.wants_call && !terminal.in_is_terminal()) {
    CANOPY_TRY(input, read_file("-"));
  }
  CallLog log(guest.function.limits.log_bytes);
  log.on_write = [&terminal](std::string_view text) { terminal.err() << text << std::flush; };
  Call call;
  call.function = &guest.function;
  call.queued = command.clock.now();
  if (command.flags.time.count() != 0) call.deadline = call.queued + command.flags.time;
  call.input = input;
  call.log = &log;
  const Watchdog watchdog(command.flags.time);
  const Reply reply = call_once(core, *prepared, call);
  if (guest.wants_call) terminal.out() << reply.output << std::flush;
  const bool said_by_status =
      reply.error && reply.error->code == Code::function_failed && reply.exit_code != 0;
  if (!reply.error || said_by_status) return reply.exit_code;
  const bool late = reply.error->code == Code::deadline;
  terminal.err() << "canopy: " << command.arguments.front() << ": "
                 << (late ? past_time(command.flags.time) : reply.error->message) << '\n';
  return status_of(*reply.error);
}

tl::unexpected<Error> on_a_server(const fs::path& source, std::string_view runtime) {
  return fail(Code::refused, source.string() + ": " + (runtime == "python" ? "Python" : "container") +
                                 " functions run on a server alone: canopy deploy, or canopy dev");
}

}  // namespace

Result<int> run_once(Command& command, Terminal& terminal) {
  const fs::path source = command.arguments.front();
  const auto project = find_project(source, "");  // What canopy.yaml says, where that is one function.
  const std::string runtime = project ? project->manifest.runtime.value_or("") : "";
  if (runtime == "container") return on_a_server(source, runtime);
  CANOPY_TRY(const Built built, build(source, {.environment = command.environment, .terminal = terminal}));
  if (built.runtime == "python" || built.runtime == "container") return on_a_server(source, built.runtime);
  const std::string& module = built.code;
  std::optional<TempFolder> work;
  fs::path folder = cache_folder(command.environment) / "run";
  if (!folder.has_parent_path()) {
    CANOPY_TRY(TempFolder made, TempFolder::make(command.environment));
    folder = work.emplace(std::move(made)).path();
  }
  make_room(folder);
  // The compiler reads a file; what was built is none yet, and what was read may change. It is kept beside
  // what is compiled from it, so that a run that is interrupted leaves nothing elsewhere.
  const fs::path code = folder / (sha256_hex(module) + (built.runtime == "wasm" ? ".wasm" : ".js"));
  CANOPY_TRY_VOID(write_file(code, module));
  CANOPY_TRY(const Guest guest, make_guest(built, code, command.flags));
  return run_guest(guest, command, terminal, folder);
}

}  // namespace canopy::cli
