#include "js/fetch.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace canopy::js {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_host_character(char c) {
  return ('a' <= c && c <= 'z') || ('0' <= c && c <= '9') || c == '-' || c == '.' || c == '_' || c == '[' ||
         c == ']' || c == ':';
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// As browsers do it: what was sent to one origin is not sent on to another, and most redirects become GETs.
void follow(FetchRequest& request, int status, bool same_origin) {
  const bool becomes_get = (status == 303 && request.method != "HEAD") ||
                           ((status == 301 || status == 302) && request.method == "POST");
  if (becomes_get) {
    request.method = "GET";
    request.body.clear();
  }
  std::erase_if(request.headers, [&](const net::HttpHeader& header) {
    const std::string name = lower(header.name);
    if (becomes_get && name.starts_with("content-")) return true;
    return !same_origin && (name == "authorization" || name == "cookie" || name == "proxy-authorization");
  });
}

// What the client itself says, or what would change how the message is framed.
bool is_ours(std::string_view name) {
  const std::string key = lower(name);
  return key == "host" || key == "content-length" || key == "connection" || key == "transfer-encoding" ||
         key == "te" || key == "upgrade" || key == "expect" || key == "keep-alive" || key == "trailer" ||
         key == "proxy-connection" || key == "accept-encoding";
}

}  // namespace

Result<FetchUrl> parse_fetch_url(std::string_view url) {
  const auto bad = [&](std::string_view why) {
    return fail(Code::invalid, "'" + log_safe(url, 200) + "' cannot be fetched: " + std::string(why));
  };
  const std::string_view whole = url;
  const bool secure = url.starts_with("https://");
  if (!secure && !url.starts_with("http://")) return bad("it is neither http nor https");
  url.remove_prefix(secure ? 8 : 7);
  const std::size_t end = std::min(url.find_first_of("/?#"), url.size());
  const std::string authority = lower(url.substr(0, end));
  std::string_view rest = url.substr(end);
  rest = rest.substr(0, rest.find('#'));
  if (authority.find('@') != std::string::npos) return bad("it has a user name in it");
  if (authority.empty() || !std::ranges::all_of(authority, is_host_character)) return bad("its host is none");
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f; };
  if (whole.size() > 8192 || !std::ranges::all_of(rest, is_visible))
    return bad("its path is too long or none");

  FetchUrl parsed;
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string::npos) return bad("its host is none");
  const std::size_t colon = authority.find(':', bracket);
  parsed.host = authority.substr(0, colon);
  const std::string own_port = secure ? "443" : "80";
  parsed.port =
      colon == std::string::npos || colon + 1 == authority.size() ? own_port : authority.substr(colon + 1);
  const auto is_digit = [](char c) { return '0' <= c && c <= '9'; };
  if (parsed.host.empty() || parsed.port.size() > 5 || !std::ranges::all_of(parsed.port, is_digit)) {
    return bad("its host or port is none");
  }
  parsed.default_port = parsed.port == own_port;
  parsed.origin =
      (secure ? "https://" : "http://") + parsed.host + (parsed.default_port ? "" : ":" + parsed.port);
  parsed.target = (rest.starts_with('/') ? "" : "/") + std::string(rest);
  return parsed;
}

std::string resolve_location(const FetchUrl& from, std::string_view location) {
  const std::string scheme = from.origin.substr(0, from.origin.find(':') + 1);
  if (location.find("://") < location.find_first_of("/?#")) return std::string(location);
  if (location.starts_with("//")) return scheme + std::string(location);
  if (location.starts_with('/')) return from.origin + std::string(location);
  const std::string path = from.target.substr(0, from.target.find('?'));
  if (location.starts_with('?')) return from.origin + path + std::string(location);
  return from.origin + path.substr(0, path.rfind('/') + 1) + std::string(location);
}

bool is_allowed(const FetchUrl& url, std::string_view hosts) {
  while (!hosts.empty()) {
    const std::size_t comma = std::min(hosts.find(','), hosts.size());
    const std::string pattern = lower(hosts.substr(0, comma));
    hosts.remove_prefix(std::min(comma + 1, hosts.size()));
    if (pattern == "*") return true;
    const std::size_t bracket = pattern.starts_with('[') ? pattern.find(']') : 0;
    const std::size_t colon = bracket == std::string::npos ? bracket : pattern.find(':', bracket);
    const std::string name = pattern.substr(0, colon);
    const bool port_fits =
        colon == std::string::npos ? url.default_port : pattern.substr(colon + 1) == url.port;
    const bool name_fits = name.starts_with("*.") ? url.host.size() > name.size() - 1 &&
                                                        url.host.ends_with(std::string_view(name).substr(1))
                                                  : url.host == name;
    if (port_fits && name_fits && !name.empty()) return true;
  }
  return false;
}

Result<FetchResponse> fetch(FetchRequest request, const std::string& hosts, const FetchOptions& options,
                            Time deadline, const Clock& clock, const Send& send) {
  for (int hop = 0; hop <= redirects_max; ++hop) {
    CANOPY_TRY(const FetchUrl url, parse_fetch_url(request.url));
    if (!is_allowed(url, hosts)) {
      return fail(Code::forbidden, "the function may not fetch from " + url.host + ":" + url.port +
                                       "; its manifest names the hosts it may, as in `fetch: [" +
                                       (url.default_port ? url.host : url.host + ":" + url.port) + "]`");
    }
    const Time now = clock.now();
    if (now >= deadline) return fail(Code::deadline, "the time to fetch " + request.url + " is over");
    net::HttpClientRequest sent{.url = url.origin,
                                .method = request.method,
                                .target = url.target,
                                .headers = {},
                                .body = request.body,
                                .timeout = std::min<Duration>(deadline - now, options.timeout_max),
                                .response_bytes_max = options.response_bytes_max,
                                .ca_file = {}};
    sent.public_only = !options.allow_private;
    for (const net::HttpHeader& header : request.headers) {
      if (!is_ours(header.name)) sent.headers.push_back(header);
    }
    CANOPY_TRY(net::HttpClientResponse response, send(sent));
    const std::string location(response.header("Location"));
    if (!is_redirect(response.status) || location.empty() || request.redirect == "manual") {
      return FetchResponse{.status = response.status,
                           .url = request.url,
                           .redirected = hop > 0,
                           .headers = std::move(response.headers),
                           .body = std::move(response.body)};
    }
    if (request.redirect == "error")
      return fail(Code::invalid, request.url + " redirects, which was not to be");
    request.url = resolve_location(url, location);
    const auto next = parse_fetch_url(request.url);
    follow(request, response.status, next && next->origin == url.origin);
  }
  return fail(Code::invalid, "more than " + std::to_string(redirects_max) + " redirects, the last to " +
                                 log_safe(request.url, 200));
}

bool Fetcher::hold(std::uint64_t bytes) {
  if (held_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= options_.held_bytes_max) return true;
  let_go(bytes);
  return false;
}

bool Fetcher::start(FetchRequest request, std::string hosts, Time deadline, const Clock& clock,
                    std::function<void(Result<FetchResponse>)> done) {
  return pool_.post(
      [this, request = std::move(request), hosts = std::move(hosts), deadline, &clock,
       done = std::move(done)] { done(fetch(request, hosts, options_, deadline, clock, send_)); });
}

}  // namespace canopy::js
