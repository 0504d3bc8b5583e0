#include "python/runtime.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include "base/child.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "python/execution.h"
#include "python/pools.h"
#include "python/zygote.h"
#include "wire/manifest.h"
#include "wire/pickle.h"
#include "wire/values.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view layout_version = "1";
constexpr std::uint64_t resident_bytes_min = 8 * MiB;
constexpr Duration failure_kept = std::chrono::seconds(2);
constexpr std::size_t packet_bytes_max = 64 * KiB;

bool wants_network(const Function& function) {
  const auto found = function.env.find(std::string(wire::fetch_variable));
  return found != function.env.end() && !found->second.empty();
}

// How many of its processes may be kept on the machine.
Result<std::uint64_t> kept_count(const Function& function) {
  const auto found = function.env.find(std::string(wire::keep_warm_variable));
  if (found == function.env.end()) return 0;
  auto count = wire::read_count(found->second, {.max = wire::keep_warm_max});
  if (!count) return fail(Code::refused, "keep_warm: " + count.error().message);
  return count;
}

bool is_same(const Function& a, const Function& b) { return a.env == b.env && a.limits == b.limits; }

struct CoreState {
  CoreState(exec::Core& core, std::size_t count, std::size_t waiting_max, PoolsOptions options)
      : places(count, waiting_max), pools(core, options) {}
  Places places;
  Pools pools;
};

// What runtime, templates and instances share.
struct Shared {
  Shared(RuntimeOptions given, const std::vector<exec::Core*>& cores, net::BlockingPool& pool)
      : options(std::move(given)), disk(pool), folders(options.folder, options.find_code) {
    calls_per_core = std::max<std::uint64_t>(share(options.calls_max, cores.size()), 1);
    const PoolsOptions each = {
        .count_max = std::max<std::uint64_t>(share(options.zygotes_max, cores.size()), 1),
        .idle_max = calls_per_core,
        .idle_time_max = options.kept_idle};
    for (exec::Core* const core : cores) {
      states.push_back(std::make_unique<CoreState>(*core, calls_per_core, options.waiting_max, each));
    }
    undertaker = std::make_shared<Undertaker>(pool);
  }

  // Of what there may be on the machine, that of one core.
  static std::uint64_t share(std::uint64_t all, std::size_t cores) { return (all + cores - 1) / cores; }

  // Once found, it stays.
  Result<Interpreter> interpreter() {
    const std::lock_guard lock(mutex);
    if (!found) {
      CANOPY_TRY(found, find_interpreter(options.python));
    }
    return *found;
  }

  bool has_network(const Function& function) const { return options.network && wants_network(function); }

  LaunchPlan plan(const Interpreter& python, const fs::path& at, const Function& function) const {
    LaunchPlan made_plan;
    made_plan.interpreter = python.program;
    made_plan.sandbox = {.prefix = python.prefix,
                         .function = at / "function",
                         .site = at / "site",
                         .path = options.path,
                         .writable_site = false,
                         .network = has_network(function),
                         .memory_bytes = options.warm_memory_bytes + function.limits.memory_bytes,
                         .processes = 2 * calls_per_core * options.processes + 64};
    return made_plan;
  }

  std::string setup(const Function& function) const {
    return setup_packet(function, {.processes = options.processes,
                                   .network = has_network(function),
                                   .keeps = keep_options(function).count_max > 0});
  }

  KeepOptions keep_options(const Function& function) const {
    return {.count_max = share(kept_count(function).value_or(0), states.size()),
            .calls_max = options.kept_calls};
  }

  const RuntimeOptions options;
  std::stop_source stopping;
  net::BlockingPool& disk;
  std::shared_ptr<Undertaker> undertaker;
  const std::shared_ptr<MemoryGroups> groups = std::make_shared<MemoryGroups>();
  const Folders folders;
  std::uint64_t calls_per_core = 1;
  std::vector<std::unique_ptr<CoreState>> states;  // By core index; each its core's.
  std::mutex mutex;
  std::optional<Interpreter> found;  // Guarded by it, as is the next.
  using Version = std::pair<FunctionName, std::uint32_t>;
  std::map<std::string, std::map<Version, std::weak_ptr<exec::Template>>> made;  // By name of the folder.
};

