#include "cli/cluster.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "balance/code_piece.h"
#include "balance/proof.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "cli/files.h"
#include "policy/dispatch.h"
#include "policy/place.h"
#include "store/catalog.h"
#include "wire/join_frames.h"
#include "worker/remote.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

static_assert(std::ranges::equal(placement_rules, policy::placement_names));

// For its owner's eyes alone from the first byte on.
Result<void> write_new_token(const fs::path& path, std::string_view text) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      fsync(file.get()) == 0) {
    return {};
  }
  Error error{Code::unavailable, "cannot write the join token " + path.string() + ": " +
                                     std::strerror(errno)};  // NOLINT(concurrency-mt-unsafe)
  if (file) unlink(path.c_str());                            // The next start would read a part of it.
  return tl::unexpected(std::move(error));
}

constexpr std::size_t token_file_bytes_max = 4096;

// The one in the data folder is made at the first start.
Result<std::string> find_token(const Options& options, const fs::path& data) {
  const fs::path path =
      options.node_token_file.empty() ? data / "node.token" : fs::path(options.node_token_file);
  std::error_code error;
  if (options.node_token_file.empty() && !fs::exists(path, error)) {
    std::string token = balance::make_token();
    CANOPY_TRY_VOID(write_new_token(path, token + "\n"));
    return token;
  }
  CANOPY_TRY(const std::string text, read_file(path.string(), token_file_bytes_max));
  auto token = balance::read_token(text);
  if (!token) return fail(Code::invalid, path.string() + ": " + token.error().message);
  return token;
}

// Pieces of stored code, read on the disk pool.
balance::ReadCode make_code_reader(store::Catalog& catalog, net::BlockingPool& disk) {
  const auto read = [&catalog](const wire::Want& want) -> Result<std::string> {
    CANOPY_TRY(const fs::path path, catalog.code_path(want.digest));
    return balance::read_code_piece(path, want.offset);
  };
  return [read, &disk](const wire::Want& want, const balance::CodeRead& done) {
    if (disk.post([read, want, done] { done(read(want)); })) return;
    done(fail(Code::unavailable, "too much work waits for the disk; try again soon"));
  };
}

net::CertificateFiles shown_to_nodes(const Options& options) {
  if (!options.node_cert.empty()) return {.certificate = options.node_cert, .key = options.node_key};
  return {.certificate = options.tls_cert, .key = options.tls_key};
}

}  // namespace

Result<std::shared_ptr<balance::Members>> start_members(const api::RuntimeParts& parts,
                                                        const fs::path& data) {
  const Options& options = parts.options;
  const std::size_t core_count = parts.cores.size();
  const auto share = [core_count](std::uint64_t all) {
    return std::max<std::uint64_t>((all + core_count - 1) / core_count, 1);
  };
  CANOPY_TRY(const ListenAddress address, parse_listen(options.node_listen, "node-listen"));
  balance::MembersOptions made;
  made.host = address.host;
  made.port = address.port;
  CANOPY_TRY(made.token, find_token(options, data));
  made.silence_max = options.worker_silence;
  made.crew.running_max = share(options.instances_max);
  made.crew.waiting_max = share(options.queue_max);
  made.crew.nobody =
      "no worker has joined this server; start one with canopy node, or have calls run here "
      "with canopy dispatch local";
  made.crew.all_busy = "start another with canopy node, or give them more --slots";
  CANOPY_TRY(made.rules.mode, policy::parse_dispatch(options.dispatch));
  CANOPY_TRY(made.crew.placement, policy::parse_placement(options.placement));
  const net::CertificateFiles own = shown_to_nodes(options);
  if (!own.certificate.empty()) {
    CANOPY_TRY(made.tls, net::TlsContext::for_server(own, options.node_ca));
  } else if (!address.loopback) {
    log::warn(
        "workers join at {} without TLS: code, inputs and replies can be read on the way; give --node-cert "
        "and --node-key, or use a private network",
        options.node_listen);
  }
  auto members = std::make_shared<balance::Members>(std::move(made), parts.cores,
                                                    make_code_reader(parts.catalog, parts.disk), parts.clock);
  CANOPY_TRY_VOID(members->start());
  return members;
}

exec::Runtimes dispatch_among(exec::Runtimes local, const std::shared_ptr<balance::Members>& members) {
  exec::Runtimes made;
  const worker::ChooseWay choose = [raw = members.get()](const Function& function) {
    return raw->way_of(function);
  };
  for (auto& [name, runtime] : local) {
    made.emplace(name, worker::make_dispatch_runtime(std::move(runtime), members->crews(), choose));
  }
  return made;
}

}  // namespace canopy::cli
