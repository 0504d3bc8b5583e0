#include "guest/sdk_calls.h"

#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint32_t huge = 0xffffffff;

std::int32_t set_header(FakeCaller& caller, std::string_view name, std::string_view value) {
  caller.put_text(0, name);
  caller.put_text(512, value);
  return caller.run("header_set", {0, name.size(), 512, value.size()}).result();
}

std::string request_header(FakeCaller& caller, std::string_view name) {
  caller.put_text(0, name);
  const auto size = caller.run("request_header", {0, name.size(), 1024, 100}).result();
  return size < 0 ? "(absent)" : caller.text(1024, static_cast<std::size_t>(size));
}

TEST(SdkInput, IsReadInPiecesFromAnywhere) {
  FakeCaller caller;
  caller.call().input = "0123456789";
  EXPECT_EQ(caller.run("input_size", {}).result(), 10);
  EXPECT_EQ(caller.run("input_read", {100, 4, 0}).result(), 4);
  EXPECT_EQ(caller.text(100, 4), "0123");
  EXPECT_EQ(caller.run("input_read", {100, 400, 8}).result(), 2);
  EXPECT_EQ(caller.text(100, 4), "8923");
  EXPECT_EQ(caller.run("input_read", {100, 4, 10}).result(), 0);
  EXPECT_EQ(caller.run("input_read", {100, 4, huge}).result(), 0);
  EXPECT_EQ(caller.run("input_read", {65536, 0, 0}).result(), 0);
}

TEST(SdkOutput, IsAppended) {
  FakeCaller caller;
  caller.put_text(0, "abcdef");
  caller.run("output_write", {0, 3});
  caller.run("output_write", {3, 3});
  EXPECT_EQ(caller.after, wasm::After::go_on);
  EXPECT_EQ(caller.reply().output, "abcdef");
}

TEST(SdkOutput, SendsStandardOutputToTheLog) {
  FakeCaller caller;
  FakeGuest guest(caller);
  EXPECT_EQ(guest.write(1, "before "), 7U);
  EXPECT_EQ(caller.reply().output, "before ");
  caller.put_text(0, "reply");
  caller.run("output_write", {0, 5});
  EXPECT_EQ(guest.write(1, "after"), 5U);
  EXPECT_EQ(caller.reply().output, "reply");
  EXPECT_EQ(caller.log().text(), "before after");
}

TEST(SdkOutput, EndsTheCallAtItsLimit) {
  Function function;
  function.limits.output_bytes = 2 * KiB;
  FakeCaller caller(function);
  caller.run("output_write", {0, 2048});
  EXPECT_EQ(caller.after, wasm::After::go_on);
  caller.run("output_write", {0, 1});
  EXPECT_EQ(caller.after, wasm::After::fail);
  ASSERT_TRUE(caller.error);
  EXPECT_EQ(caller.error->code, Code::limit);
  EXPECT_NE(caller.error->message.find("output limit of 2KiB; raise 'output'"), std::string::npos);
  EXPECT_EQ(caller.reply().output.size(), 2048U);
}

TEST(SdkStatus, IsOneOfHttp) {
  FakeCaller caller;
  for (const std::uint64_t bad : {0U, 100U, 199U, 600U, huge}) {
    EXPECT_EQ(caller.run("status_set", {bad}).result(), -1) << bad;
  }
  EXPECT_EQ(caller.reply().status, 200);
  EXPECT_EQ(caller.run("status_set", {404}).result(), 0);
  EXPECT_EQ(caller.reply().status, 404);
}

TEST(SdkHeader, IsSetOnceAndCookiesAreAdded) {
  FakeCaller caller;
  EXPECT_EQ(set_header(caller, "X-A", "1"), 0);
  EXPECT_EQ(set_header(caller, "x-a", "2"), 0);
  EXPECT_EQ(set_header(caller, "Set-Cookie", "a=1"), 0);
  EXPECT_EQ(set_header(caller, "set-cookie", "b=2"), 0);
  const auto& headers = caller.reply().headers;
  ASSERT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers[0].value, "2");
  EXPECT_EQ(headers[1].value, "a=1");
  EXPECT_EQ(headers[2].value, "b=2");
}

TEST(SdkHeader, CannotEndTheLineOrFrameTheMessage) {
  FakeCaller caller;
  for (const std::string_view name :
       {"", "a b", "a:b", "a\n", "na\xc3\xafve", "Content-Length", "transfer-encoding", "Connection",
        "X-Call-Id", "x-cold-start", "Upgrade"}) {
    EXPECT_EQ(set_header(caller, name, "v"), -1) << name;
  }
  for (const std::string_view value : {"a\r\nb: c", "a\n", "\r", "\x01", "\x7f"}) {
    EXPECT_EQ(set_header(caller, "X-A", value), -1) << value;
  }
  EXPECT_EQ(set_header(caller, "X-A", std::string_view("a\0b", 3)), -1);
  EXPECT_TRUE(caller.reply().headers.empty());
  EXPECT_EQ(set_header(caller, "X-A", "tab\tand \xc3\xa9"), 0);
}

