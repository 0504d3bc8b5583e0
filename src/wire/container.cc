#include "wire/container.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/nearest.h"
#include "base/units.h"
#include "wire/json_writer.h"
#include "wire/values.h"

namespace canopy::wire {
namespace {

using Settings = ContainerSettings;

constexpr std::array<std::string_view, 12> keys = {"contract",  "command", "port",  "concurrency",
                                                   "instances", "queue",   "cpu",   "cpu_period",
                                                   "processes", "idle",    "start", "ready"};
constexpr std::size_t command_words_max = 100;
constexpr std::size_t command_bytes_max = 16 * KiB;
constexpr std::uint32_t processes_beside_calls = 64;
constexpr std::uint32_t instances_limit = 1000;
constexpr std::uint32_t cpu_percent_max = 25'600;

Result<std::uint32_t> count(std::string_view text, std::uint32_t min, std::uint32_t max) {
  CANOPY_TRY(const std::uint64_t value, read_count(text, {.min = min, .max = max}));
  return static_cast<std::uint32_t>(value);
}

Result<Settings::Contract> read_contract(std::string_view text) {
  if (text == "http") return Settings::Contract::http;
  if (text == "command") return Settings::Contract::command;
  if (text == "grpc") return Settings::Contract::grpc;
  return fail(Code::invalid, in_quotes(text) + " is not a contract; write http, grpc or command");
}

Result<Settings::Ready> read_ready(std::string_view text) {
  if (text == "port") return Settings::Ready::port;
  if (text == "signal") return Settings::Ready::signal;
  return fail(Code::invalid, in_quotes(text) + " is no way to be ready; write port or signal");
}

std::string_view name(Settings::Contract contract) {
  switch (contract) {
    case Settings::Contract::http:
      return "http";
    case Settings::Contract::grpc:
      return "grpc";
    case Settings::Contract::command:
      break;
  }
  return "command";
}

// "0.5", "2": with at most two digits behind the point.
Result<std::uint32_t> read_cpu(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view behind = text.substr(std::min(point + 1, text.size()));
  std::string digits(text.substr(0, point));
  digits += behind.substr(0, 2);
  digits.append(2 - std::min<std::size_t>(behind.size(), 2), '0');
  std::uint32_t percent = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  const bool is_number = error == std::errc{} && end == digits.data() + digits.size() && behind.size() <= 2;
  if (is_number && percent >= 1 && percent <= cpu_percent_max) return percent;
  return fail(Code::invalid, in_quotes(text) + " is not a number of cores; write one from 0.01 to 256");
}

// "8", or "1..8".
Result<void> read_instances(std::string_view text, Settings& settings) {
  const std::size_t dots = text.find("..");
  const bool is_range = dots != std::string_view::npos;
  const auto max = count(is_range ? text.substr(dots + 2) : text, 1, instances_limit);
  const auto min = is_range ? count(text.substr(0, dots), 0, instances_limit) : Result<std::uint32_t>(0);
  if (!min || !max || *min > *max) {
    return fail(Code::invalid, in_quotes(text) + " is neither a number of containers up to " +
                                   std::to_string(instances_limit) + " nor a range such as 1..8");
  }
  settings.instances_min = *min;
  settings.instances_max = *max;
  return {};
}

class SettingsReader {
 public:
  explicit SettingsReader(std::string_view file) : file_(file) {}

  Result<Settings> read(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::map) {
      return yaml_error(file_, node.place,
                        "container: a map such as 'concurrency: 1' was expected, and this is " +
                            std::string(describe(node)));
    }
    for (const YamlEntry& entry : node.entries) {
      const Result<void> done = read_entry(entry);
      if (!done) {
        return yaml_error(file_, entry.value.place, "container: " + entry.key + ": " + done.error().message);
      }
    }
    const bool is_grpc = settings_.contract == Settings::Contract::grpc;
    if (is_grpc && !has_port_) settings_.port = grpc_function_port;
    if (settings_.ready == Settings::Ready::signal && !is_grpc) {
      return yaml_error(file_, node.place,
                        "container: ready: signal is for functions of HyperFaaS; write contract: grpc, too");
    }
    return std::move(settings_);
  }

 private:
  template <class Field, class Value>
  static Result<void> set(Field& field, Result<Value> value) {
    if (!value) return tl::unexpected(std::move(value).error());
    field = static_cast<Field>(*value);
    return {};
  }

  Result<void> read_command(const YamlNode& node) {
    std::size_t bytes = 0;
    if (node.kind != YamlNode::Kind::list || node.items.empty() || node.items.size() > command_words_max) {
      return fail(Code::invalid, "a list of words such as [/app, --fast] was expected");
    }
    for (const YamlNode& item : node.items) {
      bytes += item.text.size();
      if (item.kind != YamlNode::Kind::scalar || item.text.find('\0') != std::string::npos ||
          bytes > command_bytes_max) {
        return fail(Code::invalid, "a list of words such as [/app, --fast] was expected");
      }
      settings_.command.push_back(item.text);
    }
    return {};
  }

