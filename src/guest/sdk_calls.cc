#include "guest/sdk_calls.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>

namespace canopy::guest {
namespace {

constexpr std::string_view what_of_call = "what belongs to a call";

char lower(char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

// A token of RFC 9110.
bool is_header_name(std::string_view name) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !name.empty() && name.size() <= 256 && std::all_of(name.begin(), name.end(), [&](char c) {
    return ('0' <= c && c <= '9') || ('a' <= lower(c) && lower(c) <= 'z') || marks.find(c) < marks.size();
  });
}

// Tabs, visible characters and bytes of other scripts: nothing that could end the line.
bool is_header_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

// What says how the message itself is framed, or what Canopy itself says.
bool is_reserved(std::string_view name) {
  constexpr std::array<std::string_view, 15> reserved = {
      "connection", "content-length", "date",           "keep-alive",         "proxy-connection",
      "te",         "trailer",        "upgrade",        "transfer-encoding",  "x-call-id",
      "server",     "x-cold-start",   "x-memory-bytes", "x-duration-seconds", "x-queue-seconds"};
  return std::any_of(reserved.begin(), reserved.end(),
                     [name](std::string_view each) { return same_name(each, name); });
}

bool has_room(const std::vector<Header>& headers, std::size_t bytes) {
  for (const Header& header : headers) bytes += header.name.size() + header.value.size();
  return headers.size() < reply_headers_max && bytes <= reply_header_bytes_max;
}

// False: too many, or too large.
bool set_header(std::vector<Header>& headers, std::string_view name, std::string_view value) {
  // A cookie is added to the others; anything else there is one of.
  const auto same = same_name(name, "set-cookie")
                        ? headers.end()
                        : std::find_if(headers.begin(), headers.end(),
                                       [name](const Header& header) { return same_name(header.name, name); });
  if (same == headers.end()) {
    if (!has_room(headers, name.size() + value.size())) return false;
    headers.push_back({std::string(name), std::string(value)});
    return true;
  }
  std::size_t bytes = value.size();
  for (const Header& header : headers) bytes += header.name.size() + header.value.size();
  if (bytes - same->value.size() > reply_header_bytes_max) return false;
  same->value = value;
  return true;
}

}  // namespace

Step<Sdk::u32> Sdk::input_size() {
  if (refused_while_preparing("the input of a call")) return {.after = wasm::After::fail};
  return {.value = static_cast<u32>(caller().call().input.size())};
}

Step<Sdk::u32> Sdk::input_read(u32 buffer, u32 size, u32 offset) {
  if (refused_while_preparing("the input of a call")) return {.after = wasm::After::fail};
  const std::string_view input = caller().call().input;
  const auto into = memory().part(buffer, size);
  if (!into) return {.after = bad_pointer("input_read", buffer, size)};
  if (offset >= input.size()) return {};
  const std::string_view from = input.substr(offset, size);
  if (!from.empty()) std::memcpy(into->data(), from.data(), from.size());
  return {.value = static_cast<u32>(from.size())};
}

wasm::After Sdk::output_write(u32 data, u32 size) {
  if (refused_while_preparing(what_of_call)) return wasm::After::fail;
  const auto from = memory().part(data, size);
  if (!from) return bad_pointer("output_write", data, size);
  take_over_output();
  return append_output(as_text(*from)) ? wasm::After::go_on : wasm::After::fail;
}

Step<Sdk::i32> Sdk::status_set(u32 status) {
  if (refused_while_preparing(what_of_call)) return {.after = wasm::After::fail};
  if (status < 200 || status > 599) return {.value = -1};
  caller().reply().status = static_cast<int>(status);
  return {};
}

Step<Sdk::i32> Sdk::header_set(u32 name, u32 name_size, u32 value, u32 value_size) {
  if (refused_while_preparing(what_of_call)) return {.after = wasm::After::fail};
  const auto name_bytes = memory().part(name, name_size);
  if (!name_bytes) return {.after = bad_pointer("header_set", name, name_size)};
  const auto value_bytes = memory().part(value, value_size);
  if (!value_bytes) return {.after = bad_pointer("header_set", value, value_size)};
  if (name_size > reply_header_bytes_max || value_size > reply_header_bytes_max) return {.value = -1};
  // Copied before they are checked: another thread of the guest may change them in between.
  const std::string set_name(as_text(*name_bytes));
  const std::string set_value(as_text(*value_bytes));
  if (!is_header_name(set_name) || !is_header_value(set_value) || is_reserved(set_name)) return {.value = -1};
  return {.value = set_header(caller().reply().headers, set_name, set_value) ? 0 : -1};
}

Step<Sdk::i32> Sdk::copy_out(std::string_view import, std::string_view text, u32 buffer, u32 size) {
  const auto into = memory().part(buffer, size);
  if (!into) return {.after = bad_pointer(import, buffer, size)};
  const std::size_t piece = std::min(text.size(), into->size());
  if (piece > 0) std::memcpy(into->data(), text.data(), piece);
  const std::size_t whole = std::min<std::size_t>(text.size(), std::numeric_limits<i32>::max());
  return {.value = static_cast<i32>(whole)};
}

Step<Sdk::i32> Sdk::request_get(u32 part, u32 buffer, u32 size) {
  if (refused_while_preparing(what_of_call)) return {.after = wasm::After::fail};
  const Call& call = caller().call();
  switch (part) {
    case 0:
      return copy_out("request_get", call.method, buffer, size);
    case 1:
      return copy_out("request_get", call.path, buffer, size);
    case 2:
      return copy_out("request_get", call.query, buffer, size);
    case 3:
      return copy_out("request_get", to_text(call.id), buffer, size);
    case 4:
      return copy_out("request_get", to_text(state().function().name), buffer, size);
    default:
      return {.value = -1};
  }
}

Step<Sdk::i32> Sdk::request_header(u32 name, u32 name_size, u32 buffer, u32 size) {
  if (refused_while_preparing(what_of_call)) return {.after = wasm::After::fail};
  const auto wanted = memory().part(name, name_size);
  if (!wanted) return {.after = bad_pointer("request_header", name, name_size)};
  if (name_size > reply_header_bytes_max) return {.value = -1};
  const std::string_view name_text = as_text(*wanted);
  for (const HeaderView& header : caller().call().headers) {
    if (same_name(header.name, name_text)) return copy_out("request_header", header.value, buffer, size);
  }
  return {.value = -1};
}

wasm::After Sdk::log_write(u32 level, u32 text, u32 size) {
  constexpr std::array<std::string_view, 4> names = {"debug", "info", "warning", "error"};
  const auto from = memory().part(text, size);
  if (!from) return bad_pointer("log_write", text, size);
  std::string line = "[";
  line += names[std::min<std::size_t>(level, names.size() - 1)];
  line += "] ";
  write_log(CallLog::Stream::err, line);
  write_log(CallLog::Stream::err, as_text(*from));
  if (size == 0 || from->back() != std::byte{'\n'}) write_log(CallLog::Stream::err, "\n");
  return wasm::After::go_on;
}

Step<std::int64_t> Sdk::deadline_ms() {
  if (refused_while_preparing("the time")) return {.after = wasm::After::fail};
  const Time deadline = caller().call().deadline;
  if (deadline == never) return {.value = -1};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - caller().clock().now());
  return {.value = std::max<std::int64_t>(0, left.count())};
}

Step<Faasm::i32> Faasm::read_input(u32 buffer, i32 size) {
  if (refused_while_preparing("the input of a call")) return {.after = wasm::After::fail};
  const std::string_view input = caller().call().input;
  if (size <= 0) return {.value = static_cast<i32>(input.size())};
  const auto into = memory().part(buffer, static_cast<u32>(size));
  if (!into) return {.after = bad_pointer("__faasm_read_input", buffer, static_cast<u32>(size))};
  const std::string_view from = input.substr(0, static_cast<std::size_t>(size));
  if (!from.empty()) std::memcpy(into->data(), from.data(), from.size());
  return {.value = static_cast<i32>(from.size())};
}

wasm::After Faasm::write_output(u32 data, i32 size) {
  if (refused_while_preparing(what_of_call)) return wasm::After::fail;
  const auto from = memory().part(data, static_cast<u32>(size));
  if (!from) return bad_pointer("__faasm_write_output", data, static_cast<u32>(size));
  take_over_output();
  caller().reply().output.clear();
  return append_output(as_text(*from)) ? wasm::After::go_on : wasm::After::fail;
}

}  // namespace canopy::guest
