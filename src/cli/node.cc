#include "cli/node.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "balance/node.h"
#include "balance/proof.h"
#include "base/hex.h"
#include "base/id.h"
#include "base/log.h"
#include "cli/files.h"
#include "cli/raise_walls.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "options/node_options.h"
#include "wall/read_walls.h"

namespace canopy::cli {
namespace {

constexpr std::string_view token_variable = "CANOPY_JOIN_TOKEN";
constexpr std::string_view trust_variable = "CANOPY_JOIN_CA";  // Set: TLS, with the certificates to trust.
constexpr std::string_view certificate_variable = "CANOPY_JOIN_CERT";  // And what is shown to the server,
constexpr std::string_view key_variable = "CANOPY_JOIN_KEY";           // where it asks for it.
constexpr std::uint64_t token_file_bytes_max = 4096;
constexpr std::size_t host_part_max = 40;

// That the gateway does not want this node, told by another thread.
class Refusal {
 public:
  Refusal() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void tell(const Error& why) {
    const std::lock_guard lock(mutex_);
    why_ = why;
    const std::uint64_t one = 1;
    static_cast<void>(write(event_.get(), &one, sizeof one));
  }
  int descriptor() const { return event_.get(); }
  std::optional<Error> why() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  const Descriptor event_;
  mutable std::mutex mutex_;
  std::optional<Error> why_;
};

Result<std::string> find_token(const NodeSettings& settings, const Environment& environment) {
  if (settings.token_file.empty()) {
    const std::string text = environment.get(token_variable);
    if (!text.empty()) return balance::read_token(text);
    return fail(Code::invalid,
                "the server's join token is needed: --token-file=FILE with a copy of node.token in its data "
                "folder, or the variable " +
                    std::string(token_variable));
  }
  CANOPY_TRY(const std::string text, read_file(settings.token_file, token_file_bytes_max));
  auto token = balance::read_token(text);
  if (!token) return fail(Code::invalid, settings.token_file + ": " + token.error().message);
  return token;
}

// Null: none is spoken.
Result<std::shared_ptr<const net::TlsContext>> find_tls(const Environment& environment,
                                                        const std::string& host) {
  const std::string trusted = environment.get(trust_variable);
  const net::CertificateFiles own{.certificate = environment.get(certificate_variable),
                                  .key = environment.get(key_variable)};
  if (own.certificate.empty() != own.key.empty() || (trusted.empty() && !own.key.empty())) {
    return fail(Code::invalid,
                std::string(certificate_variable) + ", " + std::string(key_variable) + " and " +
                    std::string(trust_variable) +
                    " belong together: a certificate to show, its key, and what the server's own is "
                    "checked against");
  }
  if (trusted.empty()) return nullptr;
  auto tls = net::TlsContext::for_client(trusted, host, own);
  if (tls) return *std::move(tls);
  return fail(
      Code::invalid,
      tls.error().message + "; " + std::string(trust_variable) +
          " names a PEM file with the server's certificate, or that of who signed it, or is "
          "the word system" +
          (own.key.empty() ? ""
                           : "; " + std::string(certificate_variable) + " and " + std::string(key_variable) +
                                 " name two files that were made together"));
}

// After the machine, and unlike the next node's on it.
std::string make_name() {
  std::array<char, 256> host{};
  static_cast<void>(gethostname(host.data(), host.size() - 1));
  std::string name;
  for (const char c : std::string_view(host.data())) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (name.size() < host_part_max && (plain || (c == '-' && !name.empty()))) name += c;
  }
  std::array<unsigned char, 3> random{};
  fill_random(random.data(), random.size());
  name += name.empty() ? "node-" : "-";
  for (const unsigned char byte : random) append_hex(byte, name);
  return name;
}

// With TLS where it is known whom to trust.
Result<std::vector<balance::Parent>> find_parents(const std::vector<ListenAddress>& addresses,
                                                  const Environment& environment) {
  std::vector<balance::Parent> made;
  for (const ListenAddress& address : addresses) {
    CANOPY_TRY(auto tls, find_tls(environment, address.host));
    made.push_back({.host = address.host, .port = address.port, .tls = std::move(tls)});
  }
  return made;
}

balance::NodeOptions node_options(const NodeSettings& settings, const Command& command) {
  std::error_code error;
  balance::NodeOptions made;
  made.name = settings.name.empty() ? make_name() : settings.name;
  made.program = command.version;
  made.slots = static_cast<std::uint32_t>(settings.slots);
  made.core_count = settings.core_count == 0 ? std::max<std::size_t>(std::thread::hardware_concurrency(), 1)
                                             : static_cast<std::size_t>(settings.core_count);
  made.compile_jobs = static_cast<std::size_t>(settings.compile_jobs);
  made.templates_bytes_max = settings.templates_bytes_max;
  made.code_bytes_max = settings.code_cache_bytes;
  made.folder = std::filesystem::absolute(settings.data, error);
  return made;
}

WallSettings walls_of(const NodeSettings& settings, const std::filesystem::path& data) {
  WallSettings made{.user = settings.user,
                    .memory_bytes = settings.wall_memory_bytes,
                    .tasks = settings.wall_tasks,
                    .data = data,
                    .listen = {settings.listen},
                    .python = is_worker(settings) ? settings.python : "off",
                    .container_engine = is_worker(settings) ? settings.container_engine : "off",
                    .runc = settings.runc,
                    .docker_socket = settings.docker_socket};
  return made;
}

Result<balance::BalancerOptions> balancer_options(const NodeSettings& settings) {
  CANOPY_TRY(const ListenAddress address, parse_listen(settings.listen, "listen"));
  balance::BalancerOptions made{
      .host = address.host, .port = address.port, .tls = nullptr, .silence_max = settings.silence};
  CANOPY_TRY(made.placement, policy::parse_placement(settings.placement));
  if (!settings.tls_cert.empty()) {
    CANOPY_TRY(made.tls,
               net::TlsContext::for_server({settings.tls_cert, settings.tls_key}, settings.node_ca));
  } else if (!address.loopback) {
    log::warn(
        "nodes join at {} without TLS: code, inputs and replies can be read on the way; give --tls-cert and "
        "--tls-key, or use a private network",
        settings.listen);
  }
  return made;
}

// The worker of a process that is a balancer, too: it joins that as any other does.
Result<balance::NodeOptions> own_worker(const balance::NodeOptions& balancer, const std::string& address,
                                        const Environment& environment) {
  balance::NodeOptions made = balancer;
  made.balancer.reset();
  made.folder /= "worker";
  CANOPY_TRY(ListenAddress above, parse_listen(address, "listen"));
  if (above.host == "0.0.0.0") above.host = "127.0.0.1";
  if (above.host == "::") above.host = "::1";
  CANOPY_TRY(made.parents, find_parents({above}, environment));
  balance::Parent& parent = made.parents.front();
  if (!balancer.balancer->tls) parent.tls = nullptr;
  if (!balancer.balancer->tls || parent.tls) return made;
  return fail(Code::invalid,
              "a balancer that is a worker, too, joins itself, in TLS where it has --tls-cert: " +
                  std::string(trust_variable) +
                  " has to name what its certificate is checked "
                  "against, for " +
                  parent.host);
}

// A server's code lies where a node keeps what it fetched, and would be thrown out as that is.
Result<void> check_folder(const std::filesystem::path& folder) {
  std::error_code error;
  for (const char* const servers : {"catalog.db", "node.token"}) {
    if (!std::filesystem::exists(folder / servers, error)) continue;
    return fail(
        Code::invalid,
        folder.string() + " is the data folder of a server; give this node one of its own with --data");
  }
  return {};
}

}  // namespace

