#include "cli/cert.h"

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"
#include "cli/files.h"
#include "model/function.h"
#include "net/certificate.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t file_bytes_max = 64 * KiB;
constexpr Duration a_day = std::chrono::hours(24);
constexpr Duration authority_time = 10 * 365 * a_day;
constexpr Duration certificate_time = 365 * a_day;

Duration time_of(const Flags& flags, Duration usual) {
  return flags.expires.count() == 0 ? usual : flags.expires;
}

// A key that is there may be in use, and is not written over.
Result<void> write_new(const fs::path& path, std::string_view text, mode_t mode) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file && errno == EEXIST) {
    return fail(Code::conflict,
                path.string() + " is there; move it away, or choose another folder with --folder");
  }
  if (file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      fsync(file.get()) == 0) {
    return {};
  }
  const std::string why = std::error_code(errno, std::system_category()).message();
  if (file) unlink(path.c_str());
  return fail(Code::unavailable, "cannot write " + path.string() + ": " + why);
}

Result<void> keep(const fs::path& folder, const std::string& name, const net::Credentials& made,
                  Terminal& terminal) {
  CANOPY_TRY_VOID(write_new(folder / (name + ".key"), made.key, 0600));
  CANOPY_TRY_VOID(write_new(folder / (name + ".pem"), made.certificate, 0644));
  terminal.out() << (folder / (name + ".pem")).string() << '\n'
                 << (folder / (name + ".key")).string() << '\n';
  return {};
}

Result<net::Credentials> read_authority(const fs::path& folder) {
  const auto read = [&folder](const char* name) -> Result<std::string> {
    auto text = read_file(folder / name, file_bytes_max);
    if (text || text.error().code != Code::not_found) return text;
    return fail(Code::not_found, "there is no authority in " + folder.string() +
                                     "; make one with canopy cert "
                                     "authority, or name its folder with --folder");
  };
  net::Credentials authority;
  CANOPY_TRY(authority.certificate, read("ca.pem"));
  CANOPY_TRY(authority.key, read("ca.key"));
  return authority;
}

// It is a file's, too.
Result<void> check_name(const std::string& name) {
  if (is_name_part(name) && name != "ca" && name != "server") return {};
  return fail(Code::invalid,
              '"' + log_safe(name, 80) +
                  "\" cannot be the name of a node's certificate: use letters, digits, '-', '_' "
                  "and '.', and neither ca nor server");
}

}  // namespace

Result<int> explain_certificates(Command& /*command*/, Terminal& /*terminal*/) {
  return fail(Code::invalid,
              "say what to make: canopy cert authority, canopy cert server HOST..., canopy cert worker NAME, "
              "or canopy "
              "cert balancer NAME HOST...");
}

Result<int> make_authority(Command& command, Terminal& terminal) {
  const Duration valid_for = time_of(command.flags, authority_time);
  CANOPY_TRY(const net::Credentials made,
             net::make_authority("Canopy workers", command.clock.wall_now(), valid_for));
  CANOPY_TRY_VOID(keep(command.flags.folder, "ca", made, terminal));
  terminal.err()
      << "made an authority; who has ca.key can let workers join, so keep it where no server and no "
         "worker reads it\n";
  return 0;
}

Result<int> make_server_certificate(Command& command, Terminal& terminal) {
  const fs::path folder = command.flags.folder;
  CANOPY_TRY(const net::Credentials authority, read_authority(folder));
  CANOPY_TRY(const net::Credentials made,
             net::make_server_certificate(authority, command.arguments, command.clock.wall_now(),
                                          time_of(command.flags, certificate_time)));
  CANOPY_TRY_VOID(keep(folder, "server", made, terminal));
  terminal.err() << "made a certificate for a server; start it with --tls-cert and --tls-key, or, where only "
                    "workers are to be shown it, --node-cert and --node-key, and with --node-ca="
                 << (folder / "ca.pem").string() << '\n';
  return 0;
}

Result<int> make_balancer_certificate(Command& command, Terminal& terminal) {
  const fs::path folder = command.flags.folder;
  const std::string& name = command.arguments.front();
  CANOPY_TRY_VOID(check_name(name));
  CANOPY_TRY(const net::Credentials authority, read_authority(folder));
  const std::vector<std::string> hosts(command.arguments.begin() + 1, command.arguments.end());
  CANOPY_TRY(const net::Credentials made,
             net::make_balancer_certificate(authority, name, hosts, command.clock.wall_now(),
                                            time_of(command.flags, certificate_time)));
  CANOPY_TRY_VOID(keep(folder, name, made, terminal));
  terminal.err()
      << "made a certificate for a balancer; give it these two files, with --tls-cert and --tls-key "
         "for those who join it and in CANOPY_JOIN_CERT and CANOPY_JOIN_KEY for whom it joins, and "
         "ca.pem as --node-ca and in CANOPY_JOIN_CA\n";
  return 0;
}

Result<int> make_worker_certificate(Command& command, Terminal& terminal) {
  const fs::path folder = command.flags.folder;
  const std::string& name = command.arguments.front();
  CANOPY_TRY_VOID(check_name(name));
  CANOPY_TRY(const net::Credentials authority, read_authority(folder));
  CANOPY_TRY(const net::Credentials made,
             net::make_client_certificate(authority, name, command.clock.wall_now(),
                                          time_of(command.flags, certificate_time)));
  CANOPY_TRY_VOID(keep(folder, name, made, terminal));
  terminal.err() << "made a certificate for a worker; give it these two files, in CANOPY_JOIN_CERT and "
                    "CANOPY_JOIN_KEY, and ca.pem in CANOPY_JOIN_CA\n";
  return 0;
}

}  // namespace canopy::cli