  Result<void> read_entry(const YamlEntry& entry) {
    const std::string& key = entry.key;
    if (std::ranges::find(keys, key) == keys.end()) {
      return fail(Code::invalid, "no key of this name is known here" + did_you_mean(key, keys));
    }
    if (key == "command") return read_command(entry.value);
    if (entry.value.kind != YamlNode::Kind::scalar) {
      return fail(Code::invalid, "one value was expected, and this is " + std::string(describe(entry.value)));
    }
    return read_scalar(key, entry.value.text);
  }

  Result<void> read_scalar(std::string_view key, std::string_view text) {
    constexpr DurationRange wait{.min = std::chrono::milliseconds(1), .max = std::chrono::hours(24)};
    constexpr DurationRange period{.min = std::chrono::milliseconds(1), .max = std::chrono::seconds(1)};
    constexpr DurationRange start{.min = std::chrono::milliseconds(1), .max = std::chrono::minutes(10)};
    if (key == "contract") return set(settings_.contract, read_contract(text));
    if (key == "port") has_port_ = true;
    if (key == "port") return set(settings_.port, count(text, 1, 65'535));
    if (key == "concurrency") return set(settings_.concurrency, count(text, 1, 10'000));
    if (key == "instances") return read_instances(text, settings_);
    if (key == "queue") return set(settings_.queue, count(text, 0, 100'000));
    if (key == "cpu") return set(settings_.cpu_percent, read_cpu(text));
    if (key == "cpu_period") return set(settings_.cpu_period, read_duration(text, period));
    if (key == "processes") return set(settings_.processes, count(text, 1, 100'000));
    if (key == "idle") return set(settings_.idle, read_duration(text, wait));
    if (key == "ready") return set(settings_.ready, read_ready(text));
    return set(settings_.start, read_duration(text, start));
  }

  const std::string_view file_;
  Settings settings_;
  bool has_port_ = false;
};

std::string cpu_text(std::uint32_t percent) {
  const std::string digits = std::to_string(percent % 100);
  return std::to_string(percent / 100) + '.' + (digits.size() < 2 ? "0" : "") + digits;
}

}  // namespace

Result<ContainerSettings> read_container(const YamlNode& node, std::string_view file) {
  if (node.kind != YamlNode::Kind::scalar) return SettingsReader(file).read(node);
  // As a query or a variable has it.
  const auto inner = parse_yaml(node.text, file);
  if (!inner) return fail(Code::invalid, "container: " + inner.error().message);
  return SettingsReader(file).read(*inner);
}

std::uint16_t signal_port(const ContainerSettings& settings) {
  constexpr std::uint16_t usual = 50051;  // A worker's in HyperFaaS.
  return settings.port == usual ? usual - 1 : usual;
}

std::uint32_t processes_max(const ContainerSettings& settings) {
  return settings.processes > 0 ? settings.processes : processes_beside_calls + settings.concurrency;
}

CpuShare cpu_share(const ContainerSettings& settings) {
  constexpr Duration quota_min = std::chrono::milliseconds(1);
  const Duration quota = settings.cpu_period * settings.cpu_percent / 100;
  if (quota >= quota_min) return {.period = settings.cpu_period, .quota = quota};
  return {.period = quota_min * 100 / settings.cpu_percent, .quota = quota_min};
}

Result<ContainerSettings> container_settings(const std::map<std::string, std::string>& env) {
  const auto found = env.find(std::string(container_variable));
  if (found == env.end() || found->second.empty()) return ContainerSettings();
  CANOPY_TRY(const YamlNode node, parse_yaml(found->second, container_variable));
  return SettingsReader(container_variable).read(node);
}

std::string to_json(const ContainerSettings& settings) {
  JsonWriter json;
  json.begin_object();
  json.member("contract", name(settings.contract));
  if (!settings.command.empty()) {
    json.key("command");
    json.begin_array();
    for (const std::string& word : settings.command) json.value(word);
    json.end_array();
  }
  json.member("port", settings.port);
  json.member("concurrency", settings.concurrency);
  json.member("instances",
              std::to_string(settings.instances_min) + ".." + std::to_string(settings.instances_max));
  json.member("queue", settings.queue);
  json.member("cpu", cpu_text(settings.cpu_percent));
  json.member("cpu_period", duration_text(settings.cpu_period));
  if (settings.processes > 0) json.member("processes", settings.processes);
  json.member("idle", duration_text(settings.idle));
  json.member("start", duration_text(settings.start));
  if (settings.ready == Settings::Ready::signal) json.member("ready", "signal");
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::wire
