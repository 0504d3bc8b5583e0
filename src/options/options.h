#pragma once
// Every setting of `canopy up`, once: in this struct, and in a row of the table in options.cc. Flags,
// CANOPY_* variables, the file, --help and docs/options.md all come from those rows.

#include <array>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "options/table.h"

namespace canopy {

// The rules for who gets a call; policy/place.h says what they do.
inline constexpr std::array<std::string_view, 5> placement_rules = {"locality", "least-loaded", "round-robin",
                                                                    "most-recently-used", "consistent-hash"};

// What both `canopy up` and `canopy node` say of their walls.
inline constexpr std::string_view user_help =
    "Who it is after its start as root: a user that may less, whose the data folder is. It starts no "
    "containers then.";
inline constexpr std::string_view wall_memory_help =
    "Memory of it and all that it starts, by a control group that it makes; 0 makes none.";
inline constexpr std::string_view wall_tasks_help = "Processes and threads, likewise.";
inline constexpr std::uint64_t wall_memory_max = std::uint64_t{1} << 50U;
inline constexpr std::uint64_t wall_tasks_max = 4'000'000;

struct Options {
  // Server
  std::string listen = "127.0.0.1:8080";
  std::string data = ".canopy";
  std::string store;     // See store_address.h; "": in the data folder.
  std::string store_ca;  // Of a store in TLS; "": what this machine trusts.
  std::string store_cert;
  std::string store_key;
  std::string config;
  std::uint64_t core_count = 0;  // 0: as many as there are.
  std::string log_level = "info";
  Duration drain_timeout = std::chrono::seconds(30);
  std::string user;                     // "": who started it.
  std::uint64_t wall_memory_bytes = 0;  // 0: no limit.
  std::uint64_t wall_tasks = 0;         // Likewise.

  // Access
  std::string tls_cert;
  std::string tls_key;
  bool insecure = false;
  std::string auth = "auto";
  bool new_admin_key = false;
  std::string secret_key_file;
  std::string cors_origin;

  // Other platforms' APIs
  std::string mucpd = "auto";
  std::string builders = "auto";
  std::string builders_status_word = "completed";
  std::string builders_failures = "strings";
  Duration builders_time_limit = std::chrono::seconds(5);
  std::uint64_t builders_keep_warm = 64;
  std::uint64_t builders_functions = 10'000;
  std::string builders_mirror = "on";
  std::string hyperfaas = "off";
  std::string hyperfaas_listen;    // Addresses, with commas between them; "": only `listen`.
  std::string hyperfaas_database;  // "": nowhere.
  std::string hyperfaas_workers;   // Addresses, with commas between them.

  // Functions
  std::uint64_t memory_bytes = 64 * MiB;  // --memory-max: what a function has that does not say.
  std::uint64_t memory_bytes_max = GiB;   // --memory-limit: what a function may ask for.
  std::uint64_t code_bytes_max = 64 * MiB;
  std::uint64_t versions_max = 20;
  std::uint64_t body_bytes_max = 32 * MiB;
  Duration call_timeout = std::chrono::seconds(10);
  Duration call_timeout_max = std::chrono::hours(1);
  Duration slice = std::chrono::milliseconds(1);
  bool fetch_private = false;

  // Containers
  std::string container_engine = "auto";
  std::string runc = "runc";
  std::string docker_socket = "/var/run/docker.sock";
  std::uint64_t containers_max = 64;
  std::uint64_t image_bytes_max = 2 * GiB;

  // Load
  std::uint64_t instances_max = 10'500;  // What a kernel's usual 65 530 mappings have room for.
  std::uint64_t queue_max = 10'000;
  std::uint64_t queue_bytes_max = GiB;
  std::uint64_t templates_bytes_max = GiB;

  // Python
  std::string python = "python3";
  std::uint64_t python_calls = 64;
  std::uint64_t python_warm = 32;
  std::uint64_t python_warm_memory_bytes = GiB;
  std::uint64_t python_processes = 32;
  std::uint64_t python_kept_calls = 1000;
  Duration python_kept_idle = std::chrono::minutes(1);
  bool python_network = false;
  std::string python_path;  // As PYTHONPATH is written.

