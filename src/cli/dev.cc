#include "cli/dev.h"

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include <poll.h>

#include "base/log.h"
#include "cli/client.h"
#include "cli/files.h"
#include "cli/process.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "cli/upload.h"
#include "cli/watch.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

bool has_own_url(const Command& command) { return command.flags.url != Flags().url; }

// The server of this session: one that is there, or one of our own.
class DevServer {
 public:
  static Result<std::unique_ptr<DevServer>> find(const Command& command, Terminal& terminal) {
    auto made = std::make_unique<DevServer>();
    const auto there = Client(command).ask({.target = "/healthz", .timeout = std::chrono::seconds(5)});
    if (there) return made;
    if (has_own_url(command) || there.error().code != Code::unavailable) return tl::unexpected(there.error());
    CANOPY_TRY(made->data_, make_folder(command.environment));
    Options options;
    options.data = made->data_->path();
    options.log_level = "warning";
    start_log(options.log_level);
    prepare_process();
    CANOPY_TRY(made->server_, start_server(options, command.version, command.clock));
    terminal.err() << "no server answers at " << command.flags.url
                   << ", so one runs here until you end this\n";
    return made;
  }

  ~DevServer() {
    if (server_) server_->stop();
  }

 private:
  static Result<std::unique_ptr<TempFolder>> make_folder(const Environment& environment) {
    CANOPY_TRY(TempFolder folder, TempFolder::make(environment));
    return std::make_unique<TempFolder>(std::move(folder));
  }

  std::unique_ptr<TempFolder> data_;  // Outlives the server.
  std::unique_ptr<api::Server> server_;
};

class DevSession {
 public:
  DevSession(Command& command, Terminal& terminal, const StopSignals& signals)
      : command_(command), terminal_(terminal), signals_(signals) {}

  // Builds and deploys. What goes wrong is shown, and is no end; but not what goes wrong because it is to
  // end: Ctrl-C ends compilers, too.
  void turn() {
    const Time began = command_.clock.now();
    const auto done = deploy();
    if (!done && is_to_end()) return;
    if (!done) {
      say(terminal_.red("failed: ") + done.error().message);
      return;
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(command_.clock.now() - began);
    say(terminal_.green("deployed ") + *done + " in " + duration_text(took));
    if (!logs_ || !logs_->is_alive()) follow_logs();
  }

 private:
  // What was deployed, in words.
  Result<std::string> deploy() {
    // Read anew: the manifest may be what has changed.
    CANOPY_TRY(const Project project, find_project(command_.arguments.front(), command_.flags.name));
    CANOPY_TRY(const Upload upload, make_upload(project, command_.flags, command_, terminal_));
    CANOPY_TRY(const Uploaded uploaded, send_upload(upload, Client(command_), terminal_));
    name_ = upload.name;
    return to_text(name_) + " version " + std::to_string(count_field(uploaded.function, "version")) + " at " +
           text_field(uploaded.function, "url");
  }

  void follow_logs() {
    const ProcessRequest request{.arguments = {"/proc/self/exe", "logs", to_text(name_), "-f", "--tail=0"},
                                 .variables = {"CANOPY_URL=" + command_.flags.url}};
    auto started = Companion::start(request, command_.environment);
    logs_.reset();
    if (started) {
      logs_.emplace(*std::move(started));
    } else {
      say("the logs cannot be followed: " + started.error().message);
    }
  }

  bool is_to_end() const {
    pollfd wanted = {signals_.descriptor(), POLLIN, 0};
    return poll(&wanted, 1, 0) > 0;
  }

  void say(const std::string& text) { terminal_.out() << text << '\n' << std::flush; }

  Command& command_;
  Terminal& terminal_;
  const StopSignals& signals_;
  FunctionName name_;
  std::optional<Companion> logs_;
};

}  // namespace

Result<int> dev(Command& command, Terminal& terminal) {
  const fs::path path = command.arguments.front();
  CANOPY_TRY(const Project project, find_project(path, command.flags.name));  // Before anything is started.
  StopSignals signals;
  CANOPY_TRY(Watcher watcher, Watcher::watch(path));
  CANOPY_TRY(const auto server, DevServer::find(command, terminal));
  DevSession session(command, terminal, signals);
  session.turn();
  terminal.out() << terminal.faint("watching " + path.string() + "; Ctrl-C ends it") << '\n' << std::flush;
  while (true) {
    std::array<pollfd, 2> wanted = {{{signals.descriptor(), POLLIN, 0}, {watcher.descriptor(), POLLIN, 0}}};
    // Without a deadline: this waits for a person.
    if (poll(wanted.data(), wanted.size(), -1) < 0) continue;
    if (wanted[0].revents != 0) break;
    if (wanted[1].revents != 0 && watcher.settle()) session.turn();
  }
  terminal.out() << '\n';
  return 0;
}

}  // namespace canopy::cli
