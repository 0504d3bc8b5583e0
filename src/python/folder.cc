#include "python/folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/log.h"
#include "python/child.h"
#include "wire/python_frames.h"
#include "wire/requirements.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t words_kept = 4 * KiB;
constexpr std::size_t packet_bytes_max = 64 * KiB;
constexpr std::size_t requirements_bytes_max = 256 * KiB;
// Of our environment the installer gets these: where to get packages from, and how to trust it.
constexpr std::array variables = {
    "PIP_INDEX_URL",       "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX",  "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT", "PIP_TRUSTED_HOST",    "HTTP_PROXY",     "HTTPS_PROXY",   "NO_PROXY",
    "http_proxy",          "https_proxy",         "no_proxy",       "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE"};

tl::unexpected<Error> cannot(std::string_view what, const fs::path& path, const std::error_code& error) {
  return fail(Code::unavailable,
              "cannot " + std::string(what) + " " + path.string() + ": " + error.message());
}

Result<void> copy_to(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error) return cannot("write", to, error);
  fs::permissions(
      to, fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read | fs::perms::others_read,
      error);
  if (error) return cannot("write", to, error);
  return {};
}

// All folders may be entered by the user that calls run as.
void open_folders(const fs::path& top) {
  std::error_code error;
  constexpr fs::perms wanted = fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                               fs::perms::others_read | fs::perms::others_exec;
  fs::permissions(top, wanted, error);
  for (auto at = fs::recursive_directory_iterator(top, error); at != fs::recursive_directory_iterator();
       at.increment(error)) {
    if (error) return;
    std::error_code ignored;
    if (at->is_directory(ignored) && !at->is_symlink(ignored)) fs::permissions(at->path(), wanted, ignored);
  }
}

// Reads what it prints until it ends; the last of it. False where the time was over first, or it is to stop.
bool listen(const Descriptor& from, Time deadline, const std::stop_token& stop, std::string& words) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
    pollfd wanted{from.get(), POLLIN, 0};
    if (left.count() <= 0 || stop.stop_requested()) return false;
    const int found = poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 500)));
    if (found < 0 && errno != EINTR) return false;
    if (found <= 0) continue;
    std::array<char, 4096> piece{};
    const ssize_t got = read(from.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    words.append(piece.data(), static_cast<std::size_t>(got));
    if (words.size() > 2 * words_kept) words.erase(0, words.size() - words_kept);
  }
}

// Why it never became the installer; nothing where it did.
std::optional<Error> hear_broken(const Descriptor& control) {
  std::string bytes(packet_bytes_max, '\0');
  const ssize_t got = recv(control.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got <= 0) return std::nullopt;
  const auto packet =
      wire::read_python_packet(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)));
  if (!packet || packet->kind != wire::PythonPacket::Kind::broken) return std::nullopt;
  return Error{Code::unavailable, packet->text};
}

// In /site, and left there for as long as the installer runs: what it is asked for.
Result<void> write_requirements(const fs::path& made) {
  std::ifstream from(made / "function" / "requirements.txt", std::ios::binary);
  std::string text(requirements_bytes_max + 1, '\0');
  from.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (from.bad() || (from.fail() && !from.eof())) {
    return fail(Code::refused, "requirements.txt is no file; write the packages into it, a line each");
  }
  text.resize(static_cast<std::size_t>(from.gcount()));
  if (text.size() > requirements_bytes_max) {
    return fail(Code::refused, "requirements.txt has more than " + size_text(requirements_bytes_max) +
                                   "; name fewer packages");
  }
  CANOPY_TRY(const std::string plain, wire::plain_requirements(text));
  const fs::path to = made / "site" / requirements_file;
  std::ofstream file(to, std::ios::binary);
  file << plain;
  file.close();
  std::error_code error;
  fs::permissions(to, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read, error);
  if (file && !error) return {};
  return fail(Code::unavailable, "cannot write " + to.string() + ": is the disk full?");
}

}  // namespace

Result<fs::path> Folders::lay_out(const Function& function, const std::string& name) const {
  CANOPY_TRY(const fs::path made, folders_.begin(name));
  std::error_code error;
  fs::create_directories(made / "function", error);
  if (!error) fs::create_directories(made / "site", error);
  if (error) return cannot("make", made, error);
  for (const FunctionFile& file : function.files) {
    CANOPY_TRY(const fs::path from, find_code_(file.digest));
    CANOPY_TRY_VOID(copy_to(from, made / "function" / file.path));
  }
  CANOPY_TRY(const fs::path code, find_code_(function.digest));
  CANOPY_TRY_VOID(copy_to(code, made / "function" / "handler.py"));
  open_folders(made);
  return made;
}

Result<void> install(const Interpreter& interpreter, const fs::path& made, const InstallOptions& options,
                     const std::stop_token& stop) {
  CANOPY_TRY_VOID(write_requirements(made));
  LaunchPlan plan;
  plan.interpreter = interpreter.program;
  plan.install = true;
  plan.sandbox = {.prefix = interpreter.prefix,
                  .function = made / "function",
                  .site = made / "site",
                  .writable_site = true,
                  .network = true,
                  .memory_bytes = options.memory_bytes,
                  .processes = options.processes};
  for (const char* const name : variables) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any.
    if (value != nullptr) plan.env.push_back(std::string(name) + "=" + value);
  }
  CANOPY_TRY(Launched launched, launch(plan));
  std::string words;
  const bool ended = listen(launched.output, system_clock().now() + options.timeout, stop, words);
  const auto status = ended ? wait_for_child(launched.process, std::chrono::seconds(10)) : std::nullopt;
  if (!status) static_cast<void>(kill_child(launched.process));
  if (auto broken = hear_broken(launched.control)) return tl::unexpected(*std::move(broken));
  if (words.size() > words_kept) words.erase(0, words.size() - words_kept);
  if (!ended && stop.stop_requested()) {
    return fail(Code::unavailable,
                "requirements.txt is not installed: the server stops; deploy it again once it runs");
  }
  if (!ended || !status) {
    return fail(Code::limit, "installing requirements.txt took longer than " +
                                 duration_text(options.timeout) + "; the installer's last words:\n" + words);
  }
  if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) {
    std::error_code ignored;
    fs::remove_all(made / "site" / installer_folder, ignored);
    fs::remove(made / "site" / requirements_file, ignored);
    open_folders(made / "site");
    return {};
  }
  if (words.find("No module named pip") != words.npos) {
    return fail(Code::unavailable,
                "requirements.txt is installed by pip, and this machine's Python has none: apt-get install "
                "python3-pip");
  }
  return fail(Code::refused, "installing requirements.txt failed:\n" + words);
}

}  // namespace canopy::python
