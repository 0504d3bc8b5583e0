#include "store/call_log_rows.h"

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "store/call_log_keys.h"
#include "store/crc32c.h"

namespace canopy::store {
namespace {

CallHead sample_head() {
  CallHead head;
  head.token = 77;
  DurableCall& call = head.call;
  call.owner = "ada";
  call.function = {"demo", "hello"};
  call.method = "PUT";
  call.path = "/a";
  call.query = "b=c";
  call.headers = {{"One", "1"}, {"Two", std::string("\0\xff", 2)}};
  call.trace = "trace";
  call.timeout = std::chrono::seconds(3);
  call.retries_max = 4;
  call.callback_url = "http://example.org/";
  call.idempotency_key = "key";
  call.keep = std::chrono::hours(5);
  call.queued = WallTime(std::chrono::seconds(6));
  call.deadline = WallTime(std::chrono::seconds(7));
  head.input = body_of("input");
  return head;
}

Progress sample_progress() {
  Progress progress;
  progress.attempt = 2;
  progress.tries = {.failures = 1, .losses = 1};
  progress.due = WallTime(std::chrono::seconds(9));
  progress.attempts = {{.number = 1,
                        .started = WallTime(std::chrono::seconds(1)),
                        .ended = WallTime(std::chrono::seconds(2)),
                        .error = Error{Code::limit, "too much", Stage::run}},
                       {.number = 2, .started = {}, .ended = {}, .error = std::nullopt}};
  return progress;
}

Ending sample_ending() {
  Ending ending;
  ending.state = State::failed;
  ending.outcome.version = 3;
  ending.outcome.status = 201;
  ending.outcome.exit_code = -1;
  ending.outcome.headers = {{"A", "b"}};
  ending.outcome.usage = {.wait_time = Duration(1),
                          .run_time = Duration(2),
                          .cpu_time = Duration(3),
                          .memory_bytes = 4,
                          .cold = true};
  ending.outcome.error = Error{Code::died, "trap", Stage::run};
  ending.expires = WallTime(std::chrono::seconds(10));
  ending.output = body_of("output");
  ending.output.file = "file";
  ending.log = body_of("log");
  return ending;
}

TEST(CallRows, AHeadComesBackAsItWas) {
  const CallHead head = sample_head();
  const auto read = decode_head(5, encode_head(5, head));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->token, 77U);
  EXPECT_EQ(read->call.owner, "ada");
  EXPECT_EQ(to_text(read->call.function), "demo/hello");
  EXPECT_EQ(read->call.method, "PUT");
  EXPECT_EQ(read->call.path, "/a");
  EXPECT_EQ(read->call.query, "b=c");
  ASSERT_EQ(read->call.headers.size(), 2U);
  EXPECT_EQ(read->call.headers[1].value, head.call.headers[1].value);
  EXPECT_EQ(read->call.trace, "trace");
  EXPECT_EQ(read->call.timeout, head.call.timeout);
  EXPECT_EQ(read->call.retries_max, 4U);
  EXPECT_EQ(read->call.callback_url, head.call.callback_url);
  EXPECT_EQ(read->call.idempotency_key, "key");
  EXPECT_EQ(read->call.keep, head.call.keep);
  EXPECT_EQ(read->call.queued, head.call.queued);
  EXPECT_EQ(read->call.deadline, head.call.deadline);
  EXPECT_TRUE(check_body(5, read->input, "input"));
  EXPECT_FALSE(check_body(5, read->input, "inpuT"));
  EXPECT_FALSE(check_body(5, read->input, "inpu"));
}

TEST(CallRows, AnEndedCallComesBackAsItWas) {
  const auto read = decode_ended(5, encode_ended(5, sample_head(), sample_progress(), sample_ending()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->head.call.idempotency_key, "key");
  EXPECT_EQ(read->progress.attempt, 2U);
  EXPECT_EQ(read->progress.tries.failures, 1U);
  EXPECT_EQ(read->progress.tries.losses, 1U);
  EXPECT_EQ(read->progress.due, WallTime(std::chrono::seconds(9)));
  ASSERT_EQ(read->progress.attempts.size(), 2U);
  EXPECT_EQ(read->progress.attempts[0].error->message, "too much");
  EXPECT_EQ(read->progress.attempts[0].error->stage, Stage::run);
  EXPECT_FALSE(read->progress.attempts[1].error);
  EXPECT_EQ(read->ending.state, State::failed);
  EXPECT_EQ(read->ending.outcome.version, 3U);
  EXPECT_EQ(read->ending.outcome.status, 201);
  EXPECT_EQ(read->ending.outcome.exit_code, -1);
  EXPECT_EQ(read->ending.outcome.usage.memory_bytes, 4U);
  EXPECT_TRUE(read->ending.outcome.usage.cold);
  EXPECT_EQ(read->ending.outcome.error->code, Code::died);
  EXPECT_EQ(read->ending.expires, WallTime(std::chrono::seconds(10)));
  EXPECT_EQ(read->ending.output.file, "file");
  EXPECT_EQ(read->ending.log.size_bytes, 3U);
}

TEST(CallRows, ThePartsOfTheWaitComeBackAsTheyWere) {
  for (const std::optional<Duration> hop :
       {std::optional<Duration>(), std::optional(Duration(0)), std::optional(Duration(30))}) {
    Ending ending = sample_ending();
    ending.outcome.usage.wait_time = Duration(100);
    ending.outcome.usage.start_time = Duration(20);
    ending.outcome.usage.hop_time = hop;
    const auto read = decode_ended(5, encode_ended(5, sample_head(), sample_progress(), ending));
    ASSERT_TRUE(read) << read.error().message;
    const Usage& usage = read->ending.outcome.usage;
    EXPECT_EQ(usage.wait_time, Duration(100));
    EXPECT_EQ(usage.start_time, Duration(20));
    EXPECT_EQ(usage.hop_time, hop);
    EXPECT_EQ(usage.run_time, Duration(2));
  }
}

// The samples as Canopy wrote them before the parts of a wait were told apart: what is kept has to stay
// readable.
constexpr std::string_view ended_row_of_version_1 =
    "014d00000000000000030000006164610400000064656d6f0500000068656c6c6f03000000505554020000002f610300"
    "0000623d6305000000747261636513000000687474703a2f2f6578616d706c652e6f72672f030000006b6579005ed0b2"
    "000000000400000000209bf35e10000000bca0650100000000863ba10100000002000000030000004f6e650100000031"
    "0300000054776f0200000000ff0500000000000000701f8fd800000000020000000100000001000000001a7118020000"
    "00020000000100000000ca9a3b000000000094357700000000010d0308000000746f6f206d7563680200000000000000"
    "00000000000000000000000000030300000000000000000000000000000000000000c9000000ffffffff010000000100"
    "000041010000006200000000000000000100000000000000020000000000000003000000000000000400000000000000"
    "01010c03040000007472617000e40b54020000000600000000000000b3992fad0400000066696c650300000000000000"
    "1a9a2332000000003912b10e";

std::string bytes_of(std::string_view digits) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2) {
    bytes += static_cast<char>(*hex_value(digits[at]) << 4U | *hex_value(digits[at + 1]));
  }
  return bytes;
}

