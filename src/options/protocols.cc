#include "options/protocols.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "options/store_address.h"

namespace canopy {
namespace {

constexpr std::array<std::string_view, 3> protocol_choices = {"auto", "on", "off"};
constexpr std::array<std::string_view, 3> hyperfaas_choices = {"off", "auto", "on"};
constexpr std::array<std::string_view, 2> status_words = {"completed", "complete"};
constexpr std::array<std::string_view, 2> failure_kinds = {"strings", "exceptions"};
constexpr std::array<std::string_view, 2> mirror_choices = {"on", "off"};

std::size_t row_of(std::string_view name, Options& options) {
  const auto rows = option_rows(options);
  return static_cast<std::size_t>(std::ranges::find(rows, name, &OptionRow::name) - rows.begin());
}

void warn_of_openness(std::string_view setting, ParsedOptions& parsed) {
  std::string where;
  const auto add = [&where](std::string_view name, const std::string& address) {
    const auto at = parse_listen(address);
    if (!at || at->loopback) return;
    where += (where.empty() ? "--" : " or --") + std::string(name) + "=" + address;
  };
  add("listen", parsed.options.listen);
  if (setting == "hyperfaas") {  // It has addresses of its own, at which nothing else is served.
    for (const std::string& address : split_addresses(parsed.options.hyperfaas_listen)) {
      add("hyperfaas-listen", address);
    }
    if (!is_database_url(parsed.options)) add("hyperfaas-database", parsed.options.hyperfaas_database);
  }
  if (where.empty()) return;
  parsed.reading.warnings.push_back("whoever can reach " + where +
                                    " may register and run functions without a key: --" +
                                    std::string(setting) + "=on says so");
}

// What a start script of MUCPD sets. PORT is too common a name to mean anything where MUCPD was not asked
// for.
Result<void> take_mucpd_variables(const OptionInput& input, ParsedOptions& parsed) {
  const std::size_t listen = row_of("listen", parsed.options);
  for (const std::string_view entry : input.environment) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals + 1 == entry.size()) continue;
    const std::string_view name = entry.substr(0, equals);
    if (name == "DB_URL") {
      parsed.reading.warnings.emplace_back(
          "DB_URL is not used: users, functions and jobs are kept in the folder that --data names");
    } else if (name == "JQ_URL") {
      parsed.reading.warnings.emplace_back(
          "JQ_URL is not used: jobs are queued by this server itself, as durable calls");
    } else if (name == "PORT" && parsed.reading.sources[listen] == OptionSource::unset) {
      std::string address = "127.0.0.1:" + std::string(entry.substr(equals + 1));
      if (!parse_listen(address)) {
        return fail(Code::invalid,
                    "PORT=" + log_safe(entry.substr(equals + 1), 80) + ": the port is not 0 to 65535");
      }
      parsed.options.listen = std::move(address);
      parsed.reading.sources[listen] = OptionSource::variable;
      parsed.reading.origins[listen] = "PORT";
    }
  }
  warn_of_openness("mucpd", parsed);
  return {};
}

// Where workers of the course found what functions import. It may be anybody's where that was not asked for.
void take_builders_variables(const OptionInput& input, ParsedOptions& parsed) {
  const std::size_t path = row_of("python-path", parsed.options);
  for (const std::string_view entry : input.environment) {
    constexpr std::string_view name = "PYTHONPATH=";
    if (!entry.starts_with(name) || parsed.reading.sources[path] != OptionSource::unset) continue;
    parsed.options.python_path = entry.substr(name.size());
    parsed.reading.sources[path] = OptionSource::variable;
    parsed.reading.origins[path] = "PYTHONPATH";
  }
  warn_of_openness("builders", parsed);
}

}  // namespace

