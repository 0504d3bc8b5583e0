#include "store/deploy_rules.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "base/log.h"

namespace canopy::store {
namespace {

constexpr std::size_t path_size_max = 4096;

// Relative, and made of proper names only: what could point elsewhere is refused.
bool is_normal_path(std::string_view path) {
  if (path.empty() || path.size() > path_size_max || path.find('\0') != std::string_view::npos) return false;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash + 1 == path.size()) return false;  // It ends in '/'.
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return true;
}

Result<void> check_files(const Function& function) {
  std::set<std::string_view> paths;
  for (const FunctionFile& file : function.files) {
    const std::string shown = "the file '" + log_safe(file.path, 200) + "' of " + to_text(function.name);
    if (!is_normal_path(file.path)) {
      return fail(Code::invalid, shown + " needs a relative path without '.', '..' and empty parts");
    }
    if (!paths.insert(file.path).second) return fail(Code::invalid, shown + " is there twice; leave one out");
  }
  for (const std::string_view path : paths) {
    for (std::size_t at = path.find('/'); at != std::string_view::npos; at = path.find('/', at + 1)) {
      if (!paths.contains(path.substr(0, at))) continue;
      return fail(Code::invalid, "'" + log_safe(path.substr(0, at), 200) + "' of " + to_text(function.name) +
                                     " is both a file and a folder; rename one");
    }
  }
  return {};
}

Result<void> check_env(const Function& function) {
  constexpr std::string_view nul("\0", 1);
  for (const auto& [key, value] : function.env) {
    if (key.empty() || key.find('=') != std::string::npos || key.find(nul) != std::string::npos ||
        value.find(nul) != std::string::npos) {
      return fail(Code::invalid, "the variable '" + log_safe(key, 200) + "' of " + to_text(function.name) +
                                     " needs a name without '=', and no zero byte in name or value");
    }
  }
  return {};
}

}  // namespace

Result<void> make_ready(Function& function) {
  if (const auto name = make_function_name(function.name.space, function.name.name); !name) {
    return tl::unexpected(name.error());
  }
  std::uint64_t bytes = function.runtime.size();
  for (const auto& [key, value] : function.env) bytes += key.size() + value.size();
  for (const FunctionFile& file : function.files) bytes += file.path.size();
  if (bytes > description_bytes_max) {
    return fail(Code::too_large, "the variables and file names of " + to_text(function.name) + " have " +
                                     size_text(bytes) + ", and " + size_text(description_bytes_max) +
                                     " is the limit");
  }
  if (function.files.size() > file_count_max) {
    return fail(Code::too_large, to_text(function.name) + " has " + std::to_string(function.files.size()) +
                                     " files, and " + std::to_string(file_count_max) + " is the limit");
  }
  CANOPY_TRY_VOID(check_env(function));
  CANOPY_TRY_VOID(check_files(function));
  std::ranges::sort(function.files, {}, &FunctionFile::path);
  return {};
}

bool same_deployment(const Function& a, const Function& b) {
  return std::tie(a.name, a.digest, a.code_bytes, a.runtime, a.limits, a.env, a.files) ==
         std::tie(b.name, b.digest, b.code_bytes, b.runtime, b.limits, b.env, b.files);
}

std::vector<std::uint32_t> outdated(const std::vector<std::uint32_t>& versions, std::uint32_t current,
                                    std::uint32_t before, std::size_t count_max) {
  std::vector<std::uint32_t> gone;
  for (const std::uint32_t version : versions) {
    if (versions.size() - gone.size() <= count_max) break;
    if (version != current && version != before) gone.push_back(version);
  }
  return gone;
}

AuditEntry audit_line(std::string_view action, const FunctionName& name, std::uint32_t version,
                      const Actor& actor, WallTime at) {
  return {.at = at,
          .user = actor.user,
          .key = actor.key,
          .action = std::string(action),
          .target = to_text(name),
          .detail = version == 0 ? "" : "version " + std::to_string(version)};
}

Error no_function(const FunctionName& name) {
  return {
      .code = Code::not_found,
      .message = "there is no function " + log_safe(to_text(name)) + "; `canopy list` shows those there are"};
}

Error no_version(const FunctionName& name, std::uint32_t version) {
  return {.code = Code::not_found,
          .message = to_text(name) + " has no version " + std::to_string(version) + "; `canopy describe " +
                     to_text(name) + "` shows those there are"};
}

Error no_earlier_version(const Function& current) {
  return {.code = Code::conflict,
          .message = to_text(current.name) + " has no version before " + std::to_string(current.version) +
                     ", the current one; say which version to go to"};
}

}  // namespace canopy::store
