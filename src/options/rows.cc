// The table of all settings: --help, docs/options.md and what is read are made from it.

#include <array>

#include "options/options.h"
#include "options/protocols.h"

namespace canopy {
namespace {

constexpr std::array<std::string_view, 6> log_levels = {"trace", "debug", "info", "warning", "error", "off"};
constexpr std::array<std::string_view, 3> auth_choices = {"auto", "on", "off"};
constexpr std::array<std::string_view, 2> scale_rules = {"target-delay", "doubling"};
constexpr std::array<std::string_view, 3> dispatch_ways = {"local", "push", "pull"};
constexpr std::array<std::string_view, 4> container_engines = {"auto", "runc", "docker", "off"};
constexpr Duration a_millisecond = std::chrono::milliseconds(1);
constexpr Duration an_hour = std::chrono::hours(1);
constexpr Duration longest_idle = std::chrono::hours(24);
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 50U;

DurationSetting timeout(Duration& value) {
  return {.duration = &value, .min = a_millisecond, .max = an_hour};
}

void add_server_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view server = "Server";
  rows.push_back(
      {"listen", "HOST:PORT", &o.listen,
       "Where to serve HTTP. `:8080` is every address of the machine; port 0 lets the kernel choose.",
       server});
  rows.push_back(
      {"data", "FOLDER", &o.data, "Where functions and their code are kept. Made if missing.", server});
  rows.push_back(
      {.name = "store",
       .value = "URL",
       .setting = &o.store,
       .help = "A Redis that several servers share: `redis://[[user]:password@]host[:port][/database]`, "
               "or `rediss://` for one in TLS. "
               "Functions, users and durable calls lie there then; the data folder has copies of "
               "code alone. If not said, all lies in the data folder.",
       .group = server,
       .hides_password = true});
  rows.push_back(
      {"store-ca", "FILE", &o.store_ca,
       "For a --store in TLS, `rediss://`: the certificates in PEM that its own is checked against; "
       "if not said, those that this machine trusts.",
       server});
  rows.push_back(
      {"store-cert", "FILE", &o.store_cert,
       "A certificate in PEM that a --store in TLS is shown, where it asks for one; with --store-key.",
       server});
  rows.push_back({"store-key", "FILE", &o.store_key, "The private key of that certificate, in PEM.", server});
  rows.push_back({"config", "FILE", &o.config,
                  "A YAML file with settings, named as the flags are: `call-timeout: 5s`.", server});
  rows.push_back({"cores", "N", CountSetting{.count = &o.core_count, .max = 1024},
                  "Cores to run on, each with a thread of its own. 0 takes all there are.", server});
  rows.push_back({"log-level", "LEVEL", ChoiceSetting{&o.log_level, log_levels},
                  "What the server says of itself: trace, debug, info, warning, error or off.", server});
  rows.push_back({"drain-timeout", "DURATION", DurationSetting{.duration = &o.drain_timeout, .max = an_hour},
                  "How long running calls may take to end after SIGTERM.", server});
  rows.push_back({"user", "NAME", &o.user, user_help, server});
  rows.push_back({"wall-memory", "SIZE", SizeSetting{.bytes = &o.wall_memory_bytes, .max = wall_memory_max},
                  wall_memory_help, server});
  rows.push_back({"wall-tasks", "N", CountSetting{.count = &o.wall_tasks, .max = wall_tasks_max},
                  wall_tasks_help, server});

