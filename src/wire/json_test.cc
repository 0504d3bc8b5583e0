#include "wire/json.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "wire/json_read.h"

namespace canopy::wire {
namespace {

constexpr CallId id{.high = 1, .low = 2};
constexpr const char* id_text = "00000000000000010000000000000002";

// Parses what was written, so a test asks for keys and not for an order.
boost::json::object parsed(std::string_view text) {
  const auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? value->as_object() : boost::json::object();
}

Function example() {
  Function function;
  function.name = {"demo", "hello"};
  function.version = 3;
  function.digest = "abc";
  function.code_bytes = 12;
  function.env = {{"A", "1\n"}};
  function.files = {{.path = "data/x", .digest = "def", .size_bytes = 5}};
  function.created = WallTime(std::chrono::seconds(86'400));
  return function;
}

Record record_in(State state) {
  Record record;
  record.id = id;
  record.function = {"demo", "hello"};
  record.version = 2;
  record.state = state;
  return record;
}

TEST(Json, WritesAFunction) {
  const auto json = parsed(to_json(example()));
  EXPECT_EQ(json.at("function"), "demo/hello");
  EXPECT_EQ(json.at("namespace"), "demo");
  EXPECT_EQ(json.at("name"), "hello");
  EXPECT_EQ(json.at("version"), 3);
  EXPECT_EQ(json.at("digest"), "abc");
  EXPECT_EQ(json.at("code_bytes"), 12);
  EXPECT_EQ(json.at("runtime"), "wasm");
  EXPECT_EQ(json.at("created"), "1970-01-02T00:00:00.000Z");
  EXPECT_EQ(json.at("env"), (boost::json::object{{"A", "1\n"}}));
  const boost::json::object file{{"path", "data/x"}, {"digest", "def"}, {"size_bytes", 5}};
  EXPECT_EQ(json.at("files"), (boost::json::array{file}));
  const auto& limits = json.at("limits").as_object();
  EXPECT_EQ(limits.at("memory_bytes"), 64 * MiB);
  EXPECT_EQ(limits.at("timeout_seconds"), 10);
  EXPECT_EQ(limits.at("concurrency"), 1000);
  EXPECT_EQ(limits.at("output_bytes"), 6 * MiB);
  EXPECT_EQ(limits.at("log_bytes"), 256 * KiB);
  EXPECT_EQ(limits.at("tmp_bytes"), 16 * MiB);
  EXPECT_EQ(limits.at("open_files"), 64);
  EXPECT_EQ(limits.at("table_elements"), Limits().table_elements);
}

TEST(Json, WritesACallThatEnded) {
  Record record = record_in(State::completed);
  record.queued = record.started = record.ended = WallTime(std::chrono::seconds(1));
  record.status = 200;
  record.usage.wait_time = std::chrono::milliseconds(7);
  record.usage.start_time = std::chrono::milliseconds(4);
  record.usage.hop_time = std::chrono::milliseconds(2);
  record.usage.run_time = std::chrono::seconds(2);
  record.usage.cold = true;
  record.usage.memory_bytes = 7;
  record.output_bytes = 9;
  record.log = "abc";
  record.log_dropped_bytes = 4;
  const auto json = parsed(to_json(record));
  EXPECT_EQ(json.at("id"), id_text);
  EXPECT_EQ(json.at("function"), "demo/hello");
  EXPECT_EQ(json.at("state"), "COMPLETED");
  EXPECT_EQ(json.at("ended"), "1970-01-01T00:00:01.000Z");
  EXPECT_EQ(json.at("status"), 200);
  EXPECT_EQ(json.at("exit_code"), 0);
  EXPECT_EQ(json.at("attempt"), 1);
  EXPECT_EQ(json.at("input_bytes"), 0);
  EXPECT_EQ(json.at("output_bytes"), 9);
  EXPECT_EQ(json.at("log_bytes"), 3);
  EXPECT_EQ(json.at("log_dropped_bytes"), 4);
  EXPECT_TRUE(json.at("trace").is_null());
  EXPECT_TRUE(json.at("error").is_null());
  EXPECT_FALSE(json.contains("log"));
  const auto& usage = json.at("usage").as_object();
  EXPECT_EQ(usage.at("queue_seconds"), 0.001);
  EXPECT_EQ(usage.at("hop_seconds"), 0.002);
  EXPECT_EQ(usage.at("start_seconds"), 0.004);
  EXPECT_EQ(usage.at("run_seconds"), 2);
  EXPECT_EQ(usage.at("cpu_seconds"), 0);
  EXPECT_EQ(usage.at("memory_bytes"), 7);
  EXPECT_EQ(usage.at("cold"), true);
}

TEST(Json, AWarmCallInTheServersOwnProcessHasNoHopAndNoStart) {
  const auto json = parsed(to_json(record_in(State::completed)));
  EXPECT_TRUE(json.at("usage").at("hop_seconds").is_null());
  EXPECT_EQ(json.at("usage").at("start_seconds"), 0);
}

TEST(Json, LeavesOpenWhatIsNotKnownYet) {
  const auto json = parsed(to_json(record_in(State::running)));
  for (const std::string_view key : {"queued", "started", "ended", "status", "exit_code", "error"}) {
    EXPECT_TRUE(json.at(key).is_null()) << key;
  }
}

TEST(Json, LeavesOpenWhatNobodyHasMeasuredYet) {
  Record record = record_in(State::running);
  record.version = 0;
  record.queued = WallTime(std::chrono::seconds(1));
  const auto waiting = parsed(to_json(record));
  EXPECT_TRUE(waiting.at("version").is_null());
  for (const auto& [key, value] : waiting.at("usage").as_object()) EXPECT_TRUE(value.is_null()) << key;
  record.started = WallTime(std::chrono::seconds(3));
  EXPECT_EQ(parsed(to_json(record)).at("usage").at("queue_seconds"), 2);
  record.state = State::canceled;
  record.usage.run_time = std::chrono::milliseconds(500);
  const auto cancelled = parsed(to_json(record));
  EXPECT_EQ(cancelled.at("usage").at("run_seconds"), 0.5);
  EXPECT_TRUE(cancelled.at("usage").at("memory_bytes").is_null());
  EXPECT_TRUE(cancelled.at("usage").at("start_seconds").is_null());
}

TEST(Json, WritesACallThatFailed) {
  Record record = record_in(State::failed);
  record.status = 504;
  record.error = Error{Code::deadline, "too late", Stage::run};
  const auto json = parsed(to_json(record));
  EXPECT_EQ(json.at("error").as_object().at("code"), "deadline");
  EXPECT_EQ(json.at("error").as_object().at("call"), id_text);
  EXPECT_EQ(json.at("error").as_object().at("stage"), "run");
}

TEST(Json, WritesErrorsInTheOrderOfTheContract) {
  EXPECT_EQ(error_json({Code::deadline, "took \"long\"", Stage::run}, id),
            R"({"error":{"code":"deadline","message":"took \"long\"","origin":"limit","call":")" +
                std::string(id_text) + R"(","stage":"run"}})");
  EXPECT_EQ(error_json(Error{Code::invalid, "no\xFF", Stage::none}),
            "{\"error\":{\"code\":\"invalid\",\"message\":\"no\xEF\xBF\xBD\",\"origin\":\"client\"}}");
}

TEST(Json, WritesLists) {
  const std::vector<std::shared_ptr<const Function>> pointers = {std::make_shared<Function>(example())};
  EXPECT_EQ(list_json("functions", pointers), "{\"functions\":[" + to_json(example()) + "]}");
  EXPECT_EQ(list_json("versions", std::vector<Function>{example(), example()}),
            "{\"versions\":[" + to_json(example()) + "," + to_json(example()) + "]}");
  EXPECT_EQ(list_json("calls", std::vector<Record>()), "{\"calls\":[]}");
}

TEST(ParseJson, ReadsWhatPeopleWrite) {
  const auto value = parse_json("{ // why\n \"a\": [1, 2,], /* x */ \"b\": \"\\ud83d\\ude00\", }");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->as_object().at("a").as_array().size(), 2U);
  EXPECT_EQ(value->as_object().at("b"), "\xF0\x9F\x98\x80");
}

TEST(ParseJson, NamesTheByte) {
  struct Case {
    std::string_view text;
    std::string_view words;
  };
  for (const Case& c : {Case{"{\"a\": nope}", "not JSON at byte 6: "}, Case{"", "not JSON at byte 0: "},
                        Case{"[1, 2", "not JSON at byte 5: "}, Case{"{} x", "not JSON at byte 3: "},
                        Case{"\"\xFF\"", "not JSON at byte 1: "}}) {
    const auto value = parse_json(c.text);
    ASSERT_FALSE(value) << c.text;
    EXPECT_EQ(value.error().code, Code::invalid);
    EXPECT_NE(value.error().message.find(c.words), std::string::npos) << value.error().message;
  }
}

TEST(ParseJson, IsStrictWhereItIsAskedTo) {
  for (const std::string_view text : {"[1,]", "[1] // why", "/* x */ {}"}) {
    EXPECT_TRUE(parse_json(text)) << text;
    EXPECT_EQ(parse_json(text, {.strict = true}).error().code, Code::invalid) << text;
  }
  EXPECT_TRUE(parse_json(" [1, {\"a\": null}] ", {.strict = true}));
}

TEST(ParseJson, SaysWhatKindItIs) {
  EXPECT_EQ(json_kind("null"), JsonKind::null);
  EXPECT_EQ(json_kind("true"), JsonKind::boolean);
  EXPECT_EQ(json_kind("-1.5e3"), JsonKind::number);
  EXPECT_EQ(json_kind("7"), JsonKind::number);
  EXPECT_EQ(json_kind("\"a\""), JsonKind::string);
  EXPECT_EQ(json_kind("[4, 7]"), JsonKind::array);
  EXPECT_EQ(json_kind("{}"), JsonKind::object);
  for (const std::string_view text : {"", "[4,", "[4,]", "[1] x", "undefined", "[object Object]"}) {
    EXPECT_EQ(json_kind(text).error().code, Code::invalid) << text;
  }
}

TEST(ParseJson, BoundsSizeAndDepth) {
  EXPECT_EQ(parse_json("[1]", {.bytes_max = 2}).error().code, Code::too_large);
  EXPECT_TRUE(parse_json(std::string(32, '[') + std::string(32, ']')));
  EXPECT_FALSE(parse_json(std::string(33, '[') + std::string(33, ']')));
  EXPECT_FALSE(parse_json(std::string(100'000, '[')));
}

}  // namespace
}  // namespace canopy::wire
