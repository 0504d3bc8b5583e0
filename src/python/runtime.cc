#include "python/runtime.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include "base/child.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "python/execution.h"
#include "python/zygote.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view layout_version = "1";
constexpr std::string_view fetch_variable = "CANOPY_FETCH";  // As wire/manifest.h says.
constexpr std::uint64_t resident_bytes_min = 8 * MiB;
constexpr Duration failure_kept = std::chrono::seconds(2);
constexpr std::size_t packet_bytes_max = 64 * KiB;

bool wants_network(const Function& function) {
  const auto found = function.env.find(std::string(fetch_variable));
  return found != function.env.end() && !found->second.empty();
}

bool is_same(const Function& a, const Function& b) { return a.env == b.env && a.limits == b.limits; }

struct CoreState {
  explicit CoreState(std::size_t count, std::size_t waiting_max) : places(count, waiting_max) {}
  Places places;
  std::vector<std::weak_ptr<Zygote>> zygotes;  // All that were started here and may live.
};

// What runtime, templates and instances share.
struct Shared {
  Shared(RuntimeOptions given, const std::vector<exec::Core*>& cores, net::BlockingPool& pool)
      : options(std::move(given)), disk(pool), folders(options.folder, options.find_code) {
    const std::size_t count = std::max<std::size_t>(cores.size(), 1);
    calls_per_core = std::max<std::uint64_t>((options.calls_max + count - 1) / count, 1);
    zygotes_per_core = std::max<std::uint64_t>((options.zygotes_max + count - 1) / count, 1);
    for (std::size_t i = 0; i < count; ++i) {
      states.push_back(std::make_unique<CoreState>(calls_per_core, options.waiting_max));
    }
    undertaker = std::make_shared<Undertaker>(pool);
  }

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
                         .writable_site = false,
                         .network = has_network(function),
                         .memory_bytes = options.warm_memory_bytes + function.limits.memory_bytes,
                         .processes = calls_per_core * options.processes + 64};
    return made_plan;
  }

  std::string setup(const Function& function) const {
    return setup_packet(function, options.processes, has_network(function));
  }

  const RuntimeOptions options;
  net::BlockingPool& disk;
  std::shared_ptr<Undertaker> undertaker;
  const Folders folders;
  std::uint64_t calls_per_core = 1;
  std::uint64_t zygotes_per_core = 1;
  std::vector<std::unique_ptr<CoreState>> states;  // By core index; each its core's.
  std::mutex mutex;
  std::optional<Interpreter> found;                           // Guarded by it, as is the next.
  std::map<std::string, std::weak_ptr<exec::Template>> made;  // By name of the folder.
};

class PythonTemplate final : public exec::Template,
                             public ZygoteSource,
                             public std::enable_shared_from_this<PythonTemplate> {
 public:
  PythonTemplate(std::shared_ptr<Shared> shared, Interpreter interpreter, fs::path made)
      : shared_(std::move(shared)),
        interpreter_(std::move(interpreter)),
        made_(std::move(made)),
        zygotes_(shared_->states.size()),
        bytes_(shared_->states.size()) {}

  // Those that run are ended on their own threads.
  ~PythonTemplate() override {
    for (const auto& zygote : zygotes_) {
      if (zygote != nullptr) zygote->end_soon();
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
    const auto& zygote = zygotes_.at(core.index());
    return zygote == nullptr || zygote->error() ? 0 : std::max(zygote->resident_bytes(), resident_bytes_min);
  }

  void unload(exec::Core& core) override {
    auto& zygote = zygotes_.at(core.index());
    if (zygote == nullptr || zygote->running_count() > 0) return;
    zygote->end({Code::unavailable, "the function was unloaded; try again", Stage::start});
    zygote.reset();
    bytes_.at(core.index()) = 0;
  }

  Result<std::shared_ptr<Zygote>> find(const Function& function, exec::Core& core, bool& started) override {
    auto& zygote = zygotes_.at(core.index());
    const bool failed = zygote != nullptr && zygote->error() && zygote->error()->stage == Stage::start;
    if (failed && core.clock().now() < zygote->used() + failure_kept) return tl::unexpected(*zygote->error());
    bytes_.at(core.index()) = resident_bytes(core);
    if (zygote != nullptr && !zygote->error()) {
      if (is_same(zygote->function(), function)) return zygote;
      zygote->end_soon();  // Its variables have changed; its calls go on to their ends.
    }
    CANOPY_TRY_VOID(make_room(core));
    zygote = std::make_shared<Zygote>(core, shared_->disk, shared_->undertaker, function);
    zygote->start(shared_->plan(interpreter_, made_, function), shared_->setup(function));
    shared_->states.at(core.index())->zygotes.push_back(zygote);
    started = true;
    return zygote;
  }

  Places& places(exec::Core& core) override { return shared_->states.at(core.index())->places; }

 private:
  // Ends the one that was used longest ago where there are as many as there may be.
  Result<void> make_room(exec::Core& core) {
    auto& all = shared_->states.at(core.index())->zygotes;
    std::erase_if(all, [](const std::weak_ptr<Zygote>& weak) {
      const auto zygote = weak.lock();
      return zygote == nullptr || zygote->error().has_value();
    });
    if (all.size() < shared_->zygotes_per_core) return {};
    std::shared_ptr<Zygote> oldest;
    for (const auto& weak : all) {
      const auto zygote = weak.lock();
      if (zygote == nullptr || zygote->running_count() > 0 || !zygote->is_ready()) continue;
      if (oldest == nullptr || zygote->used() < oldest->used()) oldest = zygote;
    }
    if (oldest == nullptr) {
      return fail(Code::unavailable,
                  "all " + std::to_string(shared_->options.zygotes_max) +
                      " warmed processes of Python functions are busy; try again, or raise 'python-warm'",
                  Stage::start);
    }
    oldest->end({Code::unavailable, "its place was needed for another function; try again", Stage::none});
    return {};
  }

  const std::shared_ptr<Shared> shared_;
  const Interpreter interpreter_;
  const fs::path made_;
  std::vector<std::shared_ptr<Zygote>> zygotes_;   // By core index; each its core's.
  std::vector<std::atomic<std::uint64_t>> bytes_;  // The same, for others to see.
};

// Starts a warmed process once, and ends it: whether the function can be imported.
Result<void> try_import(const Shared& shared, const LaunchPlan& plan, const std::string& setup) {
  CANOPY_TRY(const Launched launched, launch(plan));
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
      if (poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000))) <= 0) continue;
      std::string bytes(packet_bytes_max, '\0');
      const ssize_t got = recv(control, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) {
        return fail(Code::refused,
                    "the process ended while it imported the function: with os._exit(), by a "
                    "signal, or for lack of memory");
      }
      CANOPY_TRY(const auto packet,
                 wire::read_python_packet(std::string_view(bytes).substr(0, static_cast<std::size_t>(got))));
      using Kind = wire::PythonPacket::Kind;
      if (packet.kind == Kind::ready) return {};
      if (packet.kind == Kind::broken) return fail(Code::unavailable, packet.text);
      return fail(Code::refused, "the function cannot be imported: " + packet.text);
    }
  };
  Result<void> said = say();
  static_cast<void>(kill_child(launched.process));
  return said;
}

