#include "container/runtime.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <sys/resource.h>

#include "base/log.h"
#include "base/sha256.h"
#include "container/docker.h"
#include "container/execution.h"
#include "container/household.h"
#include "container/runc.h"
#include "wire/container.h"
#include "wire/image_bytes.h"
#include "wire/manifest.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view layout_version = "1";
constexpr std::string_view default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::uint64_t memory_bytes_min = 8 * MiB;  // With less the engine itself does not start one.
constexpr std::uint64_t share_of_processes = 8;      // One part of so many is the most that a container has.
constexpr std::uint32_t open_files_min = 1024;       // What servers are used to.

// The image's variables, over them the function's, and what is said to all.
std::vector<std::string> environment(const wire::Image& image, const Function& function,
                                     const wire::ContainerSettings& settings) {
  std::map<std::string, std::string> variables;
  const auto put = [&variables](std::string_view variable) {
    const std::size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string_view::npos) return;
    variables.insert_or_assign(std::string(variable.substr(0, equals)),
                               std::string(variable.substr(equals + 1)));
  };
  put(default_path);
  put("HOME=/tmp");
  for (const std::string& variable : image.env) put(variable);
  for (const auto& [name, value] : function.env) {
    if (name != wire::container_variable && name != wire::fetch_variable &&
        name != wire::image_bytes_variable)
      variables.insert_or_assign(name, value);
  }
  variables.insert_or_assign("CANOPY_FUNCTION", to_text(function.name));
  if (settings.contract == wire::ContainerSettings::Contract::http) {
    variables.insert_or_assign("PORT", std::to_string(settings.port));
  } else if (settings.contract == wire::ContainerSettings::Contract::grpc) {
    variables.emplace("FUNCTION_ID", function.name.name);  // Unless whoever made it has said another one.
    if (settings.ready == wire::ContainerSettings::Ready::signal) {
      const std::string port = std::to_string(wire::signal_port(settings));
      variables.insert_or_assign("CONTROLLER_ADDRESS", "127.0.0.1:" + port);
    }
  }
  std::vector<std::string> lines;
  for (const auto& [name, value] : variables) {
    std::string line = name;
    line += '=';
    line += value;
    lines.push_back(std::move(line));
  }
  return lines;
}

// Enough for the connections of its calls, whatever the function asks for; not more than this process may
// give.
std::uint32_t open_files(const Limits& limits, const wire::ContainerSettings& settings) {
  rlimit own{};
  getrlimit(RLIMIT_NOFILE, &own);
  const std::uint64_t wanted = std::max(limits.open_files, 2 * settings.concurrency + open_files_min);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, own.rlim_max));
}

// Not so many that the machine has none left: processes and threads of all that runs on it share their
// numbers.
std::uint32_t processes(const wire::ContainerSettings& settings) {
  std::uint64_t machine_max = 32'768;  // As kernels grant by default.
  std::ifstream("/proc/sys/kernel/pid_max") >> machine_max;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(wire::processes_max(settings), machine_max / share_of_processes));
}

class ContainerTemplate final : public exec::Template {
 public:
  ContainerTemplate(std::shared_ptr<Household> household, std::shared_ptr<Pool> pool)
      : household_(std::move(household)), pool_(std::move(pool)) {}
  ~ContainerTemplate() override { pool_->retire(); }
  ContainerTemplate(const ContainerTemplate&) = delete;
  ContainerTemplate& operator=(const ContainerTemplate&) = delete;

  std::unique_ptr<exec::Instance> start(exec::Core& core) override {
    switch (pool_->settings().contract) {
      case wire::ContainerSettings::Contract::command:
        return make_command_execution(pool_, core);
      case wire::ContainerSettings::Contract::grpc:
        return make_grpc_execution(pool_, core, links_, GrpcService::function);
      case wire::ContainerSettings::Contract::http:
        break;
    }
    return make_http_execution(pool_, core);
  }

  exec::Standing standing() const { return pool_->standing(); }

  // Containers end when they are idle, whatever modules are loaded.
  std::uint64_t resident_bytes() const override { return pool_->member_count() * pool_->plan().memory_bytes; }
  std::uint64_t resident_bytes(const exec::Core& /*core*/) const override { return 0; }
  void unload(exec::Core& /*core*/) override {}

 private:
  const std::shared_ptr<Household> household_;
  const std::shared_ptr<Pool> pool_;
  const std::shared_ptr<GrpcLinks> links_ = std::make_shared<GrpcLinks>();
};

