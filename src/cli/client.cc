#include "cli/client.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "wire/json_read.h"
#include "wire/percent.h"

namespace canopy::cli {
namespace {

constexpr std::uint64_t json_bytes_max = 256 * MiB;
constexpr std::uint64_t page_limit_max = 1000;  // The server's.

Code code_named(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(Code::deadline); ++i) {
    if (name(static_cast<Code>(i)) == text) return static_cast<Code>(i);
  }
  return Code::internal;
}

Stage stage_named(std::string_view text) {
  for (const Stage stage : {Stage::queue, Stage::start, Stage::run, Stage::reply}) {
    if (name(stage) == text) return stage;
  }
  return Stage::none;
}

bool is_success(int status) { return status >= 200 && status < 300; }

// What to do about a server that could not be asked.
std::string advice(std::string_view why, std::string_view url) {
  if (why.starts_with("cannot speak TLS")) {
    return "; where the server was started without a certificate, CANOPY_URL begins with http://";
  }
  if ((why.starts_with("no response from") || why.find("ended without a response") != why.npos) &&
      !url.starts_with("https:")) {
    return "; where the server was started with a certificate, CANOPY_URL begins with https://";
  }
  return "; start it with `canopy up`, or set CANOPY_URL to where it runs";
}

// The server says where programs find a list; people have a command for it.
std::string for_people(std::string message) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> commands = {
      {{"; /v1/functions lists", "; canopy list lists"},
       {"; /v1/calls lists", "; canopy calls lists"},
       {"; /v1/users lists", "; canopy user list lists"},
       {"; /v1/keys lists", "; canopy key list lists"},
       {"; /v1/secrets lists", "; canopy secret list lists"}}};
  for (const auto& [path, command] : commands) {
    if (const std::size_t at = message.find(path); at != std::string::npos) {
      message.replace(at, path.size(), command);
    }
  }
  return message;
}

}  // namespace

Client::Client(const Command& command)
    : url_(command.flags.url), key_(command.environment.get("CANOPY_KEY")) {}

net::HttpClientRequest Client::make(ClientRequest request) const {
  net::HttpClientRequest made;
  made.url = url_;
  made.method = std::move(request.method);
  made.target = std::move(request.target);
  made.headers = std::move(request.headers);
  if (!key_.empty()) made.headers.push_back({"Authorization", "Bearer " + key_});
  made.body = std::move(request.body);
  made.timeout = request.timeout;
  return made;
}

Result<net::HttpClientResponse> Client::send(ClientRequest request) const {
  return with_advice(net::send(make(std::move(request))));
}

Result<net::HttpClientResponse> Client::with_advice(Result<net::HttpClientResponse> response) const {
  if (response || response.error().code != Code::unavailable) return response;
  return fail(Code::unavailable, response.error().message + advice(response.error().message, url_));
}

Result<net::HttpClientResponse> Client::ask(ClientRequest request) const {
  CANOPY_TRY(auto response, send(std::move(request)));
  if (!is_success(response.status)) return tl::unexpected(read_error(response));
  return response;
}

Result<Json> Client::ask_json(ClientRequest request) const {
  CANOPY_TRY(const auto response, ask(std::move(request)));
  auto json = wire::parse_json(response.body, {.bytes_max = json_bytes_max});
  if (!json) {
    return fail(Code::internal, "what answers at " + url_ + " does not speak as Canopy does (" +
                                    json.error().message + "); is CANOPY_URL right?");
  }
  return json;
}

Result<Client::Pages> Client::ask_pages(const std::string& target, std::string_view list,
                                        std::uint64_t count_max) const {
  const std::string begin = target + (target.find('?') == std::string::npos ? "?" : "&");
  Pages pages;
  std::string after;
  while (pages.all.size() < count_max) {
    const std::uint64_t limit = std::min<std::uint64_t>(count_max - pages.all.size(), page_limit_max);
    CANOPY_TRY(const Json page, ask_json({.target = begin + "limit=" + std::to_string(limit) + after}));
    for (const Json& one : list_field(page, list)) pages.all.push_back(one);
    const Json* const next = field(page, "next");
    const Json before = std::exchange(pages.next, next == nullptr ? Json() : *next);
    if (!pages.next.is_string()) break;
    if (pages.next == before) {
      return fail(Code::internal, "the pages of " + target + " at " + url_ + " have no end; is it a Canopy?");
    }
    after = "&after=" + wire::percent_encode(text_field(page, "next"));
  }
  return pages;
}

Result<void> Client::follow(ClientRequest request,
                            const std::function<bool(std::string_view line)>& on_line) const {
  request.headers.push_back({"Accept", "text/event-stream"});
  CANOPY_TRY(const auto response, with_advice(net::stream_lines(make(std::move(request)), on_line)));
  if (!is_success(response.status)) return tl::unexpected(read_error(response));
  return {};
}

void note_more(const Client::Pages& pages, Terminal& terminal) {
  if (!pages.next.is_string()) return;
  terminal.err() << "canopy: there are more than these " << pages.all.size() << "; --limit=N shows N\n";
}

std::string pages_json(Client::Pages pages, std::string_view list) {
  boost::json::object whole;
  whole[boost::json::string_view(list.data(), list.size())] = std::move(pages.all);
  whole["next"] = std::move(pages.next);
  return boost::json::serialize(whole);
}

std::string function_target(const FunctionName& name) {
  return "/v1/functions/" + wire::percent_encode(name.space) + "/" + wire::percent_encode(name.name);
}

Error error_of(const Json& error) {
  return {code_named(text_field(error, "code")), text_field(error, "message"),
          stage_named(text_field(error, "stage"))};
}

Error read_error(const net::HttpClientResponse& response) {
  const auto json = wire::parse_json(response.body);
  const Json* const error = json ? field(*json, "error") : nullptr;
  if (error == nullptr || text_field(*error, "message").empty()) {
    return {Code::internal, "the server answered with status " + std::to_string(response.status) +
                                " and no word why; is CANOPY_URL right?"};
  }
  Error read = error_of(*error);
  read.message = for_people(std::move(read.message));
  if (read.code == Code::unauthorized) read.message += "; set CANOPY_KEY to a key of this server";
  return read;
}

}  // namespace canopy::cli