TEST(SdkHeader, HasALimitOfNumberAndSize) {
  FakeCaller caller;
  for (std::size_t i = 0; i < reply_headers_max; ++i) {
    EXPECT_EQ(set_header(caller, "X-" + std::to_string(i), "v"), 0);
  }
  EXPECT_EQ(set_header(caller, "X-More", "v"), -1);
  EXPECT_EQ(set_header(caller, "X-0", "still changed"), 0);
  EXPECT_EQ(caller.reply().headers.size(), reply_headers_max);

  FakeCaller other;
  EXPECT_EQ(set_header(other, "X-A", std::string(reply_header_bytes_max + 1, 'v')), -1);
  EXPECT_EQ(set_header(other, "X-A", std::string(reply_header_bytes_max - 3, 'v')), 0);
  EXPECT_EQ(set_header(other, "X-B", "v"), -1);
  EXPECT_EQ(set_header(other, "X-A", std::string(reply_header_bytes_max - 2, 'v')), -1);
  EXPECT_EQ(set_header(other, "X-A", "small"), 0);
}

TEST(SdkRequest, TellsItsParts) {
  Function function;
  function.name = {"demo", "hello"};
  FakeCaller caller(function);
  caller.call().method = "GET";
  caller.call().path = "/p";
  caller.call().query = "q=1";
  caller.call().id = {0, 255};
  const std::string_view parts[] = {"GET", "/p", "q=1", "000000000000000000000000000000ff", "demo/hello"};
  for (std::uint32_t part = 0; part < 5; ++part) {
    const auto size = caller.run("request_get", {part, 0, 100}).result();
    EXPECT_EQ(caller.text(0, static_cast<std::size_t>(size)), parts[part]);
  }
  EXPECT_EQ(caller.run("request_get", {5, 0, 100}).result(), -1);
  EXPECT_EQ(caller.run("request_get", {huge, 0, 100}).result(), -1);
}

TEST(SdkRequest, CopiesWhatFitsAndTellsTheWhole) {
  FakeCaller caller;
  caller.call().path = "/long/path";
  caller.put_text(0, "..........");
  EXPECT_EQ(caller.run("request_get", {1, 0, 0}).result(), 10);
  EXPECT_EQ(caller.text(0, 3), "...");
  EXPECT_EQ(caller.run("request_get", {1, 0, 5}).result(), 10);
  EXPECT_EQ(caller.text(0, 6), "/long.");
}

TEST(SdkRequest, FindsHeadersInAnyCase) {
  FakeCaller caller;
  caller.call().headers = {{"X-Thing", "first"}, {"x-thing", "second"}, {"Empty", ""}};
  EXPECT_EQ(request_header(caller, "x-tHING"), "first");
  EXPECT_EQ(request_header(caller, "Empty"), "");
  EXPECT_EQ(request_header(caller, "X-Thin"), "(absent)");
  EXPECT_EQ(request_header(caller, ""), "(absent)");
}

TEST(SdkLog, WritesLinesWithTheirLevel) {
  FakeCaller caller;
  caller.put_text(0, "text\n");
  caller.run("log_write", {0, 0, 4});
  caller.run("log_write", {2, 0, 5});
  caller.run("log_write", {huge, 0, 0});
  EXPECT_EQ(caller.log().text(), "[debug] text\n[warning] text\n[error] \n");
}

TEST(SdkDeadline, IsWhatIsLeft) {
  FakeCaller caller;
  EXPECT_EQ(caller.run("deadline_ms", {}).value.i64, -1);
  caller.call().deadline = caller.clock().now() + std::chrono::milliseconds(250);
  EXPECT_EQ(caller.run("deadline_ms", {}).value.i64, 250);
  caller.fake_clock().advance(std::chrono::seconds(1));
  EXPECT_EQ(caller.run("deadline_ms", {}).value.i64, 0);
}

TEST(Sdk, APointerOutsideOfTheMemoryEndsTheCall) {
  struct Case {
    std::string_view name;
    std::initializer_list<std::uint64_t> arguments;
  };
  const Case cases[] = {{"input_read", {65536, 1, 0}},      {"input_read", {huge, huge, 0}},
                        {"output_write", {65535, 2}},       {"output_write", {0, huge}},
                        {"header_set", {huge, 1, 0, 1}},    {"header_set", {0, 1, 65536, 1}},
                        {"request_get", {0, 65530, 100}},   {"request_header", {huge, 4, 0, 4}},
                        {"log_write", {1, 1, 65536}},       {"__faasm_read_input", {65536, 4}},
                        {"__faasm_write_output", {0, huge}}};
  for (const Case& each : cases) {
    FakeCaller caller;
    caller.call().input = "input";
    caller.run(each.name, each.arguments);
    EXPECT_EQ(caller.after, wasm::After::fail) << each.name;
    ASSERT_TRUE(caller.error) << each.name;
    EXPECT_EQ(caller.error->code, Code::died);
    EXPECT_NE(caller.error->message.find(each.name), std::string::npos) << caller.error->message;
    EXPECT_TRUE(caller.reply().output.empty());
  }
}

