#include "wire/otlp.h"

#include <algorithm>
#include <type_traits>

#include "base/hex.h"
#include "wire/json_writer.h"

namespace canopy::wire {
namespace {

constexpr std::string_view scope_name = "canopy";
constexpr int status_error = 2;

template <std::size_t Size>
std::string hex(const std::array<std::uint8_t, Size>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) append_hex(byte, text);
  return text;
}

std::string nanoseconds(WallTime time) {
  return std::to_string(std::chrono::nanoseconds(time.time_since_epoch()).count());
}

void write_value(JsonWriter& json, const Attribute& attribute) {
  std::visit(
      [&json](const auto& value) {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, std::string>) {
          json.member("stringValue", value);
        } else if constexpr (std::is_same_v<Value, bool>) {
          json.member("boolValue", value);
        } else if constexpr (std::is_same_v<Value, double>) {
          json.member("doubleValue", value);
        } else {
          json.member("intValue", std::to_string(value));
        }
      },
      attribute.value);
}

void write_attributes(JsonWriter& json, std::span<const Attribute> attributes) {
  json.key("attributes");
  json.begin_array();
  for (const Attribute& attribute : attributes) {
    json.begin_object();
    json.member("key", attribute.name);
    json.key("value");
    json.begin_object();
    write_value(json, attribute);
    json.end_object();
    json.end_object();
  }
  json.end_array();
}

void write_span(JsonWriter& json, const Span& span) {
  json.begin_object();
  json.member("traceId", hex(span.trace_id));
  json.member("spanId", hex(span.id));
  if (std::ranges::any_of(span.parent_id, [](std::uint8_t byte) { return byte != 0; })) {
    json.member("parentSpanId", hex(span.parent_id));
  }
  json.member("name", span.name);
  json.member("kind", static_cast<int>(span.kind));
  json.member("startTimeUnixNano", nanoseconds(span.begun));
  json.member("endTimeUnixNano", nanoseconds(span.ended));
  write_attributes(json, span.attributes);
  if (span.failed) {
    json.key("status");
    json.begin_object();
    json.member("code", status_error);
    json.member("message", span.message);
    json.end_object();
  }
  json.end_object();
}

}  // namespace

std::string spans_json(std::span<const Attribute> resource, std::string_view version,
                       std::span<const Span> spans) {
  JsonWriter json;
  json.begin_object();
  json.key("resourceSpans");
  json.begin_array();
  json.begin_object();
  json.key("resource");
  json.begin_object();
  write_attributes(json, resource);
  json.end_object();
  json.key("scopeSpans");
  json.begin_array();
  json.begin_object();
  json.key("scope");
  json.begin_object();
  json.member("name", scope_name);
  json.member("version", version);
  json.end_object();
  json.key("spans");
  json.begin_array();
  for (const Span& span : spans) write_span(json, span);
  json.end_array();
  json.end_object();
  json.end_array();
  json.end_object();
  json.end_array();
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::wire