class PythonTemplate final : public exec::Template,
                             public PoolSource,
                             public std::enable_shared_from_this<PythonTemplate> {
 public:
  PythonTemplate(std::shared_ptr<Shared> shared, Interpreter interpreter, fs::path made)
      : shared_(std::move(shared)),
        interpreter_(std::move(interpreter)),
        made_(std::move(made)),
        pools_(shared_->states.size()),
        bytes_(shared_->states.size()) {}

  // Those that run are ended on their own threads.
  ~PythonTemplate() override {
    for (const auto& pool : pools_) {
      if (pool != nullptr) pool->end_soon();
    }
  }
  PythonTemplate(const PythonTemplate&) = delete;
  PythonTemplate& operator=(const PythonTemplate&) = delete;

  std::unique_ptr<exec::Instance> start(exec::Core& core) override {
    return make_execution(shared_from_this(), core);
  }

  std::uint64_t resident_bytes() const override {
    std::uint64_t all = 0;
    for (const auto& bytes : bytes_) all += bytes.load(std::memory_order_relaxed);
    return all;
  }
  std::uint64_t resident_bytes(const exec::Core& core) const override {
    const auto& pool = pools_.at(core.index());
    if (pool == nullptr || pool->zygote().error()) return 0;
    return std::max(pool->zygote().resident_bytes(), resident_bytes_min);
  }

  void unload(exec::Core& core) override {
    auto& pool = pools_.at(core.index());
    if (pool == nullptr || pool->busy_count() > 0) return;
    pool->end({Code::unavailable, "the function was unloaded; try again", Stage::start});
    pool.reset();
    bytes_.at(core.index()) = 0;
  }

  Result<std::shared_ptr<ProcessPool>> find(const Function& function, exec::Core& core,
                                            bool& started) override {
    auto& pool = pools_.at(core.index());
    const auto& error = pool == nullptr ? no_error_ : pool->zygote().error();
    const bool failed = error && error->stage == Stage::start;
    if (failed && core.clock().now() < pool->zygote().used() + failure_kept) return tl::unexpected(*error);
    bytes_.at(core.index()) = resident_bytes(core);
    if (pool != nullptr && !error) {
      if (is_same(pool->zygote().function(), function)) return pool;
      pool->end_soon();  // Its variables have changed; its calls go on to their ends.
    }
    Pools& all = shared_->states.at(core.index())->pools;
    CANOPY_TRY_VOID(all.make_room());
    auto zygote =
        std::make_shared<Zygote>(core, shared_->disk, shared_->undertaker, shared_->groups, function);
    zygote->start(shared_->plan(interpreter_, made_, function), shared_->setup(function));
    pool = std::make_shared<ProcessPool>(core, std::move(zygote), shared_->keep_options(function));
    all.add(pool);
    started = true;
    return pool;
  }

  Places& places(exec::Core& core) override { return shared_->states.at(core.index())->places; }
  void settle(exec::Core& core) override { shared_->states.at(core.index())->pools.settle(); }

 private:
  const std::shared_ptr<Shared> shared_;
  const Interpreter interpreter_;
  const fs::path made_;
  const std::optional<Error> no_error_;
  std::vector<std::shared_ptr<ProcessPool>> pools_;  // By core index; each its core's.
  std::vector<std::atomic<std::uint64_t>> bytes_;    // The same, for others to see.
};

