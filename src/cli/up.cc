#include "cli/up.h"

#include <filesystem>
#include <utility>

#include "base/log.h"
#include "cli/raise_walls.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "wall/read_walls.h"

namespace canopy::cli {
namespace {

Error explain(Error error) {
  if (error.message.find("the address is in use") != std::string::npos) {
    error.message += "; --listen=127.0.0.1:0 takes any that is free";
  }
  return error;
}

void print_start(const api::Server& server, const ParsedOptions& parsed, const Command& command,
                 Terminal& terminal) {
  std::error_code error;
  auto& out = terminal.out();
  out << terminal.bold("canopy " + command.version) << '\n'
      << "address    " << terminal.green(server.url()) << '\n'
      << "data       " << std::filesystem::absolute(parsed.options.data, error).lexically_normal().string()
      << '\n'
      << "cores      " << server.core_count() << '\n'
      << "walls      " << describe(wall::read_own_walls()) << '\n'
      << "functions  " << server.function_count() << '\n';
  for (const std::string& url : server.other_urls()) out << "besides    " << url << '\n';
  if (!server.node_address().empty()) {
    const auto& file = parsed.options.node_token_file;
    const std::filesystem::path token = file.empty()
                                            ? std::filesystem::path(parsed.options.data) / "node.token"
                                            : std::filesystem::path(file);
    out << "workers    join at " << server.node_address() << " with the token in "
        << std::filesystem::absolute(token, error).lexically_normal().string() << '\n';
  }
  if (!server.new_admin_key().empty()) {
    out << "admin key  " << terminal.bold(server.new_admin_key())
        << "  (shown once: keep it, and set CANOPY_KEY to it)\n";
  }
  for (const std::string& line : describe_changes(parsed)) out << "setting    " << line << '\n';
}

}  // namespace

Result<int> up(Command& command, Terminal& terminal) {
  const Time began = command.clock.now();
  CANOPY_TRY(ParsedOptions parsed, parse_options({.arguments = command.all_arguments,
                                                  .environment = command.environment.entries(),
                                                  .read_file = read_options_file}));
  const Options& options = parsed.options;
  CANOPY_TRY_VOID(check_exposure(options));
  if (!start_log(options.log_level))
    return fail(Code::invalid, "--log-level=" + options.log_level + " is no level");
  for (const std::string& warning : parsed.reading.warnings) log::warn("{}", warning);
  if (const auto map_count_max = read_map_count_max()) {
    if (const auto advice = check_map_count(options.instances_max, *map_count_max)) log::warn("{}", *advice);
  }
  CANOPY_TRY_VOID(raise_walls(walls_of(options), command.environment));
  prepare_process();
  StopSignals signals;
  auto server = start_server(options, command.version, command.clock);
  if (!server) return tl::unexpected(explain(std::move(server).error()));
  print_start(**server, parsed, command, terminal);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(command.clock.now() - began);
  terminal.out() << "ready in " << took.count() << " ms; Ctrl-C stops it\n" << std::flush;

  signals.wait();
  terminal.out() << "stopping when what runs has ended; a second Ctrl-C stops at once\n" << std::flush;
  signals.quit_at_next();
  const bool ended = (*server)->drain(options.drain_timeout);
  (*server)->stop();
  if (ended) return 0;
  return fail(Code::deadline, "some calls had not ended within " + duration_text(options.drain_timeout) +
                                  " and were cancelled; raise --drain-timeout if they need longer");
}

}  // namespace canopy::cli
