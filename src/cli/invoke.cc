// canopy invoke: one call, its reply on standard output.

#include <utility>

#include "base/utf8.h"
#include "cli/calls.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/progress.h"
#include "wire/headers.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"

namespace canopy::cli {
namespace {

constexpr Duration longest_call = std::chrono::hours(1);
constexpr Duration answer_time =
    std::chrono::seconds(10);  // What the server may take past the call's deadline.

Result<net::HttpHeader> read_header(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0) {
    return fail(Code::invalid, "-H '" + text + "' is not a header; write -H 'Name: value'");
  }
  std::size_t value = colon + 1;
  while (value < text.size() && (text[value] == ' ' || text[value] == '\t')) ++value;
  return net::HttpHeader{text.substr(0, colon), text.substr(value)};
}

Result<ClientRequest> make_request(const FunctionName& name, const Flags& flags, const Terminal& terminal) {
  ClientRequest request{.method = flags.method, .timeout = longest_call + answer_time};
  request.target = (flags.async ? "/async-function/" : "/function/") + to_text(name);
  if (!flags.path.empty()) request.target += (flags.path.front() == '/' ? "" : "/") + flags.path;
  for (const std::string& text : flags.headers) {
    CANOPY_TRY(net::HttpHeader header, read_header(text));
    request.headers.push_back(std::move(header));
  }
  if (flags.timeout.count() != 0) {
    request.headers.push_back({"X-Canopy-Timeout", duration_text(flags.timeout)});
    request.timeout = flags.timeout + answer_time;
  }
  CANOPY_TRY(request.body, read_input(flags, terminal));
  return request;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8U | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += at + i > bytes.size() ? '=' : digits[(group >> (18 - 6 * i)) & 63U];
    }
  }
  return text;
}

Error failed(const FunctionName& name, const CallError& failure, std::string_view call) {
  std::string message = to_text(name) + ": " + failure.error.message;
  if (!call.empty() && failure.functions_fault) {
    message.erase(message.find_last_not_of(" \n") + 1);
    // Behind several lines it would look as if it were of the function's words.
    message += message.find('\n') == std::string::npos ? "; " : "\n";
    message += "canopy logs " + std::string(call) + " shows what it wrote";
  }
  return {failure.error.code, std::move(message), failure.error.stage};
}

}  // namespace

std::string response_json(const net::HttpClientResponse& response) {
  wire::JsonWriter json;
  json.begin_object();
  json.member("status", response.status);
  json.key("headers");
  json.begin_object();
  for (const auto& [name, value] : response.headers) json.member(name, value);
  json.end_object();
  if (find_invalid_utf8(response.body) == std::string_view::npos) {
    json.member("body", response.body);
  } else {
    json.member("body_base64", base64(response.body));
  }
  json.end_object();
  return json.take_text();
}

std::optional<CallError> call_error(const net::HttpClientResponse& response) {
  if (response.status < 400 || wire::media_type(response.header("Content-Type")) != "application/json") {
    return std::nullopt;
  }
  const auto json = wire::parse_json(response.body);
  const Json* const error = json ? field(*json, "error") : nullptr;
  const std::string origin = error == nullptr ? "" : text_field(*error, "origin");
  if (origin.empty()) return std::nullopt;
  // A function may answer an error of another platform's as its own reply: that one names another call.
  const std::string_view call = response.header("X-Call-Id");
  if (!call.empty() && text_field(*error, "call") != call) return std::nullopt;
  CallError read{.error = read_error(response)};
  read.functions_fault = is_functions_fault(read.error, origin);
  return read;
}

bool is_functions_fault(const Error& error, std::string_view origin) {
  if (origin == name(Origin::platform)) return false;
  switch (error.code) {
    case Code::function_failed:
    case Code::died:
    case Code::limit:
      return true;
    case Code::deadline:
      return error.stage == Stage::run || error.stage == Stage::reply;
    default:
      return false;
  }
}

Result<int> invoke(Command& command, Terminal& terminal) {
  const Flags& flags = command.flags;
  CANOPY_TRY(const FunctionName name, parse_function_name(command.arguments.front()));
  CANOPY_TRY(ClientRequest request, make_request(name, flags, terminal));
  const Client client(command);
  Result<net::HttpClientResponse> response = fail(Code::internal, "");
  {
    const Progress progress(terminal, "calling " + to_text(name));
    response = client.send(std::move(request));
  }
  if (!response) return tl::unexpected(std::move(response).error());
  const auto error = call_error(*response);
  const std::string_view id = response->header("X-Call-Id");
  if (flags.json) {
    terminal.out() << response_json(*response) << '\n';
  } else if (!error && flags.async && response->status == 202 && !id.empty()) {
    terminal.out() << id << '\n';
  } else if (!error) {
    terminal.out() << terminal.safe(response->body);
    if (terminal.out_is_terminal() && !response->body.empty() && response->body.back() != '\n') {
      terminal.out() << '\n';
    }
  }
  if (!error) return 0;
  const Error said = failed(name, *error, response->header("X-Call-Id"));
  if (!error->functions_fault) return tl::unexpected(said);
  terminal.err() << "canopy: " << terminal.safe_error(said.message) << '\n';
  return status_function_failed;
}

}  // namespace canopy::cli
