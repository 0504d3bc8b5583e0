#include "wire/otlp.h"

#include <gtest/gtest.h>

#include "wire/json_read.h"

namespace canopy::wire {
namespace {

Span span_of(std::string name) {
  Span span;
  span.trace_id[0] = 0xAB;
  span.trace_id[15] = 0x01;
  span.id[7] = 0x22;
  span.name = std::move(name);
  span.kind = SpanKind::server;
  span.begun = WallTime(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  span.ended = span.begun + std::chrono::microseconds(3);
  return span;
}

TEST(SpansJson, IsWhatTheProtocolSays) {
  Span span = span_of("demo/hello");
  span.parent_id[0] = 0x33;
  span.attributes = {
      {"text", std::string("a\"b")}, {"count", std::int64_t{7}}, {"share", 0.5}, {"cold", true}};
  span.failed = true;
  span.message = "it failed";
  const std::vector<Attribute> resource = {{"service.name", std::string("canopy")}};
  EXPECT_EQ(
      spans_json(resource, "1.0", {{span}}),
      R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"canopy"}}]},)"
      R"("scopeSpans":[{"scope":{"name":"canopy","version":"1.0"},"spans":[{)"
      R"("traceId":"ab000000000000000000000000000001","spanId":"0000000000000022",)"
      R"("parentSpanId":"3300000000000000","name":"demo/hello","kind":2,)"
      R"("startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000123459789",)"
      R"("attributes":[{"key":"text","value":{"stringValue":"a\"b"}},{"key":"count","value":{"intValue":"7"}},)"
      R"({"key":"share","value":{"doubleValue":0.5}},{"key":"cold","value":{"boolValue":true}}],)"
      R"("status":{"code":2,"message":"it failed"}}]}]}]})");
}

TEST(SpansJson, WithoutAParentNothingIsSaidOfOne) {
  const Span span = span_of("alone");
  EXPECT_EQ(spans_json({}, "", {{span}}).find("parentSpanId"), std::string::npos);
}

TEST(SpansJson, WhateverANameHasItIsJson) {
  const Span span = span_of(std::string("a\0\xff\"\n", 5));
  EXPECT_TRUE(parse_json(spans_json({}, "", {{span, span}})));
}

}  // namespace
}  // namespace canopy::wire
