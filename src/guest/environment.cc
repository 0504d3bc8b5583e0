#include "guest/environment.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <utility>

namespace canopy::guest {
namespace {

char upper(char c) { return 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return upper(x) == upper(y); });
}

// HTTP_NAME, or nothing for a name that must not become a variable.
std::string header_variable(std::string_view name) {
  std::string variable = "HTTP_";
  for (const char c : name) {
    const char up = upper(c);
    const bool is_plain = ('A' <= up && up <= 'Z') || ('0' <= up && up <= '9');
    if (!is_plain && up != '-') return {};
    variable += up == '-' ? '_' : up;
  }
  if (name.empty() || same_name(name, "proxy") || same_name(name, "content-type") ||
      same_name(name, "content-length")) {
    return {};
  }
  return variable;
}

std::string_view find_header(const Call& call, std::string_view name) {
  for (const HeaderView& header : call.headers) {
    if (same_name(header.name, name)) return header.value;
  }
  return {};
}

class Environment {
 public:
  explicit Environment(const Function& function) : function_(function) {
    for (const auto& [name, value] : function.env) put(name, value);
  }

  // Of the request: the function's own of that name wins.
  void add(std::string_view name, std::string_view value) {
    if (!function_.env.contains(std::string(name))) put(name, value);
  }

  std::vector<std::string> take() { return std::move(variables_); }

 private:
  void put(std::string_view name, std::string_view value) {
    if (name.empty() || name.find('=') != std::string_view::npos) return;
    if (name.find('\0') != std::string_view::npos || value.find('\0') != std::string_view::npos) return;
    const std::size_t size = name.size() + value.size() + 2;
    if (size > environment_bytes_max - bytes_) return;
    bytes_ += size;
    std::string variable(name);
    variable += '=';
    variable += value;
    variables_.push_back(std::move(variable));
  }

  const Function& function_;
  std::vector<std::string> variables_;
  std::size_t bytes_ = 0;
};

void add_call(Environment& environment, const Call& call, const Function& function, const Clock& clock) {
  const std::string name = to_text(function.name);
  environment.add("CANOPY_CALL_ID", to_text(call.id));
  environment.add("CANOPY_FUNCTION", name);
  if (call.deadline != never) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(call.deadline - clock.now());
    environment.add("CANOPY_DEADLINE_MS", std::to_string(std::max<std::int64_t>(0, left.count())));
  }
  environment.add("GATEWAY_INTERFACE", "CGI/1.1");
  environment.add("SERVER_PROTOCOL", "HTTP/1.1");
  environment.add("SERVER_SOFTWARE", "canopy");
  environment.add("SERVER_NAME", find_header(call, "host"));
  environment.add("REQUEST_METHOD", call.method);
  environment.add("SCRIPT_NAME", "/function/" + name);
  environment.add("PATH_INFO", call.path);
  environment.add("QUERY_STRING", call.query);
  std::string uri = "/function/" + name;
  uri += call.path;
  if (!call.query.empty()) uri += '?';
  uri += call.query;
  environment.add("REQUEST_URI", uri);
  environment.add("CONTENT_LENGTH", std::to_string(call.input.size()));
  const auto type = find_header(call, "content-type");
  if (!type.empty()) environment.add("CONTENT_TYPE", type);
}

void add_headers(Environment& environment, const Call& call) {
  std::map<std::string, std::string> variables;
  std::size_t bytes = 0;
  for (const HeaderView& header : call.headers) {
    std::string name = header_variable(header.name);
    bytes += name.size() + header.value.size();
    if (name.empty() || bytes > environment_bytes_max) continue;
    const auto [at, is_new] = variables.try_emplace(std::move(name), header.value);
    if (is_new) continue;
    at->second += at->first == "HTTP_COOKIE" ? "; " : ", ";
    at->second += header.value;
  }
  for (const auto& [name, value] : variables) environment.add(name, value);
}

}  // namespace

std::vector<std::string> make_environment(const Function& function, const Call* call, const Clock& clock) {
  Environment environment(function);
  if (call != nullptr) {
    add_call(environment, *call, function, clock);
    add_headers(environment, *call);
  }
  return environment.take();
}

}  // namespace canopy::guest
