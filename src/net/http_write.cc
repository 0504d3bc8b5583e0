#include "net/http_write.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/hex.h"
#include "base/utf8.h"
#include "net/header_text.h"

namespace canopy::net {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_two_digits(std::string& out, unsigned number) {
  out += static_cast<char>('0' + number / 10 % 10);
  out += static_cast<char>('0' + number % 10);
}

void append_status_line(std::string& out, int status) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
    return;
  }
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(status));
  out += ' ';
  out += reason(status);
  out += "\r\n";
}

// `text` within a JSON string. Messages quote what clients sent, so it may be anything.
void append_json_text(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const char c = text.front();
    const Utf8Step step = utf8_step(text);
    const std::size_t size = step.valid ? step.size : 0;
    if (size == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += "\\u00";
      append_hex(static_cast<unsigned char>(c), out);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
}

}  // namespace

bool is_framing_header(std::string_view name, bool has_content_type) {
  switch (name.size()) {
    case 2:
      return same_text(name, "TE");
    case 4:
      return same_text(name, "Date");
    case 7:
      return same_text(name, "Trailer") || same_text(name, "Upgrade");
    case 10:
      return same_text(name, "Connection") || same_text(name, "Keep-Alive");
    case 12:
      return has_content_type && same_text(name, "Content-Type");
    case 14:
      return same_text(name, "Content-Length");
    case 16:
      return same_text(name, "Proxy-Connection");
    case 17:
      return same_text(name, "Transfer-Encoding");
    default:
      return false;
  }
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 205 && status != 304; }

void append_head(std::string& out, const HttpResponse& response, ResponseFrame frame,
                 std::string_view date_line) {
  append_status_line(out, response.status);
  out += date_line;
  const bool has_content_type = !response.content_type.empty() && is_field_value(response.content_type);
  if (has_content_type) {
    out += "Content-Type: ";
    out += response.content_type;
    out += "\r\n";
  }
  for (const auto& [name, value] : response.headers) {
    if (!is_token(name) || !is_field_value(value) || is_framing_header(name, has_content_type)) continue;
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += response.own_lines;
  if (has_body(response.status)) {
    if (frame.framing == Framing::sized) {
      out += "Content-Length: ";
      append_number(out, response.body.size());
      out += "\r\n";
    } else if (frame.framing == Framing::chunked) {
      out += "Transfer-Encoding: chunked\r\n";
    }
  } else if (response.status == 205) {
    out += "Content-Length: 0\r\n";  // The one of them whose end is not known by its status.
  }
  if (frame.close) {
    out += "Connection: close\r\n";
  } else if (frame.http10) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
}

std::string date_line(WallTime now) {
  constexpr std::array<std::string_view, 7> weekdays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
  std::string line = "Date: ";
  line += weekdays.at(std::chrono::weekday(day).c_encoding());
  line += ", ";
  append_two_digits(line, static_cast<unsigned>(date.day()));
  line += ' ';
  line += months.at(static_cast<unsigned>(date.month()) - 1);
  line += ' ';
  append_number(line, static_cast<std::uint64_t>(static_cast<int>(date.year())));
  line += ' ';
  append_two_digits(line, static_cast<unsigned>(time.hours().count()));
  line += ':';
  append_two_digits(line, static_cast<unsigned>(time.minutes().count()));
  line += ':';
  append_two_digits(line, static_cast<unsigned>(time.seconds().count()));
  line += " GMT\r\n";
  return line;
}

std::string_view reason(int status) {
  struct Row {
    int status;
    std::string_view reason;
  };
  static constexpr std::array rows = {Row{100, "Continue"},
                                      Row{101, "Switching Protocols"},
                                      Row{200, "OK"},
                                      Row{201, "Created"},
                                      Row{202, "Accepted"},
                                      Row{203, "Non-Authoritative Information"},
                                      Row{204, "No Content"},
                                      Row{205, "Reset Content"},
                                      Row{206, "Partial Content"},
                                      Row{300, "Multiple Choices"},
                                      Row{301, "Moved Permanently"},
                                      Row{302, "Found"},
                                      Row{303, "See Other"},
                                      Row{304, "Not Modified"},
                                      Row{307, "Temporary Redirect"},
                                      Row{308, "Permanent Redirect"},
                                      Row{400, "Bad Request"},
                                      Row{401, "Unauthorized"},
                                      Row{402, "Payment Required"},
                                      Row{403, "Forbidden"},
                                      Row{404, "Not Found"},
                                      Row{405, "Method Not Allowed"},
                                      Row{406, "Not Acceptable"},
                                      Row{407, "Proxy Authentication Required"},
                                      Row{408, "Request Timeout"},
                                      Row{409, "Conflict"},
                                      Row{410, "Gone"},
                                      Row{411, "Length Required"},
                                      Row{412, "Precondition Failed"},
                                      Row{413, "Content Too Large"},
                                      Row{414, "URI Too Long"},
                                      Row{415, "Unsupported Media Type"},
                                      Row{416, "Range Not Satisfiable"},
                                      Row{417, "Expectation Failed"},
                                      Row{418, "I'm a teapot"},
                                      Row{421, "Misdirected Request"},
                                      Row{422, "Unprocessable Content"},
                                      Row{423, "Locked"},
                                      Row{424, "Failed Dependency"},
                                      Row{425, "Too Early"},
                                      Row{426, "Upgrade Required"},
                                      Row{428, "Precondition Required"},
                                      Row{429, "Too Many Requests"},
                                      Row{431, "Request Header Fields Too Large"},
                                      Row{451, "Unavailable For Legal Reasons"},
                                      Row{499, "Client Closed Request"},
                                      Row{500, "Internal Server Error"},
                                      Row{501, "Not Implemented"},
                                      Row{502, "Bad Gateway"},
                                      Row{503, "Service Unavailable"},
                                      Row{504, "Gateway Timeout"},
                                      Row{505, "HTTP Version Not Supported"},
                                      Row{507, "Insufficient Storage"},
                                      Row{508, "Loop Detected"},
                                      Row{511, "Network Authentication Required"}};
  for (const auto& row : rows) {
    if (row.status == status) return row.reason;
  }
  return {};
}

HttpResponse error_response(int status, const Error& error) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  response.body = R"({"error":{"code":")";
  response.body += name(error.code);
  response.body += R"(","message":")";
  append_json_text(response.body, error.message);
  response.body += R"(","origin":")";
  response.body += name(origin(error.code));
  response.body += '"';
  if (error.stage != Stage::none) {
    response.body += R"(,"stage":")";
    response.body += name(error.stage);
    response.body += '"';
  }
  response.body += "}}\n";
  return response;
}

}  // namespace canopy::net
