#include "wire/manifest.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include "base/nearest.h"
#include "base/utf8.h"
#include "wire/json_writer.h"
#include "wire/values.h"
#include "wire/yaml.h"

namespace canopy::wire {
namespace {

constexpr std::size_t path_size_max = 4096;
constexpr std::size_t runtime_size_max = 32;
constexpr std::size_t env_name_size_max = 255;

constexpr std::array<std::string_view, 17> keys = {
    "name", "runtime", "memory",    "timeout",   "concurrency", "output", "log",  "tmp",      "open_files",
    "env",  "fetch",   "keep_warm", "container", "dispatch",    "code",   "path", "functions"};
constexpr std::span<const std::string_view> upload_keys(keys.data(), 14);
constexpr std::span<const std::string_view> listed_keys(keys.data(), 16);

constexpr SizeRange memory_range{.min = 64 * KiB, .max = 4 * GiB};
constexpr DurationRange timeout_range{.min = std::chrono::milliseconds(1), .max = std::chrono::hours(1)};

bool is_env_name(std::string_view name) {
  const auto letter = [](char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '_'; };
  const auto digit = [](char c) { return '0' <= c && c <= '9'; };
  return !name.empty() && name.size() <= env_name_size_max && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || digit(c); });
}

// "example.com", "*.example.com", "[2001:db8::1]", each with ":port" or without; or "*".
bool is_host_pattern(std::string_view text) {
  constexpr std::size_t size_max = 261;
  if (text == "*") return true;
  if (text.empty() || text.size() > size_max) return false;
  if (text.starts_with("*.")) text.remove_prefix(2);
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  const std::size_t colon = text.find(':', bracket);
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const auto is_digit = [](char c) { return '0' <= c && c <= '9'; };
  const auto in_name = [&](char c) {
    return is_digit(c) || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || (bracket > 0 && (c == '[' || c == ']' || c == ':'));
  };
  if (colon != std::string_view::npos && (port.empty() || port.size() > 5)) return false;
  return !host.empty() && host.front() != '.' && std::ranges::all_of(host, in_name) &&
         std::ranges::all_of(port, is_digit);
}

Result<void> check_env_entry(std::string_view name, std::string_view value) {
  if (!is_env_name(name)) {
    return fail(
        Code::invalid,
        in_quotes(name) + " is not the name of a variable: use letters, digits and '_', a digit not first");
  }
  if (value.find('\0') != std::string_view::npos) {
    return fail(Code::invalid, "the value of " + in_quotes(name) + " has a NUL in it");
  }
  return {};
}

// Reads one function's map. Each reader puts the place and the key before the message.
class ManifestReader {
 public:
  explicit ManifestReader(std::string_view file) : file_(file) {}

  Result<Manifest> read(const YamlNode& node, std::span<const std::string_view> known) {
    if (node.kind != YamlNode::Kind::map) {
      return yaml_error(file_, node.place,
                        "a manifest is a map such as 'name: hello'; this is " + std::string(describe(node)));
    }
    for (const YamlEntry& entry : node.entries) {
      if (std::ranges::find(known, entry.key) == known.end()) return unknown(entry, known);
      CANOPY_TRY_VOID(read_entry(entry));
    }
    return std::move(manifest_);
  }

 private:
  tl::unexpected<Error> unknown(const YamlEntry& entry, std::span<const std::string_view> known) const {
    const bool elsewhere = std::ranges::find(keys, entry.key) != keys.end();
    const std::string advice =
        elsewhere ? ", which belongs into canopy.yaml" : did_you_mean(entry.key, known);
    return yaml_error(file_, entry.place, "no key " + in_quotes(entry.key) + " is known here" + advice);
  }

