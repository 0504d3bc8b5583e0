#include "options/options.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <ostream>

#include "base/log.h"
#include "options/protocols.h"
#include "options/store_address.h"
#include "wire/values.h"
#include "wire/yaml.h"

namespace canopy {
namespace {

constexpr std::uint32_t workers_max = 256;

tl::unexpected<Error> refuse(std::string message) { return fail(Code::invalid, std::move(message)); }

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  // 127.0.0.0/8; a name such as 127.example.org is not in it.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Result<ParsedOptions> parse_options(const OptionInput& input) {
  ParsedOptions parsed;
  CANOPY_TRY(parsed.reading, read_options(option_rows(parsed.options), input));
  if (!parsed.reading.positional.empty()) {
    return refuse(wire::in_quotes(parsed.reading.positional.front()) +
                  " is not a flag: write --name=value (--help lists them)");
  }
  CANOPY_TRY_VOID(take_protocol_variables(input, parsed));
  CANOPY_TRY_VOID(check_options(parsed.options));
  return parsed;
}

Result<WorkerRange> parse_workers(std::string_view text) {
  const auto read = [](std::string_view digits) -> std::optional<std::uint32_t> {
    std::uint32_t number = 0;
    const char* const end = digits.data() + digits.size();
    const auto result = std::from_chars(digits.data(), end, number);
    if (result.ec != std::errc{} || result.ptr != end || number > workers_max) return std::nullopt;
    return number;
  };
  const std::size_t dots = text.find("..");
  const auto min = read(text.substr(0, dots));
  const auto max = dots == std::string_view::npos ? min : read(text.substr(dots + 2));
  const bool is_range = dots != std::string_view::npos;
  if (!min || !max || *min > *max || (is_range && *min == 0)) {
    return refuse("--workers=" + std::string(text.substr(0, 100)) + " is neither a number up to " +
                  std::to_string(workers_max) + " nor a range such as 1..8");
  }
  return WorkerRange{.min = *min, .max = *max};
}

namespace {

Result<void> check_pair(const std::string& certificate, const std::string& key,
                        const std::string& certificate_flag, const std::string& key_flag) {
  if (certificate.empty() == key.empty()) return {};
  return refuse(certificate_flag + " and " + key_flag +
                " belong together: " + (certificate.empty() ? certificate_flag : key_flag) + " is missing");
}

Result<void> check_nodes(const Options& options) {
  CANOPY_TRY_VOID(check_pair(options.node_cert, options.node_key, "--node-cert", "--node-key"));
  if (!options.node_listen.empty()) CANOPY_TRY_VOID(parse_listen(options.node_listen, "node-listen"));
  if (options.node_listen.empty() && options.dispatch != "local") {
    return refuse("--dispatch=" + options.dispatch +
                  " needs workers that join: say where they do, --node-listen=HOST:PORT");
  }
  if (options.node_listen.empty() && !options.node_cert.empty()) {
    return refuse("--node-cert is for workers that join: say where they do, --node-listen=HOST:PORT");
  }
  const bool is_tls = !options.node_cert.empty() || !options.tls_cert.empty();
  if (!options.node_ca.empty() && (options.node_listen.empty() || !is_tls)) {
    return refuse(
        "--node-ca is for workers that join in TLS: it needs --node-listen, and --node-cert and --node-key "
        "or, the same for clients and workers, --tls-cert and --tls-key");
  }
  return {};
}

Result<void> check_store(const Options& options) {
  bool is_tls = false;
  if (!options.store.empty()) {
    CANOPY_TRY(const StoreAddress address, parse_store(options.store));
    is_tls = address.tls;
  }
  CANOPY_TRY_VOID(check_pair(options.store_cert, options.store_key, "--store-cert", "--store-key"));
  if (!is_tls && !(options.store_ca.empty() && options.store_cert.empty())) {
    return refuse("--store-ca and --store-cert are for a store in TLS: write --store=rediss://host");
  }
  return {};
}

}  // namespace

Result<void> check_options(const Options& options) {
  CANOPY_TRY_VOID(parse_listen(options.listen));
  CANOPY_TRY_VOID(check_protocols(options));
  CANOPY_TRY_VOID(check_store(options));
  CANOPY_TRY_VOID(parse_workers(options.workers));
  CANOPY_TRY_VOID(check_pair(options.tls_cert, options.tls_key, "--tls-cert", "--tls-key"));
  CANOPY_TRY_VOID(check_nodes(options));
  if (options.memory_bytes > options.memory_bytes_max) {
    return refuse("--memory-max=" + size_text(options.memory_bytes) +
                  " is more than --memory-limit=" + size_text(options.memory_bytes_max) + " allows");
  }
  if (options.call_timeout > options.call_timeout_max) {
    return refuse("--call-timeout=" + duration_text(options.call_timeout) +
                  " is more than --call-timeout-max=" + duration_text(options.call_timeout_max) + " allows");
  }
  if (options.data.empty()) return refuse("--data needs a folder: write --data=FOLDER");
  return {};
}

std::vector<std::string> describe_changes(const ParsedOptions& parsed) {
  Options defaults;
  Options options = parsed.options;
  const std::vector<OptionRow> before = option_rows(defaults);
  const std::vector<OptionRow> after = option_rows(options);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const std::string value = show_setting(after[i]);
    if (value == show_setting(before[i])) continue;
    const std::string& origin = parsed.reading.origins.at(i);
    lines.push_back(std::string(after[i].name) + " = " + value +
                    (origin.empty() ? "" : " (from " + origin + ")"));
  }
  return lines;
}

