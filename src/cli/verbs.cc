// The table of all verbs. --help, the completions and docs/cli.md are made from it.

#include <algorithm>
#include <array>
#include <string>

#include "base/nearest.h"
#include "base/units.h"
#include "cli/access.h"
#include "cli/calls.h"
#include "cli/cert.h"
#include "cli/completion.h"
#include "cli/deploy.h"
#include "cli/dev.h"
#include "cli/dispatch.h"
#include "cli/functions.h"
#include "cli/help.h"
#include "cli/new_function.h"
#include "cli/node.h"
#include "cli/single_run.h"
#include "cli/top.h"
#include "cli/up.h"
#include "cli/verb.h"
#include "wire/json_writer.h"
#include "wire/manifest.h"
#include "wire/values.h"

namespace canopy::cli {
namespace {

using Rows = std::vector<OptionRow>;

constexpr std::size_t many = 10'000;
constexpr Duration longest = std::chrono::hours(1);
constexpr std::array<std::string_view, 4> roles = {"", "caller", "developer", "admin"};
constexpr std::array<std::string_view, 6> states = {"",          "QUEUED", "RUNNING",
                                                    "COMPLETED", "FAILED", "CANCELLED"};

// -- flags

void no_flags(Flags& /*flags*/, Rows& /*rows*/) {}

void json_flag(Flags& f, Rows& rows) { rows.push_back({"json", "", &f.json, "Prints JSON.", ""}); }

void client_flags(Flags& f, Rows& rows) {
  json_flag(f, rows);
  rows.push_back({"url", "URL", &f.url, "The server to talk to.", ""});
}

void project_flags(Flags& f, Rows& rows) {
  rows.push_back({"name", "NS/FN", &f.name, "The function's name, or which one of canopy.yaml.", ""});
  rows.push_back({"runtime", "R", &f.runtime, "What runs it: wasm, js, python or container.", ""});
  rows.push_back({"memory", "SIZE", SizeSetting{.bytes = &f.memory_bytes, .min = 64 * KiB, .max = 4 * GiB},
                  "The memory each call may have.", ""});
  rows.push_back(
      {"timeout", "DURATION",
       DurationSetting{.duration = &f.timeout, .min = std::chrono::milliseconds(1), .max = longest},
       "How long each call may take.", ""});
  rows.push_back({"concurrency", "N", CountSetting{.count = &f.concurrency, .min = 1, .max = 100'000},
                  "How many of its calls may run at once.", ""});
  rows.push_back({"keep-warm", "N", CountSetting{.count = &f.keep_warm, .min = 1, .max = wire::keep_warm_max},
                  "In Python: how many of its processes may wait for its next call; each call else has a "
                  "fresh one.",
                  ""});
  rows.push_back({"env", "NAME=VALUE", &f.env, "A variable that its calls see; may be given again.", ""});
  rows.push_back(
      {"file", "HOST:GUEST", &f.files, "A file or folder that its calls can read; may be given again.", ""});
}

void deploy_flags(Flags& f, Rows& rows) {
  project_flags(f, rows);
  client_flags(f, rows);
}

void dev_flags(Flags& f, Rows& rows) {
  project_flags(f, rows);
  rows.push_back({"url", "URL", &f.url, "The server to deploy to.", ""});
}

void apply_flags_rows(Flags& f, Rows& rows) {
  rows.push_back({"manifest", "FILE", &f.manifest, "What to make so.", "", 'f'});
  rows.push_back({"dry-run", "", &f.dry_run, "Only shows what would change.", ""});
  client_flags(f, rows);
}

void build_flags(Flags& f, Rows& rows) {
  rows.push_back({"output", "FILE", &f.output, "Where the module goes; - is standard output.", "", 'o'});
  rows.push_back({"container", "", &f.container,
                  "Makes a container's image: of a program, or of Go or C compiled for this machine.", ""});
  json_flag(f, rows);
}

void run_flags(Flags& f, Rows& rows) {
  rows.push_back({"env", "NAME=VALUE", &f.env, "A variable that it sees; may be given again.", ""});
  rows.push_back({"dir", "HOST::GUEST", &f.folders, "A folder that it sees; may be given again.", ""});
  rows.push_back({"time", "DURATION",
                  DurationSetting{.duration = &f.time, .min = std::chrono::milliseconds(1)},
                  "How long it may take; for ever, if it is not said.", ""});
  rows.push_back({"memory", "SIZE", SizeSetting{.bytes = &f.memory_bytes, .min = 64 * KiB, .max = 4 * GiB},
                  "How much memory it may have; 4GiB, if it is not said.", ""});
}

void list_flags(Flags& f, Rows& rows) {
  rows.push_back({"names", "", &f.names_only, "Prints names alone, one to a line.", ""});
  client_flags(f, rows);
}

void rollback_flags(Flags& f, Rows& rows) {
  rows.push_back({"to", "VERSION", CountSetting{.count = &f.to_version, .min = 1, .max = 0xffff'ffff},
                  "Which version; the one before the current, if it is not said.", ""});
  client_flags(f, rows);
}

void invoke_flags(Flags& f, Rows& rows) {
  rows.push_back(
      {"data", "DATA", &f.data, "The input; @FILE reads it from a file, @- from standard input.", "", 'd'});
  rows.push_back(
      {"header", "'NAME: VALUE'", &f.headers, "A header of the request; may be given again.", "", 'H'});
  rows.push_back({"method", "METHOD", &f.method, "The request's method.", "", 'X'});
  rows.push_back(
      {"path", "PATH", &f.path, "What follows the function's name in the URL, with its query.", ""});
  rows.push_back(
      {"timeout", "DURATION",
       DurationSetting{.duration = &f.timeout, .min = std::chrono::milliseconds(1), .max = longest},
       "How long the call may take, if that is less than the function may.", ""});
  rows.push_back(
      {"async", "", &f.async, "Returns when the call is on the server's disk, and prints its id.", ""});
  client_flags(f, rows);
}

void dead_flags(Flags& f, Rows& rows) {
  rows.push_back({"since", "DURATION", DurationSetting{.duration = &f.since},
                  "Only those that came in since then.", ""});
  rows.push_back(
      {"limit", "N", CountSetting{.count = &f.limit, .min = 1, .max = 1'000'000}, "At most so many.", ""});
  client_flags(f, rows);
}

void calls_flags(Flags& f, Rows& rows) {
  rows.push_back({"state", "STATE", ChoiceSetting{&f.state, states}, "Only those in this state.", ""});
  dead_flags(f, rows);
}

void wait_flags(Flags& f, Rows& rows) {
  rows.push_back(
      {"timeout", "DURATION",
       DurationSetting{.duration = &f.timeout, .min = std::chrono::milliseconds(1), .max = longest},
       "How long to wait; an hour, if it is not said.", ""});
  client_flags(f, rows);
}

void logs_flags(Flags& f, Rows& rows) {
  rows.push_back({"follow", "", &f.follow, "Goes on as more is written.", "", 'f'});
  rows.push_back(
      {"since", "DURATION", DurationSetting{.duration = &f.since}, "Only of calls since then.", ""});
  rows.push_back(
      {"tail", "N", CountSetting{.count = &f.tail, .max = 1'000'000}, "Only the last so many lines.", ""});
  client_flags(f, rows);
}

void limit_flag(Flags& f, Rows& rows) {
  rows.push_back(
      {"limit", "N", CountSetting{.count = &f.limit, .min = 1, .max = 1'000'000}, "At most so many.", ""});
  client_flags(f, rows);
}

void set_user_flags(Flags& f, Rows& rows) {
  rows.push_back({"role", "ROLE", ChoiceSetting{&f.role, roles}, "caller, developer or admin.", ""});
  rows.push_back({"namespace", "NS", &f.namespaces,
                  "A namespace that it has; may be given again, and replaces what it had.", ""});
  rows.push_back(
      {"quota", "NAME=N", &f.quotas, "A bound such as calls_per_minute=600; may be given again.", ""});
  rows.push_back(
      {"password-file", "FILE", &f.password_file, "Where its password stands; - is standard input.", ""});
}

void add_user_flags(Flags& f, Rows& rows) {
  set_user_flags(f, rows);
  client_flags(f, rows);
}

void change_user_flags(Flags& f, Rows& rows) {
  set_user_flags(f, rows);
  rows.push_back({"disable", "", &f.disable, "Its keys open nothing, from now on.", ""});
  rows.push_back({"enable", "", &f.enable, "They do again.", ""});
  client_flags(f, rows);
}

void usage_flags(Flags& f, Rows& rows) {
  rows.push_back({"since", "DURATION", DurationSetting{.duration = &f.since}, "Only days since then.", ""});
  rows.push_back({"by-day", "", &f.by_day, "A row for each day.", ""});
  client_flags(f, rows);
}

void list_keys_flags(Flags& f, Rows& rows) {
  rows.push_back({"user", "NAME", &f.user, "Whose, where you are an administrator.", ""});
  client_flags(f, rows);
}

void create_key_flags(Flags& f, Rows& rows) {
  rows.push_back({"label", "TEXT", &f.label, "What it is for.", ""});
  rows.push_back({"role", "ROLE", ChoiceSetting{&f.role, roles}, "What it may, if less than its user.", ""});
  rows.push_back({"namespace", "NS", &f.namespaces,
                  "A namespace it counts for; may be given again; all, if none is.", ""});
  rows.push_back({"expires", "DURATION", DurationSetting{.duration = &f.expires},
                  "After which it opens nothing; never, if it is not said.", ""});
  list_keys_flags(f, rows);
}

void cert_flags(Flags& f, Rows& rows) {
  rows.push_back({"folder", "FOLDER", &f.folder, "Where the authority is, and what it signs.", ""});
  rows.push_back({"expires", "DURATION",
                  DurationSetting{.duration = &f.expires, .min = std::chrono::hours(1)},
                  "After which it counts no more; a year, or ten for an authority, if it is not said.", ""});
}

void set_secret_flags(Flags& f, Rows& rows) {
  rows.push_back(
      {"data", "DATA", &f.data, "The value; @FILE reads it from a file, @- from standard input.", "", 'd'});
  client_flags(f, rows);
}

void up_flags(Flags& f, Rows& rows) { rows = option_rows(f.server); }

void node_flags(Flags& f, Rows& rows) { rows = node_option_rows(f.node); }

void dispatch_flags(Flags& f, Rows& rows) {
  rows.push_back({"function", "NS/FN", &f.function, "Only for the calls of this one.", ""});
  client_flags(f, rows);
}

// -- the verbs about the program itself

Result<int> completion(Command& command, Terminal& terminal) {
  CANOPY_TRY_VOID(print_completion(command.arguments.front(), terminal.out()));
  return 0;
}

Result<int> version(Command& command, Terminal& terminal) {
  if (command.flags.json) {
    wire::JsonWriter json;
    json.begin_object();
    json.member("version", command.version);
    json.end_object();
    terminal.out() << json.text() << '\n';
  } else {
    terminal.out() << "canopy " << command.version << '\n';
  }
  return 0;
}

Result<int> help(Command& command, Terminal& terminal) {
  if (command.arguments.empty()) {
    print_overview(terminal.out());
    return 0;
  }
  const std::vector<std::string_view> words(command.arguments.begin(), command.arguments.end());
  CANOPY_TRY(const FoundVerb found, find_verb(words));
  if (found.word_count < words.size()) {
    if (auto slip = slip_in_second_word(*found.verb, words[1])) return tl::unexpected(*std::move(slip));
  }
  print_verb_help(*found.verb, terminal.out());
  return 0;
}

// -- the table

constexpr std::string_view build_detail =
    "  .c .cc .cpp .cxx, or a folder of them   clang-22 with Canopy's SDK (#include <canopy.h>)\n"
    "  .go, or a folder with go.mod            go build for GOOS=wasip1\n"
    "  .rs, or a folder with Cargo.toml        rustc or cargo for wasm32-wasip1\n"
    "  .js .ts, or a folder with package.json  as it is; what imports, or is TypeScript, is bundled by "
    "esbuild\n"
    "  .wasm                                   passed on as it is\n"
    "  .tar                                    an image of a container, passed on as it is\n"
    "With --container, or `runtime: container` in canopy.yaml, an image is made: of a static program, or of\n"
    "Go or C that is compiled for this machine.\n"
    "\n"
    "A C or C++ source that calls CANOPY_HANDLER becomes a reactor, others commands; so does Go source with\n"
    "//go:wasmexport canopy_handle. Lines in C or C++ source that say more:\n"
    "  // canopy: reactor          or command: that shape, whatever the source holds\n"
    "  // canopy: no-exceptions    C++ without exceptions: a smaller module\n"
    "  // canopy: flags -O3 ...    more flags for the compiler\n"
    "Libraries for C and C++ are found at CANOPY_SYSROOT, else where `make deps` puts them.";

constexpr std::string_view run_detail =
    "Standard streams are the module's own. A reactor, and a module that reads its input by the SDK, gets "
    "what\n"
    "is piped in as its input. Source files are built first. What follows -- goes to the module.\n"
    "\n"
    "Exit status: the module's own; 124 past --time; 134 where it trapped; 137 past a limit; 1 where it "
    "could\n"
    "not be run.";

constexpr std::string_view deploy_detail =
    "Builds source first, as canopy build does. canopy.yaml in the folder, or beside the file, says the "
    "rest;\n"
    "flags win over it. Returns when the server has compiled the function and answers its calls.";

constexpr std::string_view apply_detail =
    "canopy.yaml describes one function, or several in a list:\n"
    "  functions:\n"
    "    - name: demo/hello\n"
    "      path: hello          # or code: hello.wasm\n"
    "      memory: 64MiB\n"
    "All are built before the first is deployed. Functions that the file does not name stay as they are.";

constexpr std::string_view invoke_detail =
    "Without -d the input is what is piped in. The reply goes to standard output as it is.\n"
    "\n"
    "Exit status: 0 the function replied, 1 the platform failed, 2 the function failed.";

constexpr std::string_view dev_detail =
    "Builds and deploys PATH, shows the function's logs, and does so again whenever something changes. If "
    "no\n"
    "server answers at the usual address, one runs inside, and forgets everything at the end.";

constexpr std::string_view node_detail =
    "It joins a server that was started with --node-listen, runs the calls that this sends it, and joins "
    "again\n"
    "whenever the connection is lost. Code comes from the server, is kept in --data, and is compiled here.\n"
    "docs/nodes.md shows three of them at work.";

constexpr std::string_view cert_detail =
    "For TLS between a server and the workers that join it, on both sides:\n"
    "  canopy cert authority              once; ca.key stays where it is made\n"
    "  canopy cert server 10.0.0.1        for up --tls-cert, --tls-key, --node-ca\n"
    "  canopy cert worker one             for node, in CANOPY_JOIN_CA, _CERT and _KEY\n"
    "  canopy cert balancer mid 10.0.0.2  for a node between them: as a server, and as a worker\n"
    "docs/nodes.md says more.";

constexpr std::string_view dispatch_detail =
    "  local    in the server's own process, or in its --workers\n"
    "  push     in the least loaded of the workers that joined\n"
    "  pull     in the worker that has asked for a call for longest\n"
    "  default  with --function: as its manifest says, or all others go\n"
    "Holds for calls that begin from now on, until the server ends; --dispatch says what it is then.";

constexpr std::string_view call_detail =
    "Its timeline is what its time was spent on: when each part began, how long it took, where it lies:\n"
    "  queue  until it was taken to be run; of a durable call, until its turn came too\n"
    "  hop    the way to a worker process or node, and back\n"
    "  start  what it needs was made or loaded: a cold start\n"
    "  run    from its first instruction to its reply";

constexpr std::string_view functions_group = "Functions";
constexpr std::string_view calls_group = "Calls";
constexpr std::string_view access_group = "Access";
constexpr std::string_view user_detail =
    "Quotas: functions, code_bytes, concurrency, queued_calls, calls_per_minute, log_bytes_per_minute,\n"
    "result_bytes_per_minute; each a number or a size, or none for no bound.";

constexpr std::string_view secret_detail =
    "ns/NAME is for all functions of a namespace, ns/fn/NAME for one of them. The value is what is piped in, "
    "or -d,\n"
    "without one line end at its end where it has one.\n"
    "It is sealed on the server's disk, and never shown again.";

constexpr std::string_view program_group = "This program";

constexpr auto table = std::to_array<Verb>({
    {"up", "", 0, 0, "Server", "Runs everything in one process.", "", up_flags, up, true},
    {"node", "", 0, 0, "Server", "Runs calls for a server that it joins.", node_detail, node_flags, node},
    {"cert", "authority|server|worker|balancer", 0, 0, "Server", "Says what certificates it makes.",
     cert_detail, no_flags, explain_certificates},
    {"cert authority", "", 0, 0, "Server", "Makes an authority for workers that join: ca.pem and ca.key.",
     cert_detail, cert_flags, make_authority},
    {"cert server", "HOST...", 1, many, "Server",
     "Makes a server's certificate for these names and addresses.", cert_detail, cert_flags,
     make_server_certificate},
    {"cert worker", "NAME", 1, 1, "Server", "Makes a worker's certificate.", cert_detail, cert_flags,
     make_worker_certificate},
    {"cert balancer", "NAME HOST...", 2, many, "Server",
     "Makes a balancer's certificate, for these names and addresses.", cert_detail, cert_flags,
     make_balancer_certificate},
    {"dispatch", "[local|push|pull|default]", 0, 1, "Server", "Shows or changes where calls run.",
     dispatch_detail, dispatch_flags, dispatch},
    {"top", "", 0, 0, "Server", "Shows what the server does now, again every second.", "", client_flags, top},
    {"new", "c|container|cpp|go|js|python|rust NAME", 2, 2, functions_group,
     "Makes a function to start from, with its test.", "", no_flags, new_function},
    {"build", "PATH", 1, 1, functions_group,
     "Makes a WebAssembly module, or a container's image, from source.", build_detail, build_flags,
     build_verb},
    {"run", "FILE [-- ARGS]", 1, many, functions_group, "Runs one module once, without a server.", run_detail,
     run_flags, run_once},
    {"dev", "PATH", 1, 1, functions_group, "Deploys again on every change, and shows the logs.", dev_detail,
     dev_flags, dev},
    {"deploy", "PATH|FILE", 1, 1, functions_group, "Puts a function on the server.", deploy_detail,
     deploy_flags, deploy},
    {"apply", "", 0, 0, functions_group, "Makes the server's functions what canopy.yaml says.", apply_detail,
     apply_flags_rows, apply},
    {"list", "[NAMESPACE]", 0, 1, functions_group, "Lists functions.", "", list_flags, list_functions},
    {"describe", "ns/fn", 1, 1, functions_group, "Shows a function and its versions.", "", client_flags,
     describe},
    {"remove", "ns/fn...", 1, many, functions_group, "Removes functions.", "", client_flags, remove},
    {"rollback", "ns/fn", 1, 1, functions_group, "Makes an earlier version current again.", "",
     rollback_flags, roll_back},
    {"invoke", "ns/fn", 1, 1, calls_group, "Calls a function and prints its reply.", invoke_detail,
     invoke_flags, invoke},
    {"logs", "ns/fn|ID", 1, 1, calls_group, "Shows what a function, or one call, has logged.", "", logs_flags,
     logs},
    {"calls", "[ns/fn]", 0, 1, calls_group, "Lists the last calls.", "", calls_flags, list_calls},
    {"calls list", "[ns/fn]", 0, 1, calls_group, "Lists the last calls.", "", calls_flags, list_calls},
    {"calls show", "ID", 1, 1, calls_group, "Shows what is known of a call.", call_detail, client_flags,
     show_call},
    {"calls wait", "ID", 1, 1, calls_group, "Waits until a call has ended.", call_detail, wait_flags,
     wait_call},
    {"calls result", "ID", 1, 1, calls_group, "Prints the reply of a durable call that has ended.", "",
     client_flags, print_result},
    {"calls cancel", "ID", 1, 1, calls_group, "Ends a call that waits or runs.", "", client_flags,
     cancel_call},
    {"calls retry", "ID", 1, 1, calls_group, "Queues a durable call that failed once more.", "", client_flags,
     retry_call},
    {"calls redrive", "ID", 1, 1, calls_group, "The same as calls retry.", "", client_flags, retry_call},
    {"calls dead", "[ns/fn]", 0, 1, calls_group, "Lists durable calls that failed, for calls retry.", "",
     dead_flags, list_dead},
    {"user", "", 0, 0, access_group, "Lists users.", "", client_flags, list_users},
    {"user add", "NAME", 1, 1, access_group, "Makes a user, and prints its first key.", user_detail,
     add_user_flags, add_user},
    {"user set", "NAME", 1, 1, access_group, "Changes a user.", user_detail, change_user_flags, set_user},
    {"user remove", "NAME...", 1, many, access_group, "Removes users, with their keys and secrets.", "",
     client_flags, remove_users},
    {"user list", "", 0, 0, access_group, "Lists users.", "", client_flags, list_users},
    {"user usage", "[NAME]", 0, 1, access_group, "Shows what functions used.", "", usage_flags, show_usage},
    {"key", "", 0, 0, access_group, "Lists keys.", "", list_keys_flags, list_keys},
    {"key create", "", 0, 0, access_group, "Makes a key, and prints it.", "", create_key_flags, create_key},
    {"key revoke", "ID...", 1, many, access_group, "Ends keys at once.", "", client_flags, revoke_keys},
    {"key list", "", 0, 0, access_group, "Lists keys.", "", list_keys_flags, list_keys},
    {"secret", "[NAMESPACE]", 0, 1, access_group, "Lists the names of secrets.", "", client_flags,
     list_secrets},
    {"secret set", "ns/NAME", 1, 1, access_group, "Gives functions a secret as a variable.", secret_detail,
     set_secret_flags, set_secret},
    {"secret list", "[NAMESPACE]", 0, 1, access_group, "Lists the names of secrets.", "", client_flags,
     list_secrets},
    {"secret remove", "ns/NAME...", 1, many, access_group, "Removes secrets.", "", client_flags,
     remove_secrets},
    {"audit", "", 0, 0, access_group, "Shows who changed what.", "", limit_flag, show_audit},
    {"completion", "bash|zsh|fish", 1, 1, program_group,
     "Prints a script that completes this program's words.", "", no_flags, completion},
    {"version", "", 0, 0, program_group, "Says which Canopy this is.", "", json_flag, version},
    {"help", "[VERB]", 0, 2, program_group, "Says what there is, or more about one verb.", "", no_flags,
     help},
});

// Named by the design, and not here yet.
constexpr std::array<std::string_view, 5> later = {"state", "file", "load", "learn", "sim"};

}  // namespace

std::span<const Verb> verbs() { return table; }

std::vector<OptionRow> flags_of(const Verb& verb, Flags& flags) {
  Rows rows;
  verb.add_flags(flags, rows);
  return rows;
}

Result<FoundVerb> find_verb(std::span<const std::string_view> words) {
  if (words.empty()) return fail(Code::invalid, "no verb is given; canopy help lists them");
  if (words.size() > 1) {
    const std::string two = std::string(words[0]) + " " + std::string(words[1]);
    const auto found = std::ranges::find(table, two, &Verb::name);
    if (found != table.end()) return FoundVerb{.verb = &*found, .word_count = 2};
  }
  const auto found = std::ranges::find(table, words[0], &Verb::name);
  if (found != table.end()) return FoundVerb{.verb = &*found, .word_count = 1};
  if (std::ranges::find(later, words[0]) != later.end()) {
    return fail(Code::invalid, "canopy " + std::string(words[0]) +
                                   " comes with a later version; canopy help lists what "
                                   "there is");
  }
  std::vector<std::string_view> names;
  names.reserve(table.size());
  for (const Verb& verb : table) names.push_back(verb.name);
  return fail(Code::invalid, "there is no verb " + wire::in_quotes(words[0]) + did_you_mean(words[0], names) +
                                 (nearest_name(words[0], names) ? "" : "; canopy help lists them"));
}

}  // namespace canopy::cli
