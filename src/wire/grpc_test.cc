#include "wire/grpc.h"

#include <gtest/gtest.h>

#include "base/units.h"

namespace canopy::wire {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string body_of(std::string_view message) {
  std::string body;
  append_grpc_message(message, body);
  return body;
}

GrpcError error_of(std::string_view body, std::uint64_t bytes_max = KiB) {
  const auto read = read_grpc_message(body, bytes_max);
  return read ? GrpcError{GrpcStatus::ok, std::string(*read)} : read.error();
}

TEST(GrpcMessage, IsReadAsItWasWritten) {
  EXPECT_EQ(body_of("abc"), std::string("\0\0\0\0\3abc", 8));
  for (const std::string& message : {std::string("abc"), std::string(), std::string(70'000, 'x')}) {
    const std::string body = body_of(message);
    EXPECT_TRUE(read_grpc_message(body, message.size()) == message) << message.size();
  }
}

TEST(GrpcMessage, SeveralAreReadInOrder) {
  const std::string body = body_of("a") + body_of("") + body_of("bc");
  const auto read = read_grpc_messages(body, 10);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, (std::vector<std::string_view>{"a", "", "bc"}));
  EXPECT_TRUE(read_grpc_messages("", 10)->empty());
}

TEST(GrpcMessage, ACutOneIsRefused) {
  const std::string whole = body_of("abc");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(error_of(whole.substr(0, size)).status, GrpcStatus::internal) << size;
  }
  EXPECT_EQ(error_of(whole.substr(0, 6)).message,
            "a message should have 3 bytes, and the request ends after 1 of them");
  EXPECT_EQ(error_of("").message, "the request has no message, and needs one");
  EXPECT_EQ(error_of(whole + whole).message, "the request has more than the one message that it should have");
  EXPECT_EQ(error_of(whole + "x").status, GrpcStatus::internal);
}

TEST(GrpcMessage, ALongOneIsRefusedWhateverComesOfIt) {
  EXPECT_EQ(error_of(std::string("\0\xff\xff\xff\xff", 5)).status, GrpcStatus::resource_exhausted);
  EXPECT_EQ(error_of(body_of("abc"), 2).message, "a message has 3 bytes, and may have 2B here");
}

TEST(GrpcMessage, ACompressedOneIsRefused) {
  EXPECT_EQ(error_of(std::string("\1\0\0\0\1x", 6)).status, GrpcStatus::unimplemented);
  EXPECT_EQ(error_of(std::string("\2\0\0\0\1x", 6)).status, GrpcStatus::internal);
  EXPECT_EQ(error_of(std::string("\xff\0\0\0\1x", 6)).message,
            "a message begins with 255, which says neither that it is compressed nor that it is not");
}

TEST(GrpcTimeout, HasAUnit) {
  EXPECT_EQ(parse_grpc_timeout("250m"), milliseconds(250));
  EXPECT_EQ(parse_grpc_timeout("1S"), seconds(1));
  EXPECT_EQ(parse_grpc_timeout("0n"), Duration(0));
  EXPECT_EQ(parse_grpc_timeout("7u"), std::chrono::microseconds(7));
  EXPECT_EQ(parse_grpc_timeout("2M"), std::chrono::minutes(2));
  EXPECT_EQ(parse_grpc_timeout("3H"), hours(3));
  EXPECT_EQ(parse_grpc_timeout("99999999H"), hours(24 * 365 * 100));
  for (const std::string_view text :
       {"", "m", "1", "1s", "-1S", "1.5S", "123456789S", "1 S", " 1S", "S1", "1SS"}) {
    EXPECT_EQ(parse_grpc_timeout(text), std::nullopt) << text;
  }
}

TEST(GrpcTimeout, IsWrittenNoLongerThanItIs) {
  for (const Duration time : {Duration(1), Duration(99'999'999), Duration(100'000'001), Duration(seconds(10)),
                              Duration(hours(30)), Duration(hours(24 * 365 * 90))}) {
    const auto read = parse_grpc_timeout(grpc_timeout(time));
    ASSERT_TRUE(read) << grpc_timeout(time);
    EXPECT_LE(*read, time);
    EXPECT_GE(*read, time - time / 50);
  }
  EXPECT_EQ(grpc_timeout(Duration(0)), "1n");
  EXPECT_EQ(grpc_timeout(Duration(-5)), "1n");
}

TEST(GrpcWords, ArePercentEncoded) {
  EXPECT_EQ(escape_grpc_message("100% sure"), "100%25 sure");
  EXPECT_EQ(escape_grpc_message("a\nb\xc3\xa9"), "a%0ab%c3%a9");
  for (const std::string_view text : {"", "plain", "100%", "a\r\n\t\x7f", "\xc3\xa9%zz"}) {
    EXPECT_EQ(unescape_grpc_message(escape_grpc_message(text)), text);
  }
  EXPECT_EQ(unescape_grpc_message("%41%zz%4"), "A%zz%4");
}

TEST(GrpcStatus, OfEachErrorIsAFailure) {
  for (int code = 0; code <= static_cast<int>(Code::deadline); ++code) {
    EXPECT_NE(grpc_status(static_cast<Code>(code)), GrpcStatus::ok);
  }
  EXPECT_EQ(grpc_status(Code::not_found), GrpcStatus::not_found);
  EXPECT_EQ(grpc_status(Code::deadline), GrpcStatus::deadline_exceeded);
  EXPECT_EQ(grpc_status_of_http(401), GrpcStatus::unauthenticated);
  EXPECT_EQ(grpc_status_of_http(503), GrpcStatus::unavailable);
  EXPECT_EQ(grpc_status_of_http(418), GrpcStatus::unknown);
  EXPECT_EQ(code_of(GrpcStatus::ok), std::nullopt);
  EXPECT_EQ(code_of(GrpcStatus::invalid_argument), Code::function_failed);
}

TEST(GrpcStatus, IsANumber) {
  EXPECT_EQ(parse_grpc_status("0"), GrpcStatus::ok);
  EXPECT_EQ(parse_grpc_status("16"), GrpcStatus::unauthenticated);
  for (const std::string_view text : {"", "17", "-1", "1x", "ok", " 1"}) {
    EXPECT_EQ(parse_grpc_status(text), std::nullopt) << text;
  }
  EXPECT_EQ(name(GrpcStatus::deadline_exceeded), "DEADLINE_EXCEEDED");
}

TEST(GrpcType, BeginsWithItsName) {
  for (const std::string_view type :
       {"application/grpc", "application/grpc+proto", "Application/GRPC;charset=x"}) {
    EXPECT_TRUE(is_grpc_type(type)) << type;
  }
  for (const std::string_view type : {"", "application/grpc-web", "application/json", "application/grp"}) {
    EXPECT_FALSE(is_grpc_type(type)) << type;
  }
}

}  // namespace
}  // namespace canopy::wire
