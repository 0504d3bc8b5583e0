#include "cli/project.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "cli/files.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view manifest_file = "canopy.yaml";
constexpr std::size_t files_max = 1000;

bool is_manifest(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

fs::path whole(const fs::path& path) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();  // Without a '/' at its end.
}

Result<FunctionName> name_from(const fs::path& source) {
  std::error_code error;
  const fs::path path = whole(source);
  const std::string stem = (fs::is_directory(path, error) ? path.filename() : path.stem()).string();
  auto name = make_function_name("default", stem);
  if (name) return name;
  return fail(Code::invalid, "\"" + stem + "\" is not a name for a function; give one with --name=ns/fn");
}

// Where the code of a function of the manifest at `file` is: the folder itself, if it does not say.
fs::path source_of(const wire::Manifest& manifest, const fs::path& file) {
  const fs::path folder = whole(file).parent_path();
  if (manifest.code) return folder / *manifest.code;
  if (manifest.path) return folder / *manifest.path;
  return folder;
}

Result<std::vector<wire::Manifest>> read_manifests(const fs::path& file) {
  CANOPY_TRY(const std::string text, read_file(file, MiB));
  return wire::parse_project(text, file.string());
}

std::string names_of(const std::vector<Project>& projects) {
  std::string names;
  for (const Project& project : projects) names += (names.empty() ? "" : ", ") + to_text(project.name);
  return names;
}

Result<Project> choose(std::vector<Project> projects, const fs::path& file, const std::string& name) {
  if (name.empty()) {
    if (projects.size() == 1) return std::move(projects.front());
    return fail(Code::invalid, file.string() + " has " + std::to_string(projects.size()) + " functions (" +
                                   names_of(projects) +
                                   "); choose one with --name, or all with canopy apply -f " + file.string());
  }
  CANOPY_TRY(const FunctionName wanted, parse_function_name(name));
  const auto found = std::ranges::find(projects, wanted, &Project::name);
  if (found != projects.end()) return std::move(*found);
  if (projects.size() == 1) {  // A flag renames.
    projects.front().name = wanted;
    return std::move(projects.front());
  }
  return fail(Code::not_found, file.string() + " has no function " + name + "; it has " + names_of(projects));
}

// The functions of the manifest beside a file that are made from that file, or from its whole folder.
std::vector<Project> projects_of(const fs::path& file, std::vector<Project> all) {
  std::erase_if(all, [&file](const Project& project) {
    return whole(project.source) != whole(file) && whole(project.source) != whole(file).parent_path();
  });
  for (Project& project : all) project.source = file;
  return all;
}

Result<FunctionName> name_of(const std::string& name, const fs::path& path) {
  return name.empty() ? name_from(path) : parse_function_name(name);
}

Result<void> add_files(const fs::path& host, const std::string& guest, std::vector<ProjectFile>& files) {
  std::error_code error;
  if (!fs::is_directory(host, error)) {
    files.push_back({.path = guest, .source = host});
    return {};
  }
  for (auto at = fs::recursive_directory_iterator(host, error); at != fs::recursive_directory_iterator();
       at.increment(error)) {
    if (error) break;
    if (!at->is_regular_file(error)) continue;
    if (files.size() == files_max) break;
    const fs::path below = at->path().lexically_relative(host);
    files.push_back({.path = (fs::path(guest) / below).lexically_normal().string(), .source = at->path()});
  }
  if (error)
    return fail(Code::unavailable, "cannot read the folder " + host.string() + ": " + error.message());
  return {};
}

}  // namespace

Result<std::vector<Project>> read_projects(const fs::path& file) {
  CANOPY_TRY(auto manifests, read_manifests(file));
  std::vector<Project> projects;
  for (wire::Manifest& manifest : manifests) {
    Project project;
    project.source = source_of(manifest, file);
    if (manifest.name) {
      project.name = *manifest.name;
    } else {
      CANOPY_TRY(project.name, name_from(project.source));
    }
    project.manifest = std::move(manifest);
    projects.push_back(std::move(project));
  }
  return projects;
}