Result<int> node(Command& command, Terminal& terminal) {
  const NodeSettings& settings = command.flags.node;
  CANOPY_TRY(const auto addresses, check_node_settings(settings));
  balance::NodeOptions options = node_options(settings, command);
  CANOPY_TRY_VOID(check_folder(options.folder));
  CANOPY_TRY(options.token, find_token(settings, command.environment));
  CANOPY_TRY(options.parents, find_parents(addresses, command.environment));
  if (!start_log(settings.log_level)) {
    return fail(Code::invalid, "--log-level=" + settings.log_level + " is no level");
  }
  if (is_balancer(settings)) {
    CANOPY_TRY(options.balancer, balancer_options(settings));
  }
  CANOPY_TRY_VOID(raise_walls(walls_of(settings, options.folder), command.environment));
  options.walls = std::make_shared<const Walls>(wall::read_own_walls());
  prepare_process();
  StopSignals signals;
  Refusal refusal;
  terminal.out() << terminal.bold("canopy " + command.version) << " " << settings.role << " " << options.name
                 << '\n'
                 << "joins      " << settings.join << '\n'
                 << "data       " << options.folder.lexically_normal().string() << '\n'
                 << "cores      " << options.core_count << '\n'
                 << "walls      " << describe(*options.walls) << '\n'
                 << std::flush;
  if (is_worker(settings)) terminal.out() << "slots      " << options.slots << '\n' << std::flush;
  const balance::NodeRuntimeMaker make_runtimes =
      [&settings](const std::vector<exec::Core*>& cores, net::BlockingPool& disk, balance::CodeCache& code) {
        return make_node_runtimes(settings, cores, disk, code);
      };
  const auto on_refused = [&refusal](const Error& why) { refusal.tell(why); };
  CANOPY_TRY(const auto running, balance::Node::start(options, make_runtimes, on_refused, command.clock));
  std::unique_ptr<balance::Node> worker;
  if (is_balancer(settings)) {
    terminal.out() << "nodes      join at " << running->address() << '\n' << std::flush;
    if (is_worker(settings)) {
      CANOPY_TRY(auto own, own_worker(options, running->address(), command.environment));
      CANOPY_TRY(worker, balance::Node::start(std::move(own), make_runtimes, on_refused, command.clock));
    }
  }
  terminal.out() << "joining; Ctrl-C stops it\n" << std::flush;
  std::array<pollfd, 2> wanted = {{{signals.descriptor(), POLLIN, 0}, {refusal.descriptor(), POLLIN, 0}}};
  // Without a deadline: this waits for a person, or for the gateway.
  while (poll(wanted.data(), wanted.size(), -1) < 0 && errno == EINTR) {
  }
  if (auto why = refusal.why()) return tl::unexpected(*std::move(why));
  terminal.out() << "stopping when what runs has ended; a second Ctrl-C stops at once\n" << std::flush;
  signals.wait();
  signals.quit_at_next();
  if (running->drain(settings.drain_timeout)) return 0;
  return fail(Code::deadline, "some calls had not ended within " + duration_text(settings.drain_timeout) +
                                  " and were cancelled; raise --drain-timeout if they need longer");
}

}  // namespace canopy::cli