  constexpr std::string_view access = "Access";
  rows.push_back(
      {"tls-cert", "FILE", &o.tls_cert, "A certificate chain in PEM; with --tls-key, speaks TLS.", access});
  rows.push_back({"tls-key", "FILE", &o.tls_key, "The private key of the certificate, in PEM.", access});
  rows.push_back({"auth", "WHEN", ChoiceSetting{&o.auth, auth_choices},
                  "When a key is needed. auto: where others can reach the address, and everywhere once there "
                  "is a user. on: always; off: never.",
                  access});
  rows.push_back(
      {"insecure", "", &o.insecure,
       "Allows an address that others can reach although there are no keys: anybody may then deploy.",
       access});
  rows.push_back({"new-admin-key", "", &o.new_admin_key,
                  "Makes one more key for an administrator and prints it, for when all are lost.", access});
  rows.push_back(
      {"secret-key-file", "FILE", &o.secret_key_file,
       "What secrets are sealed with, 64 hexadecimal digits. If not said, `secret.key` in the data "
       "folder, made with the first secret.",
       access});
  rows.push_back({"cors-origin", "ORIGIN", &o.cors_origin,
                  "The web pages that browsers let call: an origin such as `https://example.org`, or `*`.",
                  access});
}

void add_function_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view functions = "Functions";
  rows.push_back({"memory-max", "SIZE",
                  SizeSetting{.bytes = &o.memory_bytes, .min = 64 * KiB, .max = 4 * GiB},
                  "The memory a call may have if its function does not say.", functions});
  rows.push_back({"memory-limit", "SIZE",
                  SizeSetting{.bytes = &o.memory_bytes_max, .min = 64 * KiB, .max = 4 * GiB},
                  "The most memory that a function may ask for.", functions});
  rows.push_back({"code-max", "SIZE", SizeSetting{.bytes = &o.code_bytes_max, .min = KiB, .max = 4 * GiB},
                  "The largest upload of code.", functions});
  rows.push_back(
      {"versions-max", "N", CountSetting{.count = &o.versions_max, .min = 2, .max = 10'000},
       "Versions of a function that are kept, the current one among them; a deployment forgets the "
       "oldest beyond it.",
       functions});
  rows.push_back({"body-max", "SIZE", SizeSetting{.bytes = &o.body_bytes_max, .max = 4 * GiB},
                  "The largest body of a call.", functions});
  rows.push_back({"call-timeout", "DURATION", timeout(o.call_timeout),
                  "How long a call may take, from arrival to reply, if its function does not say.",
                  functions});
  rows.push_back({"call-timeout-max", "DURATION", timeout(o.call_timeout_max),
                  "The longest time that a function or a caller may ask for.", functions});
  rows.push_back(
      {"slice", "DURATION",
       DurationSetting{
           .duration = &o.slice, .min = std::chrono::microseconds(100), .max = std::chrono::seconds(1)},
       "How long a call runs before others on its core get a turn.", functions});
  rows.push_back(
      {"fetch-private", "", &o.fetch_private,
       "Lets functions fetch from this machine and from private networks too, where their manifest "
       "names the host.",
       functions});

  constexpr std::string_view load = "Load";
  rows.push_back({"instances", "N", CountSetting{.count = &o.instances_max, .min = 1, .max = 1'000'000},
                  "Instances alive at once on the machine, running or waiting.", load});
  rows.push_back(
      {"queue-max", "N", CountSetting{.count = &o.queue_max, .max = 10'000'000},
       "Work that may wait for the disk, deployments and first calls among it; more is refused with 503.",
       load});
  rows.push_back(
      {"queue-bytes", "SIZE", SizeSetting{.bytes = &o.queue_bytes_max, .max = most_bytes},
       "Memory that the bodies of all requests together may take, those that arrive and those whose "
       "calls run; a body that is larger than 16KiB and finds no room is refused with 503. There is "
       "always room for one of body-max or code-max.",
       load});
  rows.push_back({"templates-bytes", "SIZE", SizeSetting{.bytes = &o.templates_bytes_max, .max = most_bytes},
                  "Memory for functions that are loaded; the least recently called are unloaded past it.",
                  load});
}

void add_python_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view python = "Python";
  rows.push_back(
      {"python", "PROGRAM", &o.python,
       "The Python that functions run with: a path, or a name that is looked for in PATH. off: there are no "
       "functions in Python.",
       python});
  rows.push_back({"python-calls", "N", CountSetting{.count = &o.python_calls, .min = 1, .max = 10'000},
                  "Calls of Python functions at once, each in a process of its own; more wait in line.",
                  python});
  rows.push_back(
      {"python-warm", "N", CountSetting{.count = &o.python_warm, .min = 1, .max = 10'000},
       "Processes that have imported a function and are kept for its next call; the least recently "
       "used ends first.",
       python});
  rows.push_back(
      {"python-warm-memory", "SIZE",
       SizeSetting{.bytes = &o.python_warm_memory_bytes, .min = 64 * MiB, .max = most_bytes},
       "Address space that importing a function may take; what a call may take more is its memory.", python});
  rows.push_back({"python-processes", "N", CountSetting{.count = &o.python_processes, .min = 1, .max = 4096},
                  "Processes and threads that one call may have, its first among them.", python});
  rows.push_back(
      {"python-kept-calls", "N", CountSetting{.count = &o.python_kept_calls, .min = 1},
       "Calls that a process of a function with `keep_warm` serves before a fresh one takes its place.",
       python});
  rows.push_back({"python-kept-idle", "DURATION",
                  DurationSetting{.duration = &o.python_kept_idle, .min = a_millisecond, .max = longest_idle},
                  "How long such a process waits for a call before it is ended.", python});
  rows.push_back(
      {"python-network", "", &o.python_network,
       "Lets Python functions whose manifest says `fetch: [\"*\"]` use the network of the machine, "
       "all of it: this machine and private networks too.",
       python});
  rows.push_back(
      {"python-path", "FOLDERS", &o.python_path,
       "Folders that Python functions may import from, separated by colons as in PYTHONPATH. Whoever "
       "may deploy may read what is in them.",
       python});
}

void add_worker_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view workers = "Workers";
  rows.push_back(
      {"workers", "N", &o.workers,
       "Processes that run calls beside the server, each with one core: `2`, or `1..8` for as many "
       "as the load needs. 0 runs them in the server itself.",
       workers});
  rows.push_back({"worker-slots", "N", CountSetting{.count = &o.worker_slots, .min = 1, .max = 1'000'000},
                  "Calls that one worker runs at once; more wait for the next that is free.", workers});
  rows.push_back(
      {"worker-silence", "DURATION",
       DurationSetting{.duration = &o.worker_silence, .min = std::chrono::seconds(1), .max = an_hour},
       "A worker that says nothing for so long is hung, and is killed and started again.", workers});
  rows.push_back({"scale", "RULE", ChoiceSetting{&o.scale, scale_rules},
                  "How many workers are needed. target-delay: so many that what waits begins within "
                  "--scale-delay. doubling: every 5 s twice as many above 32 waiting calls, half as many "
                  "below 2.",
                  workers});
  rows.push_back({"scale-delay", "DURATION", timeout(o.scale_delay),
                  "For target-delay: within what time a call is to begin.", workers});
  rows.push_back({"scale-cool-down", "DURATION", timeout(o.scale_cool_down),
                  "For target-delay: no worker is taken away that was needed within this time.", workers});

  constexpr std::string_view nodes = "Nodes";
  rows.push_back(
      {"node-listen", "HOST:PORT", &o.node_listen,
       "Where workers of other machines join (`canopy node --role=worker`), in TLS where there is a "
       "--node-cert or a --tls-cert. If not said, none do.",
       nodes});
  rows.push_back(
      {"node-cert", "FILE", &o.node_cert,
       "A certificate chain in PEM that who joins is shown, and clients are not; with --node-key. If not "
       "said, it is that of --tls-cert.",
       nodes});
  rows.push_back({"node-key", "FILE", &o.node_key, "The private key of that certificate, in PEM.", nodes});
  rows.push_back(
      {"node-ca", "FILE", &o.node_ca,
       "Certificates in PEM: who joins has to show one that one of these signed, as well as the token. "
       "`canopy cert` makes them. It needs --node-cert or --tls-cert.",
       nodes});
  rows.push_back({"node-token-file", "FILE", &o.node_token_file,
                  "The token that a worker must know to join. If not said, `node.token` in the data folder, "
                  "made at the first start with --node-listen.",
                  nodes});
  rows.push_back(
      {"dispatch", "WAY", ChoiceSetting{&o.dispatch, dispatch_ways},
       "Where calls run. local: here, or in --workers. push: in the least loaded of the workers that "
       "joined. pull: in the one that has asked for a call for longest. `canopy dispatch` changes it "
       "while the server runs.",
       nodes});
  rows.push_back(
      {"placement", "RULE", ChoiceSetting{&o.placement, placement_rules},
       "Which worker or balancer gets a call that is pushed: locality (the least loaded, where one "
       "that would have to load the function counts as two calls more), least-loaded, round-robin, "
       "most-recently-used or consistent-hash. Of --workers, too.",
       nodes});
}

void add_container_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view containers = "Containers";
  rows.push_back(
      {"container-engine", "ENGINE", ChoiceSetting{&o.container_engine, container_engines},
       "What starts the containers of container functions: runc, docker, auto for the first of the two "
       "that works here, or off for none.",
       containers});
  rows.push_back({"runc", "PROGRAM", &o.runc, "The program runc.", containers});
  rows.push_back({"docker-socket", "PATH", &o.docker_socket, "Where Docker listens.", containers});
  rows.push_back(
      {"containers-max", "N", CountSetting{.count = &o.containers_max, .min = 1, .max = 100'000},
       "Containers at once, of all functions; where one more is needed, one that is idle ends, or its "
       "calls wait.",
       containers});
  rows.push_back({"image-max", "SIZE",
                  SizeSetting{.bytes = &o.image_bytes_max, .min = MiB, .max = most_bytes},
                  "The largest image of a container function, unpacked.", containers});
}

void add_machine_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view connections = "Connections";
  rows.push_back({"connections-max", "N",
                  CountSetting{.count = &o.connections_max, .min = 1, .max = 10'000'000},
                  "Connections at once; one more is closed at once.", connections});
  rows.push_back({"head-max", "SIZE", SizeSetting{.bytes = &o.head_bytes_max, .min = KiB, .max = MiB},
                  "The largest head of a request: its first line and headers.", connections});
  rows.push_back({"head-timeout", "DURATION", timeout(o.head_timeout),
                  "From the first byte of a request to its last header.", connections});
  rows.push_back({"body-timeout", "DURATION", timeout(o.body_timeout),
                  "Between two pieces of a request's body.", connections});
  rows.push_back({"idle-timeout", "DURATION", timeout(o.idle_timeout),
                  "Between two requests on a connection.", connections});
  rows.push_back({"write-timeout", "DURATION", timeout(o.write_timeout),
                  "For a client that does not read its reply.", connections});
  rows.push_back({"client-rate", "SIZE", SizeSetting{.bytes = &o.client_rate, .max = GiB},
                  "What a client has to send of a body, or take of a reply, in each second: on average, once "
                  "body-timeout or write-timeout is over. 0: anything will do.",
                  connections});