Result<Project> find_project(const fs::path& path, const std::string& name) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    return fail(Code::not_found,
                "there is no " + path.string() + "; name a source file, a folder or a module");
  }
  const bool is_folder = fs::is_directory(path, error);
  const fs::path file = is_folder           ? path / manifest_file
                        : is_manifest(path) ? path
                                            : whole(path).parent_path() / manifest_file;
  if (fs::exists(file, error)) {
    // A manifest that cannot be read matters only where it is certainly meant.
    CANOPY_TRY(auto projects, read_projects(file));
    if (!is_folder && !is_manifest(path)) projects = projects_of(path, std::move(projects));
    if (!projects.empty()) return choose(std::move(projects), file, name);
  }
  CANOPY_TRY(FunctionName own, name_of(name, path));
  return Project{.name = std::move(own), .manifest = {}, .source = path};
}

Result<std::string> runtime_said_of(const fs::path& path) {
  std::error_code error;
  const fs::path source = whole(path);
  const fs::path folder = fs::is_directory(source, error) ? source : source.parent_path();
  const fs::path file = folder / manifest_file;
  std::string said;
  if (!fs::exists(source, error) || !fs::exists(file, error)) return said;
  CANOPY_TRY(const auto manifests, read_manifests(file));
  for (const wire::Manifest& manifest : manifests) {
    const fs::path made_from = whole(source_of(manifest, file));
    if (made_from == source) return manifest.runtime.value_or("");
    if (made_from == folder) said = manifest.runtime.value_or("");
  }
  return said;
}

Result<void> apply_flags(const Flags& flags, wire::Manifest& manifest) {
  if (!flags.runtime.empty()) manifest.runtime = flags.runtime;
  if (flags.memory_bytes != 0) manifest.memory_bytes = flags.memory_bytes;
  if (flags.timeout.count() != 0) manifest.timeout = flags.timeout;
  if (flags.concurrency != 0) manifest.concurrency = static_cast<std::uint32_t>(flags.concurrency);
  if (flags.keep_warm != 0) manifest.keep_warm = static_cast<std::uint32_t>(flags.keep_warm);
  if (flags.env.empty()) return {};
  auto env = manifest.env.value_or(std::map<std::string, std::string>());
  for (const std::string& text : flags.env) {
    auto variable = wire::parse_env(text);
    if (!variable) return fail(variable.error().code, "--env: " + variable.error().message);
    env.insert_or_assign(variable->first, variable->second);
  }
  CANOPY_TRY_VOID(wire::check_env(env));
  manifest.env = std::move(env);
  return {};
}

Result<std::vector<ProjectFile>> read_file_flags(const std::vector<std::string>& texts) {
  std::vector<ProjectFile> files;
  for (const std::string& text : texts) {
    const std::size_t colon = text.rfind(':');
    const std::string host = text.substr(0, colon);
    std::string guest = colon == std::string::npos ? text : text.substr(colon + 1);
    while (guest.starts_with('/')) guest.erase(0, 1);
    guest = fs::path(guest).lexically_normal().string();
    while (guest.ends_with('/')) guest.pop_back();
    if (host.empty() || guest.empty() || guest == ".." || guest.starts_with("../")) {
      return fail(Code::invalid, "--file=" + text + ": write HOST:GUEST, such as words.txt:data/words.txt");
    }
    std::error_code error;
    if (!fs::exists(host, error)) return fail(Code::not_found, "--file=" + text + ": there is no " + host);
    CANOPY_TRY_VOID(add_files(host, guest == "." ? "" : guest, files));
    if (files.size() >= files_max) {
      return fail(Code::too_large,
                  "--file: a function has less than " + std::to_string(files_max) + " files of its own");
    }
  }
  return files;
}

}  // namespace canopy::cli
