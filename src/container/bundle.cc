#include "container/bundle.h"

#include <array>
#include <string_view>

#include "base/units.h"
#include "container/seccomp.h"
#include "wire/json_writer.h"

namespace canopy::container {
namespace {

using wire::JsonWriter;

constexpr std::uint64_t shm_bytes_max = 64 * MiB;

struct Mount {
  std::string_view target;
  std::string_view type;
  std::vector<std::string> options;
};

constexpr std::array<std::string_view, 16> hidden = {
    "/proc/acpi",       "/proc/asound",        "/proc/cmdline",     "/proc/config.gz",
    "/proc/interrupts", "/proc/kallsyms",      "/proc/kcore",       "/proc/keys",
    "/proc/kmsg",       "/proc/latency_stats", "/proc/modules",     "/proc/sched_debug",
    "/proc/scsi",       "/proc/timer_list",    "/proc/timer_stats", "/sys"};
constexpr std::array<std::string_view, 5> readonly_paths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                                            "/proc/sysrq-trigger"};
constexpr std::array<std::string_view, 6> namespaces = {"pid", "network", "ipc", "uts", "mount", "cgroup"};

template <class Words>
void write_words(JsonWriter& json, std::string_view key, const Words& words) {
  json.key(key);
  json.begin_array();
  for (const auto& word : words) json.value(std::string_view(word));
  json.end_array();
}

void write_rlimit(JsonWriter& json, std::string_view type, std::uint64_t value) {
  json.begin_object();
  json.member("type", type);
  json.member("hard", value);
  json.member("soft", value);
  json.end_object();
}

void write_process(JsonWriter& json, const Plan& plan) {
  json.key("process");
  json.begin_object();
  json.member("terminal", false);
  json.key("user");
  json.begin_object();
  json.member("uid", plan.user);
  json.member("gid", plan.group);
  json.end_object();
  write_words(json, "args", plan.command);
  write_words(json, "env", plan.env);
  json.member("cwd", plan.folder);
  json.key("capabilities");
  json.begin_object();
  for (const std::string_view set : {"bounding", "effective", "inheritable", "permitted", "ambient"}) {
    json.key(set);
    json.begin_array();
    json.end_array();
  }
  json.end_object();
  json.key("rlimits");
  json.begin_array();
  write_rlimit(json, "RLIMIT_NOFILE", plan.open_files);
  write_rlimit(json, "RLIMIT_CORE", 0);
  json.end_array();
  json.member("noNewPrivileges", true);
  json.end_object();
}

void write_mounts(JsonWriter& json, const Plan& plan) {
  const std::string tmp_size = "size=" + std::to_string(plan.tmp_bytes);
  const std::string shm_size = "size=" + std::to_string(std::min(plan.tmp_bytes, shm_bytes_max));
  const std::array<Mount, 5> mounts = {{
      {"/proc", "proc", {"nosuid", "noexec", "nodev"}},
      {"/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "max=64"}},
      {"/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", shm_size}},
      {"/tmp", "tmpfs", {"nosuid", "nodev", "mode=1777", tmp_size}},
  }};
  json.key("mounts");
  json.begin_array();
  for (const Mount& mount : mounts) {
    json.begin_object();
    json.member("destination", mount.target);
    json.member("type", mount.type);
    json.member("source", mount.type);
    write_words(json, "options", mount.options);
    json.end_object();
  }
  json.end_array();
}

void write_resources(JsonWriter& json, const Plan& plan, bool limits_swap) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  json.key("resources");
  json.begin_object();
  json.key("devices");
  json.begin_array();
  json.begin_object();
  json.member("allow", false);
  json.member("access", "rwm");
  json.end_object();
  json.end_array();
  json.key("memory");
  json.begin_object();
  json.member("limit", plan.memory_bytes);
  if (limits_swap) json.member("swap", plan.memory_bytes);
  json.end_object();
  json.key("cpu");
  json.begin_object();
  json.member("period", duration_cast<microseconds>(plan.cpu_period).count());
  json.member("quota", duration_cast<microseconds>(plan.cpu_quota).count());
  json.end_object();
  json.key("pids");
  json.begin_object();
  json.member("limit", plan.processes);
  json.end_object();
  json.end_object();
}

}  // namespace

std::span<const std::string_view> hidden_paths() { return hidden; }

std::string cgroup_path(const std::string& id) { return "/canopy-" + id; }

std::string write_bundle(const Plan& plan, bool limits_swap) {
  JsonWriter json;
  json.begin_object();
  json.member("ociVersion", "1.0.2");
  write_process(json, plan);
  json.key("root");
  json.begin_object();
  json.member("path", plan.root.string());
  json.member("readonly", true);
  json.end_object();
  json.member("hostname", "function");
  write_mounts(json, plan);
  json.key("linux");
  json.begin_object();
  json.member("cgroupsPath", cgroup_path(plan.id));
  json.key("namespaces");
  json.begin_array();
  for (const std::string_view space : namespaces) {
    json.begin_object();
    json.member("type", space);
    json.end_object();
  }
  json.end_array();
  write_resources(json, plan, limits_swap);
  json.key("seccomp");
  json.raw(seccomp_rules());
  write_words(json, "maskedPaths", hidden);
  write_words(json, "readonlyPaths", readonly_paths);
  json.end_object();
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::container
