#include "model/function.h"

#include "base/log.h"

namespace canopy {
namespace {

bool is_alnum(char c) { return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9'); }

}  // namespace

std::string to_text(const FunctionName& name) { return name.space + "/" + name.name; }

bool is_name_part(std::string_view part) {
  if (part.empty() || part.size() > name_part_size_max || !is_alnum(part.front())) return false;
  for (const char c : part) {
    if (!is_alnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return part.find("..") == std::string_view::npos;
}

Result<FunctionName> make_function_name(std::string_view space, std::string_view name) {
  for (const std::string_view part : {space, name}) {
    if (is_name_part(part)) continue;
    return fail(Code::invalid, "'" + log_safe(part, 80) +
                                   "' is not a name: use 1 to 63 letters, digits, '-', '_' "
                                   "or '.', beginning with a letter or digit, without '..'");
  }
  return FunctionName{std::string(space), std::string(name)};
}

Result<FunctionName> parse_function_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return make_function_name("default", text);
  return make_function_name(text.substr(0, slash), text.substr(slash + 1));
}

}  // namespace canopy
