#include "trace/spans.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "wire/headers.h"

namespace canopy::trace {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr std::string_view unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
constexpr CallId id{0x0123456789ABCDEF, 0xFEDCBA9876543210};

Record record_of(std::string_view trace) {
  Record record;
  record.id = id;
  record.function = {"demo", "hello"};
  record.version = 3;
  record.queued = WallTime(std::chrono::seconds(1'700'000'000));
  record.started = record.queued + milliseconds(2);
  record.ended = record.started + milliseconds(5);
  record.status = 200;
  record.trace = trace;
  return record;
}

TEST(Spans, ACallIsAWholeWithAQueueAndARun) {
  const auto spans = spans_of(ended_call(record_of(""), "", false));
  ASSERT_EQ(spans.size(), 3U);
  const auto& [whole, queue, run] = std::tie(spans[0], spans[1], spans[2]);
  EXPECT_EQ(whole.name, "demo/hello");
  EXPECT_EQ(whole.kind, wire::SpanKind::server);
  EXPECT_EQ(whole.parent_id, (std::array<std::uint8_t, 8>{}));
  EXPECT_EQ(queue.name, "queue");
  EXPECT_EQ(run.name, "run");
  EXPECT_EQ(queue.parent_id, whole.id);
  EXPECT_EQ(run.parent_id, whole.id);
  EXPECT_EQ(queue.begun, whole.begun);
  EXPECT_EQ(queue.ended, run.begun);
  EXPECT_EQ(run.ended, whole.ended);
  EXPECT_EQ(run.ended - run.begun, milliseconds(5));
  for (const auto& span : spans) EXPECT_EQ(span.trace_id, whole.trace_id);
  EXPECT_EQ(std::set({whole.id, queue.id, run.id}).size(), 3U);
}

TEST(Spans, AHopAndAStartLieBetweenQueueAndRun) {
  Record record = record_of("");
  record.usage = {.wait_time = milliseconds(10), .start_time = milliseconds(4), .hop_time = milliseconds(3)};
  record.started = record.queued + record.usage.wait_time;
  record.ended = record.started + milliseconds(5);
  const auto spans = spans_of(ended_call(record, "mid/leaf/one", false));
  std::vector<std::string> names;
  std::set<std::array<std::uint8_t, 8>> ids;
  for (const auto& span : spans) {
    names.push_back(span.name);
    ids.insert(span.id);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"demo/hello", "queue", "hop", "start", "run"}));
  EXPECT_EQ(ids.size(), 5U);
  EXPECT_EQ(spans[1].begun, spans[0].begun);
  for (std::size_t i = 1; i < spans.size(); ++i) EXPECT_EQ(spans[i].parent_id, spans[0].id) << i;
  for (std::size_t i = 2; i < spans.size(); ++i) EXPECT_EQ(spans[i].begun, spans[i - 1].ended) << i;
  EXPECT_EQ(spans[4].ended, spans[0].ended);
  EXPECT_EQ(spans[1].ended - spans[1].begun, milliseconds(3));
  EXPECT_EQ(spans[2].ended - spans[2].begun, milliseconds(3));
  EXPECT_EQ(spans[3].ended - spans[3].begun, milliseconds(4));
  ASSERT_EQ(spans[2].attributes.size(), 1U);
  EXPECT_EQ(spans[2].attributes[0].name, "canopy.node");
  EXPECT_EQ(std::get<std::string>(spans[2].attributes[0].value), "mid/leaf/one");
  // A hop of no time is still a hop, and nobody has to know where to.
  record.usage.hop_time = Duration::zero();
  const auto near = spans_of(ended_call(record, "", false));
  ASSERT_EQ(near.size(), 5U);
  EXPECT_TRUE(near[2].attributes.empty());
}

TEST(Spans, ATraceOfOthersGoesOn) {
  const auto spans = spans_of(ended_call(record_of(sampled), "", true));
  const auto parent = wire::parse_traceparent(sampled);
  EXPECT_EQ(spans[0].trace_id, parent->trace_id);
  EXPECT_EQ(spans[0].parent_id, parent->parent_id);
  EXPECT_EQ(spans[0].kind, wire::SpanKind::consumer);
}

TEST(Spans, WhatAFunctionIsGivenLeadsToItsRun) {
  for (const std::string_view trace : {std::string_view(""), sampled}) {
    const auto given = wire::parse_traceparent(run_context(id, 1, trace));
    ASSERT_TRUE(given);
    const auto spans = spans_of(ended_call(record_of(trace), "", false));
    EXPECT_TRUE(given->sampled);
    EXPECT_EQ(given->trace_id, spans[0].trace_id);
    EXPECT_EQ(given->parent_id, spans.back().id);
  }
}

TEST(Spans, AttemptsOfACallAreSpansOfTheirOwn) {
  Record record = record_of(sampled);
  const auto first = spans_of(ended_call(record, "", true));
  record.attempt = 2;
  const auto second = spans_of(ended_call(record, "", true));
  EXPECT_EQ(first[0].trace_id, second[0].trace_id);
  EXPECT_NE(first[0].id, second[0].id);
  EXPECT_NE(run_context(id, 1, sampled), run_context(id, 2, sampled));
}

TEST(Spans, AFailureIsSaid) {
  Record record = record_of("");
  record.error = Error{Code::deadline, std::string(10'000, 'x'), Stage::run};
  const auto spans = spans_of(ended_call(record, "", false));
  EXPECT_TRUE(spans[0].failed);
  EXPECT_LE(spans[0].message.size(), 512U);
  EXPECT_EQ(spans[0].attributes.back().name, "error.type");
  EXPECT_EQ(std::get<std::string>(spans[0].attributes.back().value), "deadline");
}

TEST(Spans, TimesThatContradictEachOtherAreNoNegativeOnes) {
  Record record = record_of("");
  record.started = record.queued - milliseconds(1);
  record.ended = record.queued - milliseconds(2);
  record.usage = {.start_time = milliseconds(8), .hop_time = milliseconds(9)};
  for (const auto& span : spans_of(ended_call(record, "", false))) EXPECT_LE(span.begun, span.ended);
}

TEST(IsSampled, AsTheTraceSaysOrOneInSoMany) {
  EXPECT_TRUE(is_sampled(id, sampled, 1'000'000));
  EXPECT_FALSE(is_sampled(id, unsampled, 1));
  EXPECT_TRUE(is_sampled(id, "", 1));
  EXPECT_TRUE(is_sampled(id, "no trace", 1));
  int count = 0;
  for (std::uint64_t low = 0; low < 1000; ++low) count += is_sampled({1, low}, "", 10) ? 1 : 0;
  EXPECT_EQ(count, 100);
}

}  // namespace
}  // namespace canopy::trace
