#pragma once
// Pieces of calls' time as OpenTelemetry takes them: the body of POST /v1/traces, OTLP 1.x in JSON
// (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding": ids in hexadecimal, 64-bit numbers as text).

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace canopy::wire {

struct Attribute {
  std::string_view name;  // A constant of the program's.
  std::variant<std::string, std::int64_t, double, bool> value;
};

// The numbers are the protocol's.
enum class SpanKind : std::uint8_t { internal = 1, server = 2, consumer = 5 };

struct Span {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> id{};
  std::array<std::uint8_t, 8> parent_id{};  // All zero: it has none.
  std::string name;
  SpanKind kind = SpanKind::internal;
  WallTime begun{};
  WallTime ended{};
  std::vector<Attribute> attributes;
  bool failed = false;
  std::string message;  // Why it failed.
};

// `resource` says who tells of them; `version` is the program's.
std::string spans_json(std::span<const Attribute> resource, std::string_view version,
                       std::span<const Span> spans);

}  // namespace canopy::wire
