#include "api/other_sites.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/log.h"
#include "base/words.h"

namespace canopy::api {
namespace {

// Below these nobody has a name of his own (RFC 6761, RFC 6762, and what is set aside for private networks).
constexpr std::array<std::string_view, 4> private_endings = {".localhost", ".local", ".internal", ".test"};

// Without its port, and without the dot of a name that is complete.
std::string_view name_of(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']'));
  host = host.substr(0, host.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

// What follows the scheme of an origin.
std::string_view host_of_origin(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

bool reads(const net::HttpRequest& request) {
  return request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
}

bool is_expected(std::string_view host, const Options& options) {
  if (options.cors_origin == "*") return true;
  return same_word(name_of(host), name_of(options.listen)) ||
         same_word(name_of(host), name_of(host_of_origin(options.cors_origin)));
}

}  // namespace

bool is_of_other_site(const net::HttpRequest& request, std::string_view allowed) {
  const std::string_view origin = request.header("Origin");
  const std::string_view site = request.header("Sec-Fetch-Site");
  if (allowed == "*" || (!origin.empty() && origin == allowed)) return false;
  if (site == "cross-site" || site == "same-site") return true;
  if (origin.empty()) return false;
  const std::string_view host = host_of_origin(origin);
  return host.empty() || host != request.header("Host");
}

bool is_public_name(std::string_view host) {
  const std::string_view name = name_of(host);
  if (name.starts_with('[') || name.find('.') == std::string_view::npos) return false;
  if (name.find_first_not_of("0123456789.") == std::string_view::npos) return false;
  return std::ranges::none_of(private_endings, [name](std::string_view ending) {
    return name.size() > ending.size() && same_word(name.substr(name.size() - ending.size()), ending);
  });
}

std::optional<Error> keep_out(const net::HttpRequest& request, const Options& options,
                              const policy::Place& place) {
  if (!reads(request) && is_of_other_site(request, options.cors_origin)) {
    return Error{Code::forbidden,
                 "pages of other sites may change nothing on a server that demands no keys; --cors-origin "
                 "says which may"};
  }
  const std::string_view host = request.header("Host");
  // With --auth=off somebody else looks after that: a proxy, whose name is the public one.
  const bool judged = place.loopback && place.mode == policy::Mode::automatic;
  if (!judged || !is_public_name(host) || is_expected(host, options)) return std::nullopt;
  return Error{Code::forbidden,
               "this server demands no keys, so it answers to localhost and to addresses, not to '" +
                   log_safe(host, 80) +
                   "': a web page could come by such a name. Ask for http://127.0.0.1 and the port, "
                   "or make users (`canopy user add NAME --role=admin`)"};
}

}  // namespace canopy::api