// Starts a warmed process once, and ends it: whether the function can be imported.
Result<void> try_import(const Shared& shared, const LaunchPlan& plan, const std::string& setup) {
  CANOPY_TRY(const Launched launched, launch(plan, shared.groups.get()));
  const int control = launched.control.get();
  const auto say = [&]() -> Result<void> {
    if (send(control, setup.data(), setup.size(), MSG_NOSIGNAL) < 0) {
      return fail(Code::unavailable, "a process for Python ended as soon as it was started");
    }
    const Time deadline = system_clock().now() + shared.options.import_timeout;
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
      if (left.count() <= 0) {
        return fail(Code::limit, "importing the function took longer than " +
                                     duration_text(shared.options.import_timeout));
      }
      pollfd wanted{control, POLLIN, 0};
      if (shared.stopping.stop_requested()) {
        return fail(Code::unavailable,
                    "the function is not imported: the server stops; deploy it again once it runs");
      }
      if (poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 500))) <= 0) continue;
      std::string bytes(packet_bytes_max, '\0');
      const ssize_t got = recv(control, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) {
        return fail(Code::refused,
                    "the process ended while it imported the function: with os._exit(), by a "
                    "signal, or for lack of memory");
      }
      const auto packet =
          wire::read_python_packet(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)));
      if (!packet) return fail(Code::refused, packet.error().message);
      using Kind = wire::PythonPacket::Kind;
      if (packet->kind == Kind::ready) return {};
      if (packet->kind == Kind::broken) return fail(Code::unavailable, packet->text);
      return fail(Code::refused, "the function cannot be imported: " + packet->text);
    }
  };
  Result<void> said = say();
  static_cast<void>(kill_child(launched.process));
  return said;
}

class PythonRuntime final : public exec::PlainRuntime {
 public:
  explicit PythonRuntime(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~PythonRuntime() override {
    for (const auto& state : shared_->states) state->pools.close();
    shared_->undertaker->close();
  }
  PythonRuntime(const PythonRuntime&) = delete;
  PythonRuntime& operator=(const PythonRuntime&) = delete;

  std::string_view name() const override { return runtime_name; }

  Result<void> check(const Function& function, std::string_view code) override {
    CANOPY_TRY_VOID(check_source(code));
    CANOPY_TRY(const Interpreter interpreter, shared_->interpreter());
    CANOPY_TRY_VOID(check_version(function, interpreter));
    CANOPY_TRY_VOID(kept_count(function));
    return check_network(function);
  }

  void bind(Function& function, std::string_view code) override {
    const auto interpreter = shared_->interpreter();
    if (interpreter && code.starts_with(wire::pickle_mark)) {
      function.env.try_emplace(std::string(wire::python_version_variable), interpreter->version);
    }
  }

  std::shared_ptr<exec::Template> find(const Function& function) override {
    const auto interpreter = shared_->interpreter();
    if (!interpreter) return nullptr;
    const std::string name = name_of(function, *interpreter);
    if (!shared_->folders.whole().renew(name)) return nullptr;
    return keep(name, function, *interpreter);
  }

  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    CANOPY_TRY(const Interpreter interpreter, shared_->interpreter());
    if (auto found = find(function)) return found;
    CANOPY_TRY_VOID(check_version(function, interpreter));
    const std::string name = name_of(function, interpreter);
    CANOPY_TRY(const fs::path made, shared_->folders.lay_out(function, name));
    const Result<void> whole = fill(interpreter, made, function);
    std::error_code ignored;
    if (!whole) {
      fs::remove_all(made, ignored);
      return tl::unexpected(whole.error());
    }
    CANOPY_TRY_VOID(shared_->folders.whole().finish(made, name));
    return keep(name, function, interpreter);
  }

  void stop() override { shared_->stopping.request_stop(); }

