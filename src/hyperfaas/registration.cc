#include "hyperfaas/registration.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "foreign/runtime.h"
#include "hyperfaas/image.h"
#include "wire/container.h"
#include "wire/json_find.h"
#include "wire/json_writer.h"

namespace canopy::hyperfaas {
namespace {

constexpr std::string_view image_variable = "HYPERFAAS_IMAGE";
constexpr std::string_view config_variable = "HYPERFAAS_CONFIG";
constexpr std::string_view from_variable = "HYPERFAAS_FROM";  // "space/name@7"
constexpr std::string_view id_variable = "FUNCTION_ID";       // As functions of HyperFaaS read it.
constexpr std::string_view container_runtime = "container";
constexpr Duration usual_idle_time = std::chrono::seconds(90);
// As HyperFaaS's own leaf has it; it ends no call.
constexpr std::uint32_t elsewhere_concurrency = 250;
constexpr std::uint32_t elsewhere_instances = 10;
constexpr std::uint32_t elsewhere_queue = 10'000;
constexpr Duration elsewhere_timeout = std::chrono::minutes(10);
constexpr std::int64_t cpu_percent_max = 25'600;
constexpr std::int64_t concurrency_max = 10'000;
constexpr std::int64_t minute_us = 60'000'000;
constexpr std::int64_t memory_max = std::int64_t{1} << 46U;

bool is_sane(const wire::LeafConfig& config) {
  return config.memory_bytes >= 0 && config.memory_bytes <= memory_max && config.cpu_period_us >= 0 &&
         config.cpu_period_us <= minute_us && config.cpu_quota_us <= 1024 * minute_us &&
         config.idle_seconds >= 0 && config.max_concurrency >= 0;
}

std::string config_text(const wire::LeafConfig& config) {
  wire::JsonWriter json;
  json.begin_object();
  json.member("memory", config.memory_bytes);
  json.member("cpu_period", config.cpu_period_us);
  json.member("cpu_quota", config.cpu_quota_us);
  json.member("timeout", config.idle_seconds);
  json.member("max_concurrency", config.max_concurrency);
  json.end_object();
  return json.take_text();
}

// Whoever deploys a function may have written this variable by hand; what cannot be was not said.
wire::LeafConfig read_config(std::string_view text) {
  const wire::LeafConfig config = {
      .memory_bytes = wire::find_number(text, "memory").value_or(0),
      .cpu_period_us = wire::find_number(text, "cpu_period").value_or(0),
      .cpu_quota_us = wire::find_number(text, "cpu_quota").value_or(0),
      .idle_seconds = static_cast<std::int32_t>(wire::find_number(text, "timeout").value_or(0)),
      .max_concurrency = static_cast<std::int32_t>(wire::find_number(text, "max_concurrency").value_or(0))};
  return is_sane(config) ? config : wire::LeafConfig();
}

std::string_view variable(const Function& function, std::string_view name) {
  const auto at = function.env.find(std::string(name));
  return at == function.env.end() ? std::string_view() : at->second;
}

std::string from_text(const Function& image) {
  return to_text(image.name) + "@" + std::to_string(image.version);
}

void describe(const Registration& registration, Function& made) {
  made.env.insert_or_assign(std::string(image_variable), registration.image_tag);
  made.env.insert_or_assign(std::string(config_variable), config_text(registration.config));
  made.env.insert_or_assign(std::string(id_variable), made.name.name);
}

// What is said of containers holds for one that is started here, too.
void limit_container(const wire::LeafConfig& config, Function& made) {
  auto settings = wire::container_settings(made.env);
  if (!settings) return;  // It was checked when the image was deployed.
  if (config.max_concurrency > 0) {
    settings->concurrency =
        static_cast<std::uint32_t>(std::min<std::int64_t>(config.max_concurrency, concurrency_max));
  }
  if (config.cpu_quota_us > 0) {
    const std::int64_t period = config.cpu_period_us > 0 ? config.cpu_period_us : 100'000;
    settings->cpu_period = std::clamp<Duration>(std::chrono::microseconds(period),
                                                std::chrono::milliseconds(1), std::chrono::seconds(1));
    const std::int64_t quota = std::min(config.cpu_quota_us, cpu_percent_max * period / 100);
    settings->cpu_percent = static_cast<std::uint32_t>(std::max<std::int64_t>(quota * 100 / period, 1));
  }
  if (config.idle_seconds > 0) settings->idle = idle_time(config);
  made.env.insert_or_assign(std::string(wire::container_variable), wire::to_json(*settings));
}

std::shared_ptr<const Function> find(const store::Snapshot& snapshot, const FunctionName& name) {
  const auto found = snapshot.functions.find(name);
  return found == snapshot.functions.end() ? nullptr : found->second;
}

std::shared_ptr<const Function> find_in(const store::Snapshot& snapshot, std::string_view space,
                                        std::string_view id) {
  auto found = find(snapshot, {.space = std::string(space), .name = std::string(id)});
  return found != nullptr && found->env.contains(std::string(image_variable)) ? found : nullptr;
}

}  // namespace

Result<void> check(const Registration& registration) {
  const std::string& tag = registration.image_tag;
  if (tag.empty())
    return fail(Code::invalid, "there is no tag of an image; name one, such as hyperfaas-echo:latest");
  const bool is_plain = std::ranges::all_of(tag, [](char c) { return c > ' ' && c <= '~'; });
  if (!is_plain || functions_of_image(tag).empty()) {
    return fail(Code::invalid, "'" + log_safe(tag, 200) + "' is no tag of an image");
  }
  if (is_sane(registration.config)) return {};
  return fail(
      Code::invalid,
      "the config asks for what cannot be: memory is 0 (not said) to 64 TiB, cpu.period up to a minute in "
      "microseconds, timeout and max_concurrency are not negative");
}

std::optional<Registration> registration_of(const Function& function) {
  if (!function.env.contains(std::string(image_variable))) return std::nullopt;
  return Registration{.image_tag = std::string(variable(function, image_variable)),
                      .config = read_config(variable(function, config_variable))};
}

Function make_unbound(FunctionName name, const Registration& registration) {
  Function made;
  made.name = std::move(name);
  describe(registration, made);
  return made;
}

Function make_bound(FunctionName name, const Registration& registration, const Function& image,
                    const Options& options) {
  Function made = image;
  made.name = std::move(name);
  made.version = 0;
  made.created = {};
  const wire::LeafConfig& config = registration.config;
  if (config.memory_bytes > 0) {
    made.limits.memory_bytes =
        std::min(static_cast<std::uint64_t>(config.memory_bytes), options.memory_bytes_max);
  }
  describe(registration, made);
  made.env.insert_or_assign(std::string(from_variable), from_text(image));
  if (made.runtime == container_runtime) limit_container(config, made);
  return made;
}

Function make_elsewhere(FunctionName name, const Registration& registration) {
  Function made = make_unbound(std::move(name), registration);
  made.runtime = foreign::runtime_name;
  made.limits.timeout = elsewhere_timeout;
  wire::ContainerSettings settings;
  settings.contract = wire::ContainerSettings::Contract::grpc;
  settings.concurrency = elsewhere_concurrency;
  settings.instances_max = elsewhere_instances;
  settings.queue = elsewhere_queue;
  settings.idle = idle_time(registration.config);
  made.env.insert_or_assign(std::string(wire::container_variable), wire::to_json(settings));
  limit_container(registration.config, made);
  return made;
}

bool is_elsewhere(const Function& function) { return function.runtime == foreign::runtime_name; }

bool is_bound(const Function& function) { return !variable(function, from_variable).empty(); }

bool is_bound_to(const Function& function, const Function& image) {
  return variable(function, from_variable) == from_text(image);
}

Duration idle_time(const wire::LeafConfig& config) {
  return config.idle_seconds > 0 ? std::chrono::seconds(config.idle_seconds) : usual_idle_time;
}

std::string space_for(const policy::Subject& subject) {
  if (policy::reaches(subject, common_space)) return std::string(common_space);
  return subject.spaces.empty() ? std::string() : subject.spaces.front();
}

std::shared_ptr<const Function> find_registered(const store::Snapshot& snapshot,
                                                const policy::Subject& subject, std::string_view id) {
  if (!is_uuid_text(id)) return nullptr;
  if (policy::reaches(subject, common_space)) {
    if (auto found = find_in(snapshot, common_space, id)) return found;
  }
  for (const std::string& space : subject.spaces) {
    if (auto found = find_in(snapshot, space, id)) return found;
  }
  return nullptr;
}

std::shared_ptr<const Function> find_image(const store::Snapshot& snapshot, const Reaches& reaches,
                                           std::string_view tag) {
  for (const FunctionName& name : functions_of_image(tag)) {
    if (!reaches(name.space)) continue;
    auto found = find(snapshot, name);
    if (found != nullptr && !registration_of(*found)) return found;
  }
  return nullptr;
}

std::shared_ptr<const Function> find_bound_image(const store::Snapshot& snapshot, const Function& function) {
  const std::string_view from = variable(function, from_variable);
  const auto name = parse_function_name(from.substr(0, from.rfind('@')));
  return name ? find(snapshot, *name) : nullptr;
}

}  // namespace canopy::hyperfaas
