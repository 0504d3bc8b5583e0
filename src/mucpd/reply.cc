#include "mucpd/reply.h"

#include "wire/json_read.h"
#include "wire/json_writer.h"

namespace canopy::mucpd {
namespace {

constexpr std::string_view json_type = "application/json; charset=utf-8";
// A job's result is as large as any output may be; and what is in it as deep as JavaScript writes it.
constexpr wire::JsonLimits result_limits = {.bytes_max = 4 * GiB, .depth_max = 1000, .strict = true};

net::HttpResponse envelope(bool is_error, std::string_view json) {
  net::HttpResponse response;
  response.content_type = json_type;
  response.body = is_error ? R"({"error":true)" : R"({"error":false)";
  if (!json.empty()) {
    response.body += ",\"res\":";
    response.body += json;
  }
  response.body += '}';
  return response;
}

std::string in_json(std::string_view text) {
  std::string json;
  wire::append_json_string(text, json);
  return json;
}

// The page that Express makes of an error, in production.
net::HttpResponse express_page(int status, std::string_view words) {
  net::HttpResponse response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.headers = {{"Content-Security-Policy", "default-src 'none'"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.body =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n"
      "<body>\n<pre>" +
      std::string(words) + "</pre>\n</body>\n</html>\n";
  return response;
}

// What the runner did not say, since it was ended, or never began.
std::string failure_text(const Error& error, std::string_view function, Duration timeout) {
  switch (error.code) {
    case Code::not_found:
      return "[ERR] User function <" + std::string(function) + "> does not exist.";
    case Code::deadline: {
      if (error.stage == Stage::queue) return "Error: " + error.message;
      const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
      return "Error: Script execution timed out after " + std::to_string(milliseconds) + "ms";
    }
    default: {
      // A stack may follow.
      const std::string message = error.message.substr(0, error.message.find('\n'));
      const std::string_view first = std::string_view(message).substr(0, message.find(':'));
      return first.ends_with("Error") && first.find(' ') == std::string_view::npos ? message
                                                                                   : "Error: " + message;
    }
  }
}

struct Lines {
  std::string_view text;   // JSON.
  std::string_view typed;  // The same; "" where it is none.
};

// "" twice where that is not from the runner, whose realm is the function's.
Lines split(std::string_view output) {
  const std::size_t line = output.find('\n');
  if (line == std::string_view::npos) return {};
  Lines lines{.text = output.substr(0, line), .typed = output.substr(line + 1)};
  const auto text = wire::json_kind(lines.text, result_limits);
  if (!text || *text != wire::JsonKind::string) return {};
  const auto typed = wire::json_kind(lines.typed, result_limits);
  if (!typed || *typed != wire::JsonKind::object) lines.typed = {};
  return lines;
}

}  // namespace

net::HttpResponse success(std::string_view json) { return envelope(false, json); }
net::HttpResponse failure(std::string_view text) { return envelope(true, in_json(text)); }
net::HttpResponse failure(const Error& error) { return failure("[ERR] " + error.message); }

net::HttpResponse not_found() {
  net::HttpResponse response;
  response.status = 404;
  response.content_type = "text/plain; charset=utf-8";
  response.body = "Not Found";
  return response;
}

net::HttpResponse bad_request() { return express_page(400, "Bad Request"); }
net::HttpResponse too_large() { return express_page(413, "Payload Too Large"); }

net::HttpResponse unauthorized(const Error& error) {
  net::HttpResponse response = failure(error);
  response.status = 401;
  response.headers.push_back({"WWW-Authenticate", R"(Bearer realm="canopy")"});
  return response;
}

net::HttpResponse forbidden(std::string_view text) {
  net::HttpResponse response = failure(text);
  response.status = 403;
  return response;
}

std::string result_json(const store::StoredResult& result, std::string_view function, Duration timeout) {
  if (result.error) return in_json(failure_text(*result.error, function, timeout));
  const Lines lines = split(result.output);
  return lines.text.empty() ? in_json(result.output) : std::string(lines.text);
}

std::string typed_json(const store::StoredResult& result, std::string_view function, Duration timeout) {
  if (!result.error) {
    const Lines lines = split(result.output);
    if (!lines.typed.empty()) return std::string(lines.typed);
  }
  wire::JsonWriter json;
  json.begin_object();
  json.member("ok", !result.error.has_value());
  if (result.error) {
    json.member("type", "canopy");
    json.key("error");
    json.begin_object();
    json.member("name", name(result.error->code));
    json.member("message", failure_text(*result.error, function, timeout));
    json.end_object();
  } else {
    json.member("type", "string");
    json.key("value");
    json.raw(result_json(result, function, timeout));
  }
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::mucpd