  std::string made_name(const Function& function) const override {
    const auto interpreter = shared_->interpreter();
    return interpreter ? name_of(function, *interpreter) : std::string();
  }

  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age) override {
    return shared_->folders.whole().sweep(names, age, [this](const std::string& name) {
      const std::lock_guard lock(shared_->mutex);
      const auto found = shared_->made.find(name);
      return found != shared_->made.end() &&
             std::ranges::any_of(found->second, [](const auto& one) { return !one.second.expired(); });
    });
  }

 private:
  static std::string name_of(const Function& function, const Interpreter& interpreter) {
    std::string text = std::string(layout_version) + '\n' + interpreter.version + '\n' +
                       interpreter.program.string() + '\n' + function.digest;
    for (const FunctionFile& file : function.files) text += '\n' + file.digest + ' ' + file.path;
    return sha256_hex(text);
  }

  // What dill serialises are instructions of one version of Python.
  static Result<void> check_version(const Function& function, const Interpreter& interpreter) {
    const auto made_by = function.env.find(std::string(wire::python_version_variable));
    if (made_by == function.env.end() || made_by->second == interpreter.version) return {};
    return fail(Code::refused, "the function was serialised by Python " + log_safe(made_by->second, 20) +
                                   ", and functions run here by Python " + interpreter.version +
                                   ": serialise it with that, or have the server run another (--python)");
  }

  Result<void> check_network(const Function& function) const {
    if (!wants_network(function)) return {};
    const std::string& hosts = function.env.at(std::string(wire::fetch_variable));
    if (hosts != "*") {
      return fail(Code::refused,
                  "a Python function gets all of the network or nothing of it; write fetch: [\"*\"], or "
                  "leave it out");
    }
    if (shared_->options.network) return {};
    return fail(Code::refused,
                "Python functions may not use the network here; leave out 'fetch', or start the server with "
                "--python-network");
  }

  Result<void> fill(const Interpreter& interpreter, const fs::path& made, const Function& function) const {
    std::error_code error;
    if (fs::exists(made / "function" / "requirements.txt", error)) {
      CANOPY_TRY_VOID(install(interpreter, made, shared_->options.install, shared_->stopping.get_token()));
    }
    return try_import(*shared_, shared_->plan(interpreter, made, function), shared_->setup(function));
  }

  // Functions of the same code share its folder, and nothing that lives.
  std::shared_ptr<exec::Template> keep(const std::string& name, const Function& function,
                                       const Interpreter& interpreter) {
    const std::lock_guard lock(shared_->mutex);
    for (auto& [folder, versions] : shared_->made) {
      std::erase_if(versions, [](const auto& one) { return one.second.expired(); });
    }
    std::erase_if(shared_->made, [](const auto& entry) { return entry.second.empty(); });
    auto& kept = shared_->made[name][{function.name, function.version}];
    if (auto found = kept.lock()) return found;
    auto made = std::make_shared<PythonTemplate>(shared_, interpreter, shared_->folders.path(name));
    kept = made;
    return made;
  }

  const std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<exec::Runtime> make_runtime(RuntimeOptions options, const std::vector<exec::Core*>& cores,
                                            net::BlockingPool& disk) {
  return std::make_unique<PythonRuntime>(std::make_shared<Shared>(std::move(options), cores, disk));
}

Result<void> check_source(std::string_view source) {
  const bool serialised = source.starts_with(wire::pickle_mark);
  if (source.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return fail(Code::refused, "the source is empty; write `def handle(request): ...`, for one");
  }
  if (source.size() > source_bytes_max) {
    return fail(Code::refused, "the source is " + size_text(source.size()) + ", more than the " +
                                   size_text(source_bytes_max) + " a Python function may have");
  }
  if (serialised) {
    const auto whole = wire::check_pickle(source);
    return whole ? Result<void>() : fail(Code::refused, whole.error().message);
  }
  const std::size_t bad = std::min(source.find('\0'), find_invalid_utf8(source));
  if (bad < source.size()) {
    const auto line = 1 + std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(bad), '\n');
    return fail(Code::refused, "the source is no text: byte " + std::to_string(bad) + ", on line " +
                                   std::to_string(line) + ", is not UTF-8");
  }
  return {};
}

}  // namespace canopy::python