class ContainerRuntime final : public exec::PlainRuntime {
 public:
  ContainerRuntime(RuntimeOptions options, const Clock& clock)
      : options_(std::move(options)),
        images_(options_.folder / "images", options_.find_code, unpack_limits()),
        household_(std::make_shared<Household>(options_, clock)) {}

  std::string_view name() const override { return runtime_name; }

  Result<void> check(const Function& function, std::string_view code) override {
    CANOPY_TRY(const wire::ContainerSettings settings, settings_of(function));
    CANOPY_TRY(const wire::Image image, wire::read_image(code));
    CANOPY_TRY_VOID(command_of(image, settings));
    CANOPY_TRY_VOID(household_->engine());
    return {};
  }

  // What it says that it becomes is what its owner accounts for, and what it may become.
  void bind(Function& function, std::string_view code) override {
    const auto image = wire::read_image(code);
    if (!image) return;
    function.env.insert_or_assign(std::string(wire::image_bytes_variable),
                                  std::to_string(unpacked_bytes(code, *image)));
  }

  std::shared_ptr<exec::Template> find(const Function& function) override {
    if (!household_->engine()) return nullptr;
    if (!images_.whole().renew(image_name(function))) return nullptr;
    auto made = keep(function);
    return made ? *std::move(made) : nullptr;
  }

  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    CANOPY_TRY_VOID(household_->engine());
    CANOPY_TRY_VOID(settings_of(function));
    const std::string image = image_name(function);
    if (!images_.whole().renew(image)) CANOPY_TRY_VOID(images_.make(function, image));
    return keep(function);
  }

  void stop() override { stopping_.request_stop(); }

  std::optional<exec::Standing> standing(const Function& function) override {
    const auto made = find_made(key_of(function));
    if (made == nullptr) return std::nullopt;
    return static_cast<const ContainerTemplate&>(*made).standing();
  }

  std::string made_name(const Function& function) const override { return image_name(function); }

  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age) override {
    const auto in_use = [this](const std::string& name) {
      const std::lock_guard lock(mutex_);
      return std::ranges::any_of(made_, [&name](const auto& entry) {
        return entry.second.image == name && !entry.second.made.expired();
      });
    };
    const auto on_drop = [this](const std::string& name) {
      if (const auto engine = household_->engine()) (*engine)->drop_image(name);
    };
    return images_.whole().sweep(names, age, in_use, on_drop);
  }

 private:
  struct Made {
    std::string image;
    std::weak_ptr<exec::Template> made;
  };

  UnpackLimits unpack_limits() const {
    UnpackLimits limits = options_.unpack;
    limits.stop = stopping_.get_token();
    return limits;
  }

  static std::string image_name(const Function& function) {
    return sha256_hex(std::string(layout_version) + '\n' + function.digest);
  }

  // Each version has containers of its own, and each owner: what they keep is nothing of one that was
  // removed, or belonged to somebody else.
  static std::string key_of(const Function& function) {
    std::string text = to_text(function.name) + '\n' + function.digest + '\n' +
                       std::to_string(function.version) + '\n' +
                       std::to_string(function.created.time_since_epoch().count());
    const Limits& limits = function.limits;
    for (const std::uint64_t number :
         {limits.memory_bytes, limits.tmp_bytes, std::uint64_t{limits.open_files}}) {
      text += '\n' + std::to_string(number);
    }
    for (const auto& [name, value] : function.env) {
      text += '\n' + std::to_string(name.size()) + ' ' + std::to_string(value.size()) + ' ';
      text += name;
      text += value;
    }
    return sha256_hex(text);
  }

  static Result<wire::ContainerSettings> settings_of(const Function& function) {
    const auto fetch = function.env.find(std::string(wire::fetch_variable));
    if (fetch != function.env.end() && !fetch->second.empty()) {
      return fail(Code::refused, "a container function has no network but for its calls; leave out 'fetch'");
    }
    if (!function.files.empty()) {
      return fail(Code::refused, "a container function has its files in its image; leave out 'file'");
    }
    if (function.limits.memory_bytes < memory_bytes_min) {
      return fail(Code::refused, "a container needs at least " + size_text(memory_bytes_min) +
                                     " of memory, and has " + size_text(function.limits.memory_bytes) +
                                     "; raise 'memory'");
    }
    auto settings = wire::container_settings(function.env);
    if (!settings) return fail(Code::refused, settings.error().message);
    return settings;
  }

  static Result<std::vector<std::string>> command_of(const wire::Image& image,
                                                     const wire::ContainerSettings& settings) {
    std::vector<std::string> command = settings.command.empty() ? image.command : settings.command;
    if (!command.empty() && !command.front().empty()) return command;
    return fail(Code::refused,
                "the image does not say what it runs; write container: {command: [/program]}, or build "
                "it with an ENTRYPOINT");
  }

  Result<Plan> plan_of(const Function& function, const wire::ContainerSettings& settings) const {
    CANOPY_TRY(const wire::Image image, images_.describe(function));
    Plan plan;
    plan.image = image_name(function);
    plan.root = images_.root(plan.image);
    CANOPY_TRY(plan.command, command_of(image, settings));
    plan.env = environment(image, function, settings);
    // What begins like this would lead out of the container while it is still being made.
    const bool is_odd = !image.folder.starts_with('/') || image.folder.starts_with("/proc") ||
                        image.folder.find("..") != std::string::npos;
    plan.folder = is_odd ? "/" : image.folder;
    CANOPY_TRY(const UserIds ids, find_user(plan.root, image.user));
    plan.user = ids.user;
    plan.group = ids.group;
    plan.memory_bytes = function.limits.memory_bytes;
    plan.tmp_bytes = std::max<std::uint64_t>(function.limits.tmp_bytes, 4 * KiB);
    plan.open_files = open_files(function.limits, settings);
    plan.processes = processes(settings);
    const wire::CpuShare share = wire::cpu_share(settings);
    plan.cpu_period = share.period;
    plan.cpu_quota = share.quota;
    plan.has_input = settings.contract == wire::ContainerSettings::Contract::command;
    return plan;
  }

  Result<std::shared_ptr<exec::Template>> keep(const Function& function) {
    const std::string key = key_of(function);
    if (auto made = find_made(key)) return made;
    PoolOptions pool;
    pool.function = function.name;
    CANOPY_TRY(pool.settings, settings_of(function));
    CANOPY_TRY(pool.plan, plan_of(function, pool.settings));
    tell_of_few_cores(function, pool.settings);
    // Minutes, where Docker takes a large image: nobody else's function waits for it.
    CANOPY_TRY(Engine* const engine, household_->engine());
    CANOPY_TRY_VOID(engine->add_image(pool.plan.image, pool.plan.root));
    const std::lock_guard lock(mutex_);
    Made& entry = made_[key];
    if (auto made = entry.made.lock()) return made;  // Somebody else was faster.
    entry.image = pool.plan.image;
    std::shared_ptr<exec::Template> made =
        std::make_shared<ContainerTemplate>(household_, household_->make_pool(std::move(pool)));
    entry.made = made;
    return made;
  }

  // The same function may run on a larger machine, too, and a share is no more than a bound.
  static void tell_of_few_cores(const Function& function, const wire::ContainerSettings& settings) {
    const unsigned cores = std::thread::hardware_concurrency();
    if (cores == 0 || settings.cpu_percent <= 100 * cores) return;
    log::warn("{} asks for {} cores (container: cpu), and this machine has {}: it gets what there is",
              to_text(function.name), settings.cpu_percent / 100.0, cores);
  }

  std::shared_ptr<exec::Template> find_made(const std::string& key) {
    const std::lock_guard lock(mutex_);
    std::erase_if(made_, [](const auto& entry) { return entry.second.made.expired(); });
    const auto found = made_.find(key);
    return found == made_.end() ? nullptr : found->second.made.lock();
  }

  const RuntimeOptions options_;
  std::stop_source stopping_;
  const Images images_;
  std::mutex mutex_;
  std::map<std::string, Made> made_;  // Guarded by it; by key_of().
  // Last: it is the first to go.
  const std::shared_ptr<Household> household_;
};

}  // namespace

std::unique_ptr<exec::Runtime> make_runtime(RuntimeOptions options, const Clock& clock) {
  return std::make_unique<ContainerRuntime>(std::move(options), clock);
}

Result<std::unique_ptr<Engine>> find_engine(const EngineChoice& choice, const fs::path& folder) {
  if (choice.name == "off") {
    return fail(Code::unavailable, "container functions are switched off here: --container-engine=off");
  }
  auto runc = make_runc_engine(choice.runc, folder);
  // Whose containers they are: those of one data folder.
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(folder, error);
  auto docker = make_docker_engine(choice.docker_socket, sha256_hex(whole.string()));
  const Result<void> runc_works = choice.name == "docker" ? fail(Code::unavailable, "") : runc->check();
  if (runc_works) return runc;
  if (choice.name == "runc") return tl::unexpected(runc_works.error());
  const Result<void> docker_works = docker->check();
  if (docker_works) return docker;
  if (choice.name == "docker") return tl::unexpected(docker_works.error());
  return fail(Code::unavailable,
              runc_works.error().message + "; and no Docker answers at " + choice.docker_socket);
}

}  // namespace canopy::container