TEST(Sdk, APointerThatLeadsNowhereToAHeaderOfTheRequestEndsTheCall) {
  FakeCaller caller;
  caller.call().headers = {{"A", "value"}};
  caller.put_text(0, "A");
  caller.run("request_header", {0, 1, 65536, 5});
  EXPECT_EQ(caller.after, wasm::After::fail);
}

TEST(Sdk, WhatBelongsToACallIsRefusedWhilePreparing) {
  struct Case {
    std::string_view name;
    std::initializer_list<std::uint64_t> arguments;
  };
  const Case cases[] = {{"input_size", {}},
                        {"input_read", {0, 1, 0}},
                        {"output_write", {0, 1}},
                        {"status_set", {200}},
                        {"header_set", {0, 1, 0, 1}},
                        {"request_get", {0, 0, 1}},
                        {"request_header", {0, 1, 0, 1}},
                        {"deadline_ms", {}},
                        {"__faasm_read_input", {0, 0}},
                        {"__faasm_write_output", {0, 1}}};
  for (const Case& each : cases) {
    FakeCaller caller;
    caller.is_preparing = true;
    caller.run(each.name, each.arguments);
    EXPECT_EQ(caller.after, wasm::After::fail) << each.name;
    ASSERT_TRUE(caller.error) << each.name;
    EXPECT_EQ(caller.error->code, Code::refused);
    EXPECT_TRUE(caller.error->message.starts_with("the initialisation asked for ")) << caller.error->message;
  }
}

TEST(Sdk, LogsWhilePreparing) {
  FakeCaller caller;
  caller.is_preparing = true;
  caller.put_text(0, "loading");
  caller.run("log_write", {1, 0, 7});
  EXPECT_EQ(caller.after, wasm::After::go_on);
  EXPECT_EQ(caller.log().text(), "[info] loading\n");
}

TEST(Sdk, WorksWithoutALogOrAMemory) {
  FakeCaller caller({}, {}, 0);
  caller.call().log = nullptr;
  caller.run("log_write", {1, 0, 0});
  EXPECT_EQ(caller.after, wasm::After::go_on);
  caller.run("output_write", {0, 0});
  EXPECT_EQ(caller.after, wasm::After::go_on);
  caller.run("output_write", {0, 1});
  EXPECT_EQ(caller.after, wasm::After::fail);
}

TEST(FaasmInput, WithSizeZeroTellsTheSize) {
  FakeCaller caller;
  EXPECT_EQ(caller.run("__faasm_read_input", {0, 0}).result(), 0);
  caller.call().input = "hello";
  EXPECT_EQ(caller.run("__faasm_read_input", {0, 0}).result(), 5);
  EXPECT_EQ(caller.run("__faasm_read_input", {0, huge}).result(), 5);
  EXPECT_EQ(caller.run("__faasm_read_input", {0, 3}).result(), 3);
  EXPECT_EQ(caller.text(0, 3), "hel");
  EXPECT_EQ(caller.run("__faasm_read_input", {0, 100}).result(), 5);
}

TEST(FaasmOutput, ReplacesWhatWasSet) {
  FakeCaller caller;
  FakeGuest guest(caller);
  EXPECT_TRUE(guest.write(1, "printed"));
  caller.put_text(0, std::string_view("fir\0st", 6));
  caller.run("__faasm_write_output", {0, 6});
  EXPECT_EQ(caller.reply().output, std::string_view("fir\0st", 6));
  caller.run("__faasm_write_output", {0, 3});
  EXPECT_EQ(caller.reply().output, "fir");
  EXPECT_EQ(caller.log().text(), "printed");
}

TEST(FaasmOutput, HasTheLimitOfTheOutput) {
  Function function;
  function.limits.output_bytes = 100;
  FakeCaller caller(function);
  caller.run("__faasm_write_output", {0, 100});
  caller.run("__faasm_write_output", {0, 100});
  EXPECT_EQ(caller.after, wasm::After::go_on);
  caller.run("__faasm_write_output", {0, 101});
  EXPECT_EQ(caller.after, wasm::After::fail);
  EXPECT_EQ(caller.error->code, Code::limit);
}

}  // namespace
}  // namespace canopy::guest