TEST(CallRows, AnEndOfTheVersionBeforeIsRead) {
  const std::string old = bytes_of(ended_row_of_version_1);
  // But for version and seal, today's rows begin as it does.
  const std::string today = encode_ended(5, sample_head(), sample_progress(), sample_ending());
  EXPECT_TRUE(today.substr(1).starts_with(old.substr(1, old.size() - 5)));
  const auto read = decode_ended(5, old);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->head.call.idempotency_key, "key");
  EXPECT_EQ(read->progress.attempts.size(), 2U);
  EXPECT_EQ(read->ending.state, State::failed);
  EXPECT_EQ(read->ending.outcome.error->code, Code::died);
  EXPECT_EQ(read->ending.output.file, "file");
  EXPECT_EQ(read->ending.log.size_bytes, 3U);
  const Usage& usage = read->ending.outcome.usage;
  EXPECT_EQ(usage.wait_time, Duration(1));
  EXPECT_EQ(usage.queue_time(), Duration(1));
  EXPECT_EQ(usage.start_time, Duration(0));
  EXPECT_FALSE(usage.hop_time);
  EXPECT_EQ(usage.run_time, Duration(2));
  EXPECT_EQ(usage.cpu_time, Duration(3));
}

TEST(CallRows, AVersionThatIsNotKnownIsNotRead) {
  for (const char version : {'\0', '\3', '\xff'}) {
    std::string row = encode_ended(5, sample_head(), sample_progress(), sample_ending());
    row.front() = version;
    const std::string place("e\5\0\0\0\0\0\0\0", 9);
    const std::uint32_t seal = crc32c(std::string_view(row).substr(0, row.size() - 4), crc32c(place));
    std::memcpy(row.data() + row.size() - 4, &seal, sizeof seal);
    EXPECT_FALSE(decode_ended(5, row)) << static_cast<int>(version);
  }
}

TEST(CallRows, ACallbackComesBackAsItWas) {
  const CallbackState state{.kind = CallbackState::Kind::given_up,
                            .attempts = 3,
                            .due = WallTime(Duration(4)),
                            .status = 500,
                            .error = "no"};
  const auto read = decode_callback(5, encode_callback(5, state, WallTime(Duration(6))));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->state.kind, state.kind);
  EXPECT_EQ(read->state.attempts, 3U);
  EXPECT_EQ(read->state.due, state.due);
  EXPECT_EQ(read->state.status, 500);
  EXPECT_EQ(read->state.error, "no");
  EXPECT_EQ(read->first_due, WallTime(Duration(6)));
}

TEST(CallRows, EveryFlippedBitAndEveryCutIsNoticed) {
  const std::string row = encode_ended(5, sample_head(), sample_progress(), sample_ending());
  for (std::size_t at = 0; at < row.size(); ++at) {
    EXPECT_FALSE(decode_ended(5, row.substr(0, at))) << at;
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = row;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto read = decode_ended(5, flipped);
      ASSERT_FALSE(read) << at << "." << bit;
      EXPECT_EQ(read.error().code, Code::internal);
    }
  }
}

TEST(CallRows, ARowInThePlaceOfAnotherIsNoticed) {
  const std::string head = encode_head(5, sample_head());
  EXPECT_FALSE(decode_head(6, head));
  EXPECT_FALSE(decode_progress(5, head));
  EXPECT_FALSE(decode_ended(5, head));
  EXPECT_FALSE(decode_callback(5, head));
  EXPECT_NE(decode_head(6, head).error().message.find("number 6"), std::string::npos);
}

TEST(CallRows, AKeyBelongsToItsOwnerAndNamespace) {
  DurableCall call = sample_head().call;
  const std::string digest = key_digest(call);
  DurableCall other = call;
  other.owner = "bob";
  EXPECT_NE(key_digest(other), digest);
  other = call;
  other.function.space = "other";
  EXPECT_NE(key_digest(other), digest);
  other = call;
  other.function.name = "other";
  EXPECT_EQ(key_digest(other), digest);
  EXPECT_NE(request_digest(other), request_digest(call));
}

}  // namespace
}  // namespace canopy::store