  constexpr std::string_view compiling = "Compiling";
  rows.push_back({"compile-jobs", "N", CountSetting{.count = &o.compile_jobs, .min = 1, .max = 256},
                  "Modules that are compiled at once, each in a process of its own.", compiling});
  rows.push_back({"compile-timeout", "DURATION", timeout(o.compile_timeout),
                  "How long a module may take to compile and initialise.", compiling});
  rows.push_back({"compile-memory", "SIZE",
                  SizeSetting{.bytes = &o.compile_memory_bytes, .min = 64 * MiB, .max = most_bytes},
                  "How much memory a module may take to compile and initialise.", compiling});

  constexpr std::string_view records = "Records";
  rows.push_back({"records-max", "N", CountSetting{.count = &o.records_max, .max = 100'000'000},
                  "Calls that are remembered; the oldest are forgotten first.", records});
  rows.push_back({"records-bytes", "SIZE", SizeSetting{.bytes = &o.records_bytes_max, .max = most_bytes},
                  "Memory for what is remembered of calls, their logs included.", records});
}

void add_trace_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view traces = "Traces";
  rows.push_back({"otlp-endpoint", "URL", &o.otlp_endpoint,
                  "A collector of OpenTelemetry that is told of calls, by OTLP over HTTP with JSON "
                  "(http://127.0.0.1:4318); empty: none.",
                  traces});
  rows.push_back({"otlp-header", "TEXT", &o.otlp_header,
                  "A header of each request to it: 'Authorization: Bearer ...'.", traces});
  rows.push_back({"otlp-every", "N", CountSetting{.count = &o.otlp_every, .min = 1, .max = 1'000'000'000},
                  "It is told of one call in so many, and of those whose traceparent asks for it.", traces});
}