Result<ListenAddress> parse_listen(std::string_view text, std::string_view flag) {
  const auto wrong = [&](std::string_view why) {
    return refuse("--" + std::string(flag) + "=" + std::string(text.substr(0, 300)) + ": " +
                  std::string(why) + "; write HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("the port is missing");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return wrong("what is in brackets is not an IPv6 address");
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("an IPv6 address stands in brackets");
  }
  ListenAddress address{.host = host.empty() ? "0.0.0.0" : std::string(host), .loopback = is_loopback(host)};
  const char* const end = port.data() + port.size();
  const auto number = std::from_chars(port.data(), end, address.port);
  if (port.empty() || number.ec != std::errc{} || number.ptr != end)
    return wrong("the port is not 0 to 65535");
  return address;
}

Result<void> check_exposure(const Options& options) {
  CANOPY_TRY(const bool loopback, is_loopback_only(options));
  if (loopback || options.auth != "off" || options.insecure) return {};
  return refuse(
      "--listen=" + options.listen +
      (options.hyperfaas == "off" ? "" : " or where --hyperfaas-listen and --hyperfaas-database say") +
      " can be reached from other machines and with --auth=off anybody could deploy: leave it out, listen on "
      "127.0.0.1, or say --insecure");
}

void print_help(std::ostream& out) {
  Options defaults;
  print_help(option_rows(defaults), out);
}

void print_markdown(std::ostream& out) {
  out << "# Settings of `canopy up`\n\n"
         "Made from the table in `src/options/rows.cc` by `canopy up --help=markdown`.\n\n"
         "A flag wins over a variable, a variable over the file that `--config` names, the file over the "
         "default. In\n"
         "the file a setting has the name of its flag: `call-timeout: 5s`. What nobody knows is an error "
         "that\n"
         "suggests the nearest name. At its start the server prints each value that differs from its "
         "default, with\n"
         "where it came from. Sizes are written as `64MiB`, durations as `250ms`, `5s` or `2m`.\n";
  Options defaults;
  print_markdown(option_rows(defaults), out);
}

Result<std::string> read_options_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return refuse("--config=" + path + ": the file cannot be read; does it exist?");
  // One byte more than is allowed, so that the parser refuses what is too long.
  const std::size_t most = wire::YamlLimits().bytes_max + 1;
  std::string text(most, '\0');
  file.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return refuse("--config=" + path + ": the file cannot be read");
  return text;
}

std::vector<std::string_view> environment_of(const char* const* environ_block) {
  std::vector<std::string_view> all;
  for (; environ_block != nullptr && *environ_block != nullptr; ++environ_block)
    all.emplace_back(*environ_block);
  return all;
}

}  // namespace canopy
