#include "cli/raise_walls.h"

#include <algorithm>
#include <optional>

#include <unistd.h>

#include "base/log.h"
#include "cli/process.h"
#include "wall/confine.h"
#include "wall/control_group.h"
#include "wall/read_walls.h"
#include "wall/user.h"

namespace canopy::cli {
namespace {

constexpr const char* off = "off";

bool may_start_containers(const WallSettings& settings, const Environment& environment) {
  if (geteuid() != 0 || settings.container_engine == off) return false;
  if (settings.container_engine != "docker" && find_program(settings.runc, environment)) return true;
  return settings.container_engine != "runc" && access(settings.docker_socket.c_str(), F_OK) == 0;
}

wall::FilterKind filter_for(const WallSettings& settings, const Environment& environment) {
  if (may_start_containers(settings, environment)) return wall::FilterKind::containers;
  return settings.python == off ? wall::FilterKind::program : wall::FilterKind::python;
}

bool needs_low_ports(const WallSettings& settings) {
  const std::uint16_t free = wall::first_free_port();
  return std::ranges::any_of(settings.listen, [free](const std::string& text) {
    const auto address = parse_listen(text);
    return address && address->port != 0 && address->port < free;
  });
}

// Python functions need groups of their own in it, where nobody else may make any.
void enter_group(const WallSettings& settings, const std::optional<wall::User>& user) {
  std::optional<wall::GroupOwner> owner;
  if (user && geteuid() == 0) owner = {.user = user->id, .group = user->group};
  const bool is_for_python = owner && settings.python != off;
  const bool is_asked_for = settings.memory_bytes != 0 || settings.tasks != 0;
  if (!is_asked_for && !is_for_python) return;
  const auto entered =
      wall::enter_own_group({.memory_bytes = settings.memory_bytes, .tasks = settings.tasks}, owner);
  if (entered || !is_asked_for) return;  // What Python functions lack is said with the first of them.
  log::warn("{}", entered.error().message);
  wall::note_no_group(entered.error().message);
}

Result<void> become(const wall::User& user, const WallSettings& settings) {
  const bool was_root = geteuid() == 0;
  if (was_root) CANOPY_TRY_VOID(wall::prepare_folder(settings.data, user));
  CANOPY_TRY_VOID(wall::become(user, needs_low_ports(settings)));
  if (!was_root) return {};
  if (access(settings.data.c_str(), R_OK | W_OK | X_OK) != 0) {
    return fail(Code::invalid, "--user=" + user.name + ": that user does not get to " +
                                   settings.data.string() +
                                   ", since a folder above is closed to it; keep the data elsewhere, for "
                                   "instance --data=/var/lib/canopy");
  }
  if (settings.container_engine != off) {
    log::info("as the user {} this process starts no containers, which takes root", user.name);
  }
  return {};
}

}  // namespace

WallSettings walls_of(const Options& options) {
  std::error_code error;
  WallSettings made{.user = options.user,
                    .memory_bytes = options.wall_memory_bytes,
                    .tasks = options.wall_tasks,
                    .data = std::filesystem::absolute(options.data, error),
                    .listen = split_addresses(options.hyperfaas_listen),
                    .python = options.python,
                    .container_engine = options.container_engine,
                    .runc = options.runc,
                    .docker_socket = options.docker_socket};
  for (const std::string& one : {options.listen, options.node_listen, options.hyperfaas_database}) {
    if (!one.empty()) made.listen.push_back(one);
  }
  return made;
}

Result<void> raise_walls(const WallSettings& settings, const Environment& environment) {
  std::optional<wall::User> user;
  if (!settings.user.empty()) {
    CANOPY_TRY(user, wall::find_user(settings.user));
  }
  enter_group(settings, user);
  if (user) CANOPY_TRY_VOID(become(*user, settings));
  if (const auto confined = wall::confine(filter_for(settings, environment)); !confined) {
    log::warn("{}", confined.error().message);
  }
  return {};
}

}  // namespace canopy::cli