class PythonRuntime final : public exec::Runtime {
 public:
  explicit PythonRuntime(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~PythonRuntime() override { shared_->undertaker->close(); }
  PythonRuntime(const PythonRuntime&) = delete;
  PythonRuntime& operator=(const PythonRuntime&) = delete;

  std::string_view name() const override { return runtime_name; }

  Result<void> check(const Function& function, std::string_view code) override {
    CANOPY_TRY_VOID(check_source(code));
    CANOPY_TRY_VOID(shared_->interpreter());
    return check_network(function);
  }

  std::shared_ptr<exec::Template> find(const Function& function) override {
    const auto interpreter = shared_->interpreter();
    if (!interpreter) return nullptr;
    const std::string name = name_of(function, *interpreter);
    if (!shared_->folders.renew(name)) return nullptr;
    return keep(name, *interpreter);
  }

  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    CANOPY_TRY(const Interpreter interpreter, shared_->interpreter());
    if (auto found = find(function)) return found;
    const std::string name = name_of(function, interpreter);
    CANOPY_TRY(const fs::path made, shared_->folders.lay_out(function, name));
    const Result<void> whole = fill(interpreter, made, function);
    std::error_code ignored;
    if (!whole) {
      fs::remove_all(made, ignored);
      return tl::unexpected(whole.error());
    }
    CANOPY_TRY_VOID(shared_->folders.finish(made, name));
    return keep(name, interpreter);
  }

  std::string made_name(const Function& function) const override {
    const auto interpreter = shared_->interpreter();
    return interpreter ? name_of(function, *interpreter) : std::string();
  }

  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age) override {
    return shared_->folders.sweep(names, age, [this](const std::string& name) {
      const std::lock_guard lock(shared_->mutex);
      const auto found = shared_->made.find(name);
      return found != shared_->made.end() && !found->second.expired();
    });
  }

 private:
  static std::string name_of(const Function& function, const Interpreter& interpreter) {
    std::string text = std::string(layout_version) + '\n' + interpreter.version + '\n' +
                       interpreter.program.string() + '\n' + function.digest;
    for (const FunctionFile& file : function.files) text += '\n' + file.digest + ' ' + file.path;
    return sha256_hex(text);
  }

  Result<void> check_network(const Function& function) const {
    if (!wants_network(function)) return {};
    const std::string& hosts = function.env.at(std::string(fetch_variable));
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
      CANOPY_TRY_VOID(install(interpreter, made, shared_->options.install));
    }
    return try_import(*shared_, shared_->plan(interpreter, made, function), shared_->setup(function));
  }

  std::shared_ptr<exec::Template> keep(const std::string& name, const Interpreter& interpreter) {
    const std::lock_guard lock(shared_->mutex);
    std::erase_if(shared_->made, [](const auto& entry) { return entry.second.expired(); });
    auto& kept = shared_->made[name];
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
  if (source.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return fail(Code::refused, "the source is empty; write `def handle(request): ...`, for one");
  }
  if (source.size() > source_bytes_max) {
    return fail(Code::refused, "the source is " + size_text(source.size()) + ", more than the " +
                                   size_text(source_bytes_max) + " a Python function may have");
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
