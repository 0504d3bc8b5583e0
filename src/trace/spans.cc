#include "trace/spans.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/hex.h"
#include "base/mix.h"
#include "wire/headers.h"

namespace canopy::trace {
namespace {

constexpr std::size_t message_bytes_max = 512;

enum class Piece : std::uint64_t { call = 1, queue, run, hop, start };

template <std::size_t Size>
void put(std::uint64_t value, std::array<std::uint8_t, Size>& bytes, std::size_t at) {
  for (std::size_t i = 0; i < 8; ++i) bytes.at(at + i) = static_cast<std::uint8_t>(value >> (56 - 8 * i));
}

// No id is all zero.
std::array<std::uint8_t, 8> span_id(CallId id, std::uint32_t attempt, Piece piece) {
  const std::uint64_t each = (std::uint64_t{attempt} << 8U) + static_cast<std::uint64_t>(piece);
  std::array<std::uint8_t, 8> bytes{};
  put(std::max<std::uint64_t>(mixed(id.high ^ mixed(id.low + each)), 1), bytes, 0);
  return bytes;
}

std::array<std::uint8_t, 16> trace_id(CallId id, const std::optional<wire::TraceParent>& parent) {
  if (parent) return parent->trace_id;
  std::array<std::uint8_t, 16> bytes{};
  put(id.high, bytes, 0);
  put(std::max<std::uint64_t>(id.low, 1), bytes, 8);
  return bytes;
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

wire::Attribute number(std::string_view name, std::uint64_t value) {
  return {name, static_cast<std::int64_t>(value)};
}

// Names of OpenTelemetry's conventions for functions and HTTP where they have one, else our own.
std::vector<wire::Attribute> attributes_of(const EndedCall& call) {
  std::vector<wire::Attribute> all = {
      {"faas.invocation_id", to_text(call.id)},
      {"faas.invoked_name", to_text(call.function)},
      {"faas.version", std::to_string(call.version)},
      {"faas.coldstart", call.usage.cold},
      number("http.response.status_code", static_cast<std::uint64_t>(std::max(call.status, 0))),
      {"canopy.durable", call.durable},
      number("canopy.attempt", call.attempt),
      number("canopy.input.bytes", call.input_bytes),
      number("canopy.output.bytes", call.output_bytes),
      {"canopy.cpu.seconds", seconds(call.usage.cpu_time)},
      number("canopy.memory.bytes", call.usage.memory_bytes)};
  if (call.failed) all.push_back({"error.type", call.code});
  return all;
}

}  // namespace

EndedCall ended_call(const Record& record, std::string_view node, bool durable) {
  EndedCall call{.id = record.id,
                 .function = record.function,
                 .version = record.version,
                 .attempt = record.attempt,
                 .durable = durable,
                 .queued = record.queued,
                 .started = record.started,
                 .ended = record.ended,
                 .status = record.status,
                 .usage = record.usage,
                 .input_bytes = record.input_bytes,
                 .output_bytes = record.output_bytes,
                 .failed = record.error.has_value(),
                 .code = {},
                 .message = {},
                 .parent = record.trace,
                 .node = std::string(node)};
  if (record.error) {
    call.code = name(record.error->code);
    call.message = record.error->message.substr(0, message_bytes_max);
  }
  return call;
}

bool is_sampled(CallId id, std::string_view parent, std::uint64_t every) {
  if (const auto trace = wire::parse_traceparent(parent)) return trace->sampled;
  return id.low % std::max<std::uint64_t>(every, 1) == 0;
}

std::string run_context(CallId id, std::uint32_t attempt, std::string_view parent) {
  std::string text = "00-";
  for (const std::uint8_t byte : trace_id(id, wire::parse_traceparent(parent))) append_hex(byte, text);
  text += '-';
  for (const std::uint8_t byte : span_id(id, attempt, Piece::run)) append_hex(byte, text);
  return text + "-01";
}

std::vector<wire::Span> spans_of(const EndedCall& call) {
  const auto parent = wire::parse_traceparent(call.parent);
  wire::Span whole{.trace_id = trace_id(call.id, parent),
                   .id = span_id(call.id, call.attempt, Piece::call),
                   .parent_id = parent ? parent->parent_id : std::array<std::uint8_t, 8>{},
                   .name = to_text(call.function),
                   .kind = call.durable ? wire::SpanKind::consumer : wire::SpanKind::server,
                   .begun = call.queued,
                   .ended = std::max(call.ended, call.queued),
                   .attributes = attributes_of(call),
                   .failed = call.failed,
                   .message = call.message};
  // From the first instruction back to the arrival, since that is what is certain.
  const WallTime run = std::clamp(call.started, whole.begun, whole.ended);
  const WallTime start = std::max(run - call.usage.start_time, whole.begun);
  const WallTime hop = std::max(start - call.usage.hop_time.value_or(Duration::zero()), whole.begun);

  std::vector<wire::Span> spans = {std::move(whole)};
  const auto add = [&](Piece piece, const char* name, WallTime begun, WallTime ended) -> wire::Span& {
    return spans.emplace_back(wire::Span{.trace_id = spans.front().trace_id,
                                         .id = span_id(call.id, call.attempt, piece),
                                         .parent_id = spans.front().id,
                                         .name = name,
                                         .begun = begun,
                                         .ended = ended,
                                         .attributes = {},
                                         .message = {}});
  };
  add(Piece::queue, "queue", spans.front().begun, hop);
  if (call.usage.hop_time) {
    wire::Span& way = add(Piece::hop, "hop", hop, start);
    if (!call.node.empty()) way.attributes.push_back({"canopy.node", call.node});
  }
  if (call.usage.start_time > Duration::zero()) add(Piece::start, "start", start, run);
  add(Piece::run, "run", run, spans.front().ended);
  return spans;
}

}  // namespace canopy::trace
