#include "calls/callbacks.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "calls/signature.h"
#include "store/call_log_fixture.h"

namespace canopy::calls {
namespace {

using Kind = CallbackState::Kind;

store::DueCallback sample_due(std::string url = "https://example.org/done?x=1") {
  store::DueCallback due;
  due.id = {.high = 1, .low = 2};
  due.url = std::move(url);
  due.record.record.id = due.id;
  due.record.record.function = {"demo", "hello"};
  due.record.record.state = State::completed;
  due.record.record.status = 201;
  due.result.output = "the output";
  due.result.headers = {{"content-type", "text/css"}};
  return due;
}

std::string header(const net::HttpClientRequest& request, std::string_view name) {
  for (const auto& [known, value] : request.headers) {
    if (known == name) return value;
  }
  return "";
}

net::HttpClientResponse answer(int status) {
  net::HttpClientResponse response;
  response.status = status;
  return response;
}

TEST(CallbackRequest, TellsWhatBecameOfTheCall) {
  const CallbackOptions options{.secret = "s3cret"};
  const WallTime now(std::chrono::seconds(1000));
  const auto request = callback_request(sample_due(), options, now);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://example.org");
  EXPECT_EQ(request.target, "/done?x=1");
  EXPECT_EQ(request.body, "the output");
  EXPECT_TRUE(request.public_only);
  EXPECT_EQ(header(request, "X-Call-Id"), to_text(CallId{1, 2}));
  EXPECT_EQ(header(request, "X-Call-State"), "COMPLETED");
  EXPECT_EQ(header(request, "X-Function-Name"), "demo/hello");
  EXPECT_EQ(header(request, "X-Function-Status"), "201");
  EXPECT_EQ(header(request, "Content-Type"), "text/css");
  EXPECT_EQ(header(request, "X-Canopy-Signature"), sign("s3cret", now, "the output"));
}

TEST(CallbackRequest, IsNotSignedWithoutASecretAndFindsItsTarget) {
  CallbackOptions options;
  options.allow_private = true;
  const auto request = callback_request(sample_due("http://127.0.0.1:80"), options, {});
  EXPECT_EQ(request.target, "/");
  EXPECT_FALSE(request.public_only);
  EXPECT_EQ(header(request, "X-Canopy-Signature"), "");
  EXPECT_EQ(callback_request(sample_due("http://a?b"), options, {}).target, "/?b");
  EXPECT_EQ(callback_request(sample_due("http://a?b"), options, {}).url, "http://a");
}

TEST(CallbackRequest, TellsOfAnErrorInWords) {
  auto due = sample_due();
  due.record.record.state = State::failed;
  due.result.error = Error{Code::died, "it trapped", Stage::run};
  const auto request = callback_request(due, {}, {});
  EXPECT_EQ(request.body, "it trapped");
  EXPECT_EQ(header(request, "X-Call-Error"), "died");
  EXPECT_EQ(header(request, "X-Call-State"), "FAILED");
}

TEST(CallbackOutcome, OnlyASuccessIsADelivery) {
  const CallbackOptions options;
  const auto due = sample_due();
  const auto kind = [&](int status) { return callback_outcome(due, answer(status), options, {}, 0.5).kind; };
  EXPECT_EQ(kind(200), Kind::delivered);
  EXPECT_EQ(kind(204), Kind::delivered);
  EXPECT_EQ(kind(302), Kind::given_up) << "a redirect is not followed";
  EXPECT_EQ(kind(404), Kind::given_up);
  EXPECT_EQ(kind(429), Kind::waiting);
  EXPECT_EQ(kind(500), Kind::waiting);
}

TEST(CallbackOutcome, TriesAgainLaterAndLaterAndThenGivesUp) {
  CallbackOptions options;
  options.attempts_max = 3;
  auto due = sample_due();
  const Result<net::HttpClientResponse> nobody = fail(Code::unavailable, "nobody is there");
  const WallTime now(std::chrono::seconds(1000));
  const auto first = callback_outcome(due, nobody, options, now, 1);
  EXPECT_EQ(first.kind, Kind::waiting);
  EXPECT_EQ(first.next_due, now + std::chrono::seconds(1));
  EXPECT_EQ(first.error, "nobody is there");
  due.attempt = 2;
  EXPECT_EQ(callback_outcome(due, nobody, options, now, 1).next_due, now + std::chrono::seconds(2));
  due.attempt = 3;
  EXPECT_EQ(callback_outcome(due, nobody, options, now, 1).kind, Kind::given_up);
}

TEST(CallbackOutcome, AnAddressThatMayNotBeAskedIsNotAskedAgain) {
  const Result<net::HttpClientResponse> forbidden = fail(Code::forbidden, "a private one");
  EXPECT_EQ(callback_outcome(sample_due(), forbidden, {}, {}, 1).kind, Kind::given_up);
}

TEST(Callbacks, DeliverWhatIsDueAndNoteIt) {
  const auto log = store::make_memory_call_log({}, system_clock());
  std::atomic<int> sent = 0;
  Callbacks callbacks(*log, {}, system_clock(), [&](const net::HttpClientRequest& request) {
    EXPECT_EQ(request.body, "output");
    ++sent;
    return Result<net::HttpClientResponse>(answer(200));
  });
  callbacks.start();
  DurableCall call = store::call_of("demo/hello");
  call.callback_url = "http://example.org/";
  const CallId id = append(*log, call)->id;
  ASSERT_TRUE(complete(*log, store::lease_one(*log)->lease(), store::good_outcome(system_clock())));
  callbacks.wake();
  while (log->find(id)->callback.kind != Kind::delivered) std::this_thread::yield();
  EXPECT_EQ(sent, 1);
  callbacks.stop();
}

TEST(Callbacks, ALoopbackAddressIsNotConnectedTo) {
  for (const char* const url : {"http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9",
                                "http://0.0.0.0:9", "http://[::ffff:127.0.0.1]:9"}) {
    const auto sent = net::send(callback_request(sample_due(url), {}, {}));
    ASSERT_FALSE(sent) << url;
    EXPECT_EQ(sent.error().code, Code::forbidden) << url << ": " << sent.error().message;
  }
}

}  // namespace
}  // namespace canopy::calls