void add_protocol_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view protocols = "Other platforms' APIs";
  rows.push_back(
      {"mucpd", "WHEN", ChoiceSetting{&o.mucpd, protocol_choices},
       "Serves the API of MUCPD below /u and /j. auto: to whoever may use our own, with a key where "
       "that needs one. on: to everybody, without keys; `PORT` then gives the port. off: to nobody.",
       protocols});
  rows.push_back(
      {"builders", "WHEN", ChoiceSetting{&o.builders, protocol_choices},
       "Serves the API of FaaS Builders: /register_function, /execute_function, /status, /result. auto, on "
       "and off as for mucpd; with on, `PYTHONPATH` gives what --python-path does not.",
       protocols});
  rows.push_back(
      {"builders-status-word", "WORD", ChoiceSetting{&o.builders_status_word, status_words},
       "What its tasks that succeeded are called: completed, as most servers of the course say and "
       "its public tests; complete, as FaaS Builders itself.",
       protocols});
  rows.push_back(
      {"builders-failures", "KIND", ChoiceSetting{&o.builders_failures, failure_kinds},
       "What the result of its failed tasks is, serialised: strings, in the words of FaaS Builders; "
       "or exceptions, the objects that were raised.",
       protocols});
  rows.push_back({"builders-time-limit", "DURATION",
                  DurationSetting{.duration = &o.builders_time_limit,
                                  .min = std::chrono::milliseconds(1),
                                  .max = std::chrono::hours(1)},
                  "How long one of its tasks may run.", protocols});
  rows.push_back(
      {"builders-keep-warm", "N", CountSetting{.count = &o.builders_keep_warm, .max = 1000},
       "How many processes of each of its functions serve task after task, as its workers did; more "
       "tasks at once have processes of their own. 0: each task has one of its own.",
       protocols});
  rows.push_back(
      {"builders-functions", "N", CountSetting{.count = &o.builders_functions, .min = 1, .max = 1'000'000},
       "Its functions at once where nobody owns their namespace; one more is refused with 429, and so "
       "is one beyond 1GiB of code. Where a user owns it, that user's quotas hold instead.",
       protocols});
  rows.push_back({"builders-mirror", "WHEN", ChoiceSetting{&o.builders_mirror, mirror_choices},
                  "With --store, on: copies its functions and tasks to the hashes and the channel of that "
                  "Redis where FaaS Builders had them, for programs that look there.",
                  protocols});
  rows.push_back(
      {"hyperfaas", "WHEN", ChoiceSetting{&o.hyperfaas, hyperfaas_choices},
       "Serves the gRPC of HyperFaaS: leaf.Leaf, lb.LB, controller.Controller, grpc.health.v1.Health, and "
       "functions by :authority. off: to nobody. auto and on as for mucpd.",
       protocols});
  rows.push_back({"hyperfaas-listen", "HOST:PORT", &o.hyperfaas_listen,
                  "Where to serve that besides --listen, such as `127.0.0.1:50050`; several with commas.",
                  protocols});
  rows.push_back(
      {"hyperfaas-database", "HOST:PORT", &o.hyperfaas_database,
       "Where to serve the HTTP of its key-value database, such as `127.0.0.1:8999`; or the URL of "
       "one elsewhere, such as `http://127.0.0.1:8999`, that is asked about functions which were "
       "not created here.",
       protocols});
  rows.push_back(
      {"hyperfaas-workers", "HOST:PORT", &o.hyperfaas_workers,
       "Workers of HyperFaaS, several with commas: functions whose images were not deployed here run on "
       "them. They have to ask --hyperfaas-database about functions. Connections to them are not encrypted.",
       protocols});
}

Result<void> take_protocol_variables(const OptionInput& input, ParsedOptions& parsed) {
  if (parsed.options.mucpd == "on") CANOPY_TRY_VOID(take_mucpd_variables(input, parsed));
  if (parsed.options.builders == "on") take_builders_variables(input, parsed);
  if (parsed.options.hyperfaas == "on") warn_of_openness("hyperfaas", parsed);
  return {};
}

std::vector<std::string> split_addresses(std::string_view text) {
  std::vector<std::string> addresses;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    if (end > 0) addresses.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return addresses;
}

namespace {

// An address here, or a URL elsewhere.
Result<void> check_database(const Options& options) {
  const std::string& text = options.hyperfaas_database;
  if (text.empty()) return {};
  const std::size_t scheme = text.find("://");
  if (scheme == text.npos) {
    CANOPY_TRY_VOID(parse_listen(text, "hyperfaas-database"));
    return {};
  }
  const std::string_view rest = std::string_view(text).substr(scheme + 3);
  if (is_database_url(options) && !rest.empty() && !rest.starts_with('/')) return {};
  return fail(Code::invalid, "--hyperfaas-database: '" + log_safe(without_password(text), 200) +
                                 "' is neither where to serve it, such as 127.0.0.1:8999, nor the URL of one "
                                 "elsewhere, http://HOST:PORT or https://HOST:PORT");
}

}  // namespace

Result<void> check_protocols(const Options& options) {
  for (const std::string& address : split_addresses(options.hyperfaas_listen)) {
    CANOPY_TRY_VOID(parse_listen(address, "hyperfaas-listen"));
  }
  CANOPY_TRY_VOID(check_database(options));
  for (const std::string& address : split_addresses(options.hyperfaas_workers)) {
    CANOPY_TRY(const ListenAddress worker, parse_listen(address, "hyperfaas-workers"));
    if (worker.port == 0 || address.starts_with(':')) {
      return fail(Code::invalid,
                  "--hyperfaas-workers: '" + address + "' is no address of a worker; write HOST:PORT");
    }
  }
  if (!options.hyperfaas_workers.empty() && options.hyperfaas_database.empty()) {
    return fail(Code::invalid,
                "--hyperfaas-workers needs --hyperfaas-database, where these workers ask about functions: "
                "say where to serve it, such as --hyperfaas-database=127.0.0.1:8999");
  }
  const bool listens = !options.hyperfaas_listen.empty() || !options.hyperfaas_database.empty();
  if (listens && options.hyperfaas == "off") {
    return fail(Code::invalid,
                "--hyperfaas-listen and --hyperfaas-database say where HyperFaaS's clients come, and it is "
                "not served to anybody: say --hyperfaas=auto, or --hyperfaas=on for clients without a key");
  }
  return {};
}

bool is_database_url(const Options& options) {
  return options.hyperfaas_database.starts_with("http://") ||
         options.hyperfaas_database.starts_with("https://");
}

Result<bool> is_loopback_only(const Options& options) {
  std::vector<std::string> addresses = split_addresses(options.hyperfaas_listen);
  addresses.push_back(options.listen);
  if (!options.hyperfaas_database.empty() && !is_database_url(options)) {
    addresses.push_back(options.hyperfaas_database);
  }
  for (const std::string& address : addresses) {
    CANOPY_TRY(const ListenAddress parsed, parse_listen(address));
    if (!parsed.loopback) return false;
  }
  return true;
}

}  // namespace canopy
