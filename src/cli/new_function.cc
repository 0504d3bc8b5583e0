#include "cli/new_function.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/nearest.h"
#include "cli/embedded.h"
#include "cli/files.h"
#include "model/function.h"
#include "wire/values.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 7> languages = {"c", "container", "cpp", "go", "js", "python", "rust"};
constexpr std::string_view placeholder = "FUNCTION_NAME";

std::string filled(std::string_view text, const std::string& name) {
  std::string out;
  while (true) {
    const std::size_t at = text.find(placeholder);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += name;
    text.remove_prefix(at + placeholder.size());
  }
}

Result<void> check_language(std::string_view language) {
  if (std::ranges::find(languages, language) != languages.end()) return {};
  return fail(Code::invalid,
              wire::in_quotes(language) +
                  " is no language for functions; choose c, container, cpp, go, js, python or rust" +
                  did_you_mean(language, languages));
}

}  // namespace

Result<int> new_function(Command& command, Terminal& terminal) {
  const std::string& language = command.arguments.at(0);
  CANOPY_TRY_VOID(check_language(language));
  const fs::path folder = fs::path(command.arguments.at(1)).lexically_normal();
  const std::string name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  if (!is_name_part(name)) {
    return fail(Code::invalid, wire::in_quotes(name) +
                                   " is not a name for a function: it has 1 to 63 letters, digits, "
                                   "'-', '_' or '.', and begins with a letter or a digit");
  }
  std::error_code error;
  if (fs::exists(folder, error) && !(fs::is_directory(folder, error) && fs::is_empty(folder, error))) {
    return fail(Code::conflict,
                folder.string() + " is there already; choose another name, or remove it first");
  }
  const std::string prefix = "templates/" + language + "/";
  for (const EmbeddedFile& file : embedded_files()) {
    if (!file.path.starts_with(prefix)) continue;
    const fs::path path = folder / filled(file.path.substr(prefix.size()), name);
    CANOPY_TRY_VOID(write_file(path, filled(file.content, name)));
    terminal.out() << "  " << path.string() << '\n';
  }
  const std::string where = folder.string();
  terminal.out() << (language == "container" ? "a container function" : "a function in " + language)
                 << " is in " << where << "\n\n"
                 << "  canopy dev " << where << "           build, deploy, again on every change\n"
                 << "  canopy deploy " << where << "        once\n"
                 << "  canopy invoke " << name << " -d @" << where << "/input\n";
  return 0;
}

}  // namespace canopy::cli