  Result<void> read_entry(const YamlEntry& entry) {
    if (entry.key == "env") return read_env(entry.value);
    if (entry.key == "fetch") return read_fetch(entry.value);
    if (entry.key == "container") {
      CANOPY_TRY(manifest_.container, read_container(entry.value, file_));
      return {};
    }
    CANOPY_TRY(const std::string_view text, scalar(entry.key, entry.value));
    if (entry.key == "name") return set(entry, manifest_.name, parse_function_name(text));
    if (entry.key == "runtime") return set(entry, manifest_.runtime, read_runtime(text));
    if (entry.key == "memory") return set(entry, manifest_.memory_bytes, read_size(text, memory_range));
    if (entry.key == "timeout") return set(entry, manifest_.timeout, read_duration(text, timeout_range));
    if (entry.key == "concurrency") {
      return set(entry, manifest_.concurrency, read_count(text, {.min = 1, .max = 100'000}));
    }
    if (entry.key == "output") return set(entry, manifest_.output_bytes, read_size(text, {.max = GiB}));
    if (entry.key == "log") return set(entry, manifest_.log_bytes, read_size(text, {.max = 64 * MiB}));
    if (entry.key == "tmp") return set(entry, manifest_.tmp_bytes, read_size(text, {.max = 4 * GiB}));
    if (entry.key == "open_files") return set(entry, manifest_.open_files, read_count(text, {.max = 4096}));
    if (entry.key == "keep_warm") {
      return set(entry, manifest_.keep_warm, read_count(text, {.max = keep_warm_max}));
    }
    if (entry.key == "dispatch") return set(entry, manifest_.dispatch, parse_dispatch(text));
    if (entry.key == "code") return set(entry, manifest_.code, read_path(text));
    return set(entry, manifest_.path, read_path(text));
  }

  template <class Field, class Value>
  Result<void> set(const YamlEntry& entry, std::optional<Field>& field, Result<Value> value) const {
    if (!value) return yaml_error(file_, entry.value.place, entry.key + ": " + value.error().message);
    if constexpr (std::is_integral_v<Field>) {
      field = static_cast<Field>(*value);  // Its range was checked.
    } else {
      field = *std::move(value);
    }
    return {};
  }

  Result<std::string_view> scalar(std::string_view key, const YamlNode& node) const {
    if (node.kind == YamlNode::Kind::scalar) return std::string_view(node.text);
    return yaml_error(
        file_, node.place,
        std::string(key) + ": one value was expected, and this is " + std::string(describe(node)));
  }

  static Result<std::string> read_runtime(std::string_view text) {
    const auto good = [](char c) { return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') || c == '-'; };
    if (!text.empty() && text.size() <= runtime_size_max && std::ranges::all_of(text, good)) {
      return std::string(text);
    }
    return fail(Code::invalid, in_quotes(text) + " is not a runtime; write one such as wasm");
  }

  static Result<std::string> read_path(std::string_view text) {
    if (!text.empty() && text.size() <= path_size_max && text.find('\0') == std::string_view::npos) {
      return std::string(text);
    }
    return fail(Code::invalid, in_quotes(text) + " is not a path");
  }

  // A list of hosts; or, as a query has it, their names with commas between them.
  Result<void> read_fetch(const YamlNode& node) {
    auto& hosts = manifest_.fetch.emplace();
    if (node.kind == YamlNode::Kind::scalar) {
      for (std::string_view rest = node.text; !rest.empty();) {
        const std::size_t comma = std::min(rest.find(','), rest.size());
        CANOPY_TRY_VOID(add_host(rest.substr(0, comma), node, hosts));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
      }
      return {};
    }
    if (node.kind != YamlNode::Kind::list) {
      return yaml_error(file_, node.place,
                        "fetch: a list of hosts such as [api.example.com] was expected, and this is " +
                            std::string(describe(node)));
    }
    for (const YamlNode& item : node.items) CANOPY_TRY_VOID(add_host(item.text, item, hosts));
    return {};
  }

  Result<void> add_host(std::string_view host, const YamlNode& at, std::vector<std::string>& hosts) const {
    if (at.kind == YamlNode::Kind::map || at.kind == YamlNode::Kind::list || !is_host_pattern(host)) {
      return yaml_error(file_, at.place,
                        "fetch: " + in_quotes(host) +
                            " is not a host; write one such as api.example.com, api.example.com:8443, "
                            "*.example.com, or * for all that are public");
    }
    if (hosts.size() == fetch_hosts_max) {
      return yaml_error(file_, at.place, "fetch: more than " + std::to_string(fetch_hosts_max) + " hosts");
    }
    hosts.emplace_back(host);
    return {};
  }

  Result<void> read_env(const YamlNode& node) {
    if (node.kind != YamlNode::Kind::map) {
      return yaml_error(
          file_, node.place,
          "env: a map such as 'GREETING: hello' was expected, and this is " + std::string(describe(node)));
    }
    auto& env = manifest_.env.emplace();
    for (const YamlEntry& entry : node.entries) {
      if (entry.value.kind != YamlNode::Kind::scalar) {
        return yaml_error(file_, entry.value.place,
                          "env: " + in_quotes(entry.key) + " must be a text, and this is " +
                              std::string(describe(entry.value)) + "; write \"\" for an empty one");
      }
      const auto good = check_env_entry(entry.key, entry.value.text);
      if (!good) return yaml_error(file_, entry.place, "env: " + good.error().message);
      env.emplace(entry.key, entry.value.text);
    }
    const auto good = check_env(env);
    if (!good) return yaml_error(file_, node.place, good.error().message);
    return {};
  }

  std::string_view file_;
  Manifest manifest_;
};

Result<std::vector<Manifest>> read_list(const YamlNode& root, const YamlNode& list, std::string_view file) {
  if (root.entries.size() > 1) {
    const bool first = root.entries.front().key == "functions";
    const YamlEntry& other = root.entries.at(first ? 1 : 0);
    return yaml_error(
        file, other.place,
        "beside 'functions' nothing else is read: move " + in_quotes(other.key) + " into its functions");
  }
  if (list.kind != YamlNode::Kind::list || list.items.empty()) {
    return yaml_error(file, list.place,
                      "functions: a list of functions was expected, each with '- name: ...'");
  }
  if (list.items.size() > manifest_functions_max) {
    return yaml_error(file, list.place,
                      "functions: more than " + std::to_string(manifest_functions_max) + " functions",
                      Code::too_large);
  }
  std::vector<Manifest> manifests;
  std::set<FunctionName> names;
  for (const YamlNode& item : list.items) {
    CANOPY_TRY(Manifest manifest, ManifestReader(file).read(item, listed_keys));
    if (!manifest.name) return yaml_error(file, item.place, "this function has no name: add 'name: ...'");
    if (!names.insert(*manifest.name).second) {
      return yaml_error(file, item.find("name")->place,
                        "name: a function " + in_quotes(to_text(*manifest.name)) + " is in the list already");
    }
    if (!manifest.code && !manifest.path) {
      return yaml_error(file, item.place,
                        "the function " + in_quotes(to_text(*manifest.name)) +
                            " says neither 'code' (a file that is ready) nor 'path' (what to build)");
    }
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

Result<void> check_one_source(const YamlNode& node, std::string_view file) {
  if (node.find("code") == nullptr || node.find("path") == nullptr) return {};
  return yaml_error(file, node.find("path")->place, "'code' and 'path' exclude each other: leave one out");
}

}  // namespace

Result<Manifest> parse_manifest(std::string_view text, std::string_view file) {
  CANOPY_TRY(const YamlNode root, parse_yaml(text, file));
  if (root.kind == YamlNode::Kind::null) return Manifest{};
  return ManifestReader(file).read(root, upload_keys);
}

Result<std::vector<Manifest>> parse_project(std::string_view text, std::string_view file) {
  CANOPY_TRY(const YamlNode root, parse_yaml(text, file));
  const YamlNode* const list = root.find("functions");
  if (list == nullptr) {
    CANOPY_TRY_VOID(check_one_source(root, file));
    CANOPY_TRY(Manifest manifest, ManifestReader(file).read(root, keys));
    return std::vector<Manifest>{std::move(manifest)};
  }
  for (const YamlNode& item : list->items) CANOPY_TRY_VOID(check_one_source(item, file));
  return read_list(root, *list, file);
}

Result<std::pair<std::string, std::string>> parse_env(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return fail(Code::invalid, in_quotes(text) + " is not a variable; write NAME=value");
  }
  const std::string_view name = text.substr(0, equals);
  const std::string_view value = text.substr(equals + 1);
  CANOPY_TRY_VOID(check_env_entry(name, value));
  return std::pair(std::string(name), std::string(value));
}

Result<void> check_env(const std::map<std::string, std::string>& env) {
  if (env.size() > env_count_max) {
    return fail(Code::invalid, "env: " + std::to_string(env.size()) + " variables; a function may have " +
                                   std::to_string(env_count_max));
  }
  std::size_t bytes = 0;
  for (const auto& [name, value] : env) {
    CANOPY_TRY_VOID(check_env_entry(name, value));
    bytes += name.size() + value.size();
  }
  if (bytes > env_bytes_max) {
    return fail(Code::invalid, "env: " + std::to_string(bytes) +
                                   " bytes of names and values; a function may have " +
                                   size_text(env_bytes_max));
  }
  return {};
}

void apply(const Manifest& manifest, Function& function) {
  const auto set = [](const auto& from, auto& to) {
    if (from) to = *from;
  };
  set(manifest.name, function.name);
  set(manifest.runtime, function.runtime);
  set(manifest.memory_bytes, function.limits.memory_bytes);
  set(manifest.timeout, function.limits.timeout);
  set(manifest.concurrency, function.limits.concurrency);
  set(manifest.output_bytes, function.limits.output_bytes);
  set(manifest.log_bytes, function.limits.log_bytes);
  set(manifest.tmp_bytes, function.limits.tmp_bytes);
  set(manifest.open_files, function.limits.open_files);
  set(manifest.env, function.env);
  if (manifest.keep_warm) {
    const std::string name(keep_warm_variable);
    function.env.erase(name);
    if (*manifest.keep_warm > 0) function.env.emplace(name, std::to_string(*manifest.keep_warm));
  }
  if (manifest.container) function.env[std::string(container_variable)] = to_json(*manifest.container);
  if (manifest.dispatch) function.env[std::string(dispatch_variable)] = to_text(*manifest.dispatch);
  if (!manifest.fetch) return;
  std::string& hosts = function.env[std::string(fetch_variable)];
  hosts.clear();
  for (const std::string& host : *manifest.fetch) hosts += (hosts.empty() ? "" : ",") + host;
}

std::optional<Dispatch> own_dispatch(const std::map<std::string, std::string>& env) {
  const auto found = env.find(std::string(dispatch_variable));
  if (found == env.end()) return std::nullopt;
  const auto way = parse_dispatch(found->second);
  return way ? std::optional(*way) : std::nullopt;
}

std::string to_json(const Manifest& manifest) {
  JsonWriter json;
  json.begin_object();
  const auto size = [&](std::string_view key, const std::optional<std::uint64_t>& bytes) {
    if (bytes) json.member(key, size_text(*bytes));
  };
  if (manifest.name) json.member("name", to_text(*manifest.name));
  if (manifest.runtime) json.member("runtime", *manifest.runtime);
  size("memory", manifest.memory_bytes);
  if (manifest.timeout) json.member("timeout", duration_text(*manifest.timeout));
  if (manifest.concurrency) json.member("concurrency", *manifest.concurrency);
  size("output", manifest.output_bytes);
  size("log", manifest.log_bytes);
  size("tmp", manifest.tmp_bytes);
  if (manifest.open_files) json.member("open_files", *manifest.open_files);
  if (manifest.env) {
    json.key("env");
    json.begin_object();
    for (const auto& [name, value] : *manifest.env) json.member(name, value);
    json.end_object();
  }
  if (manifest.fetch) {
    json.key("fetch");
    json.begin_array();
    for (const std::string& host : *manifest.fetch) json.value(host);
    json.end_array();
  }
  if (manifest.keep_warm) json.member("keep_warm", *manifest.keep_warm);
  if (manifest.container) {
    json.key("container");
    json.raw(to_json(*manifest.container));
  }
  if (manifest.dispatch) json.member("dispatch", to_text(*manifest.dispatch));
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::wire