  // Workers
  std::string workers = "0";  // See parse_workers().
  std::uint64_t worker_slots = 1024;
  Duration worker_silence = std::chrono::seconds(5);
  std::string scale = "target-delay";
  Duration scale_delay = std::chrono::seconds(1);
  Duration scale_cool_down = std::chrono::seconds(30);

  // Nodes
  std::string node_listen;  // "": no workers join.
  std::string node_cert;    // "": they are shown tls_cert.
  std::string node_key;
  std::string node_ca;  // "": who joins needs no certificate.
  std::string node_token_file;
  std::string dispatch = "local";

  // Connections
  std::uint64_t connections_max = 20'000;
  std::uint64_t head_bytes_max = 16 * KiB;
  Duration head_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(30);
  Duration idle_timeout = std::chrono::seconds(75);
  Duration write_timeout = std::chrono::seconds(30);
  std::uint64_t client_rate = KiB;

  // Compiling
  std::uint64_t compile_jobs = 1;
  Duration compile_timeout = std::chrono::seconds(60);
  std::uint64_t compile_memory_bytes = 2 * GiB;

  // Records
  std::uint64_t records_max = 100'000;
  std::uint64_t records_bytes_max = 256 * MiB;

  // Traces
  std::string otlp_endpoint;
  std::string otlp_header;
  std::uint64_t otlp_every = 1;

  // Durable calls
  std::uint64_t calls_waiting_max = 10'000'000;
  std::uint64_t calls_queue_max = 2'000'000;
  std::uint64_t calls_running_max = 1024;
  std::uint64_t call_losses_max = 5;
  Duration call_lease = std::chrono::seconds(30);
  Duration call_age_max = std::chrono::hours(24);
  Duration result_ttl = std::chrono::hours(24);
  std::string callback_secret;
  bool callback_private = false;

  // Workers and nodes
  std::string placement = "locality";
};

// The table, bound to `options`, which outlives it.
std::vector<OptionRow> option_rows(Options& options);

struct ParsedOptions {
  Options options;
  OptionReading reading;
};

// Reads and checks them all: each value by itself, and those that must fit together.
//   invalid  as read_options() says; an argument that is no flag; values that contradict each other
Result<ParsedOptions> parse_options(const OptionInput& input);

// Whether what must fit together does: for options that were changed by other means.
//   invalid
Result<void> check_options(const Options& options);

// One line for each value that differs from its default: "listen = 0.0.0.0:80 (from --listen)".
std::vector<std::string> describe_changes(const ParsedOptions& parsed);

// Where to listen, taken apart.
struct ListenAddress {
  std::string host;  // "127.0.0.1", "::1", "localhost", "0.0.0.0" for ":80"
  std::uint16_t port = 0;
  bool loopback = false;  // Only this machine can reach it.
};

// "host:port", "[::1]:port" or ":port"; port 0 lets the kernel choose. `flag` is for the message.
//   invalid
Result<ListenAddress> parse_listen(std::string_view text, std::string_view flag = "listen");

// Those in a list with commas between them.
std::vector<std::string> split_addresses(std::string_view text);

// Whether only this machine reaches any of the addresses that HTTP is served at.
//   invalid
Result<bool> is_loopback_only(const Options& options);

// How many worker processes there are to be, at least and at most; 0: calls run in the server's own process.
struct WorkerRange {
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};

// "4" or "1..8".
//   invalid
Result<WorkerRange> parse_workers(std::string_view text);

// Refuses to be open to everybody by accident.
//   invalid  the address is not loopback, --auth=off, and --insecure was not said
Result<void> check_exposure(const Options& options);

void print_help(std::ostream& out);
void print_markdown(std::ostream& out);  // docs/options.md, whole.

// What a program's `read_file` and `environment` usually are.
Result<std::string> read_options_file(const std::string& path);
std::vector<std::string_view> environment_of(const char* const* environ_block);

}  // namespace canopy