void add_durable_rows(Options& o, std::vector<OptionRow>& rows) {
  constexpr std::string_view durable = "Durable calls";
  constexpr Duration a_second = std::chrono::seconds(1);
  constexpr Duration a_year = std::chrono::hours(24 * 366);
  rows.push_back({"calls-queue", "N", CountSetting{.count = &o.calls_queue_max, .min = 1, .max = 100'000'000},
                  "Durable calls of one function that may wait; one more is refused with 429.", durable});
  rows.push_back({"calls-waiting", "N",
                  CountSetting{.count = &o.calls_waiting_max, .min = 1, .max = 1'000'000'000},
                  "Durable calls of all functions that may wait.", durable});
  rows.push_back({"calls-running", "N", CountSetting{.count = &o.calls_running_max, .min = 1, .max = 65'536},
                  "Durable calls that run at once.", durable});
  rows.push_back({"call-losses", "N", CountSetting{.count = &o.call_losses_max, .min = 1, .max = 1000},
                  "A durable call that its worker did not survive so often fails for good.", durable});
  rows.push_back(
      {"call-lease", "DURATION",
       DurationSetting{
           .duration = &o.call_lease, .min = std::chrono::seconds(5), .max = std::chrono::minutes(10)},
       "How long after its server has died or hangs a durable call runs again, on another of the "
       "same Redis; longer than their clocks differ and than Redis is away for a moment.",
       durable});
  rows.push_back({"call-age-max", "DURATION",
                  DurationSetting{.duration = &o.call_age_max, .min = a_second, .max = a_year},
                  "A durable call that has not ended by then fails, wherever it waits.", durable});
  rows.push_back(
      {"result-ttl", "DURATION", DurationSetting{.duration = &o.result_ttl, .min = a_second, .max = a_year},
       "How long the result and log of a durable call are kept, and its idempotency key.", durable});
  rows.push_back({"callback-secret", "TEXT", &o.callback_secret,
                  "What callbacks are signed with, in X-Canopy-Signature; empty: they are not.", durable});
  rows.push_back({"callback-private", "", &o.callback_private,
                  "Lets callbacks go to this machine and to private networks too.", durable});
}

}  // namespace

std::vector<OptionRow> option_rows(Options& options) {
  std::vector<OptionRow> rows;
  add_server_rows(options, rows);
  add_protocol_rows(options, rows);
  add_function_rows(options, rows);
  add_python_rows(options, rows);
  add_container_rows(options, rows);
  add_worker_rows(options, rows);
  add_machine_rows(options, rows);
  add_trace_rows(options, rows);
  add_durable_rows(options, rows);
  return rows;
}

}  // namespace canopy
