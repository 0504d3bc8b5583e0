#include "trace/exporter.h"

#include <atomic>
#include <deque>
#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace canopy::trace {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A collector that answers as it is told, then with 200; what it was sent can be waited for.
class Collector {
 public:
  Result<net::HttpClientResponse> take(const net::HttpClientRequest& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    changed_.notify_all();
    if (answers_.empty()) return net::HttpClientResponse{.status = 200, .headers = {}, .body = "{}"};
    auto answer = answers_.front();
    answers_.pop_front();
    return answer;
  }

  void answer(Result<net::HttpClientResponse> with) { answers_.push_back(std::move(with)); }
  void answer(int status) { answer(net::HttpClientResponse{.status = status, .headers = {}, .body = {}}); }

  std::vector<net::HttpClientRequest> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, seconds(30), [&] { return requests_.size() >= count; });
    return requests_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<net::HttpClientRequest> requests_;
  std::deque<Result<net::HttpClientResponse>> answers_;
};

class ExporterTest : public testing::Test {
 protected:
  std::unique_ptr<Exporter> make(std::size_t batch_max = 1, std::size_t queue_max = 100) {
    ExporterOptions options{.endpoint = "http://collector:4318",
                            .headers = {{"X-Token", "secret"}},
                            .program_version = "1.2.3",
                            .instance = "here"};
    options.batch_max = batch_max;
    options.queue_max = queue_max;
    options.period = seconds(1000);
    options.first_pause = milliseconds(1);
    return std::make_unique<Exporter>(options,
                                      [this](const auto& request) { return collector_.take(request); });
  }

  static EndedCall call(std::uint64_t number) {
    EndedCall made;
    made.id = {number, number};
    made.function = {"demo", "call" + std::to_string(number)};
    return made;
  }

  Collector collector_;
};

TEST_F(ExporterTest, AFullBatchIsSentAtOnce) {
  const auto exporter = make(2);
  exporter->add(call(1));
  exporter->add(call(2));
  const auto requests = collector_.wait_for(1);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].url, "http://collector:4318");
  EXPECT_EQ(requests[0].target, "/v1/traces");
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[0].headers[0].value, "secret");
  EXPECT_NE(requests[0].body.find("demo/call1"), std::string::npos);
  EXPECT_NE(requests[0].body.find("demo/call2"), std::string::npos);
  EXPECT_NE(requests[0].body.find("1.2.3"), std::string::npos);
  exporter->stop();
  EXPECT_EQ(exporter->stats().exported_count, 2U);
}

TEST_F(ExporterTest, WhatWaitsIsSentWhenItStops) {
  const auto exporter = make(50);
  exporter->add(call(1));
  exporter->stop();
  EXPECT_EQ(collector_.wait_for(1).size(), 1U);
  EXPECT_EQ(exporter->stats().exported_count, 1U);
  exporter->add(call(2));
  EXPECT_EQ(exporter->stats().dropped_count, 1U);
}

TEST_F(ExporterTest, ACollectorThatIsAwayIsAskedAgain) {
  collector_.answer(503);
  collector_.answer(fail(Code::unavailable, "nobody answers"));
  const auto exporter = make();
  exporter->add(call(1));
  const auto requests = collector_.wait_for(3);
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].body, requests[2].body);
  exporter->stop();
  EXPECT_EQ(exporter->stats().exported_count, 1U);
  EXPECT_EQ(exporter->stats().dropped_count, 0U);
}

TEST_F(ExporterTest, WhatIsRefusedIsNotSentAgain) {
  collector_.answer(400);
  const auto exporter = make();
  exporter->add(call(1));
  collector_.wait_for(1);
  exporter->add(call(2));
  EXPECT_EQ(collector_.wait_for(2).size(), 2U);
  exporter->stop();
  EXPECT_EQ(exporter->stats().exported_count, 1U);
  EXPECT_EQ(exporter->stats().dropped_count, 1U);
}

TEST_F(ExporterTest, TriesHaveAnEnd) {
  for (int i = 0; i < 5; ++i) collector_.answer(503);
  const auto exporter = make();
  exporter->add(call(1));
  EXPECT_EQ(collector_.wait_for(5).size(), 5U);
  exporter->stop();
  EXPECT_EQ(exporter->stats().dropped_count, 1U);
}

TEST_F(ExporterTest, MoreThanMayWaitIsDroppedAndCounted) {
  const auto exporter = make(50, 3);
  for (std::uint64_t i = 0; i < 10; ++i) exporter->add(call(i));
  EXPECT_EQ(exporter->stats().dropped_count, 7U);
  exporter->stop();
  EXPECT_EQ(exporter->stats().exported_count, 3U);
}

TEST_F(ExporterTest, AnAnswerWithoutEndIsNotAskedForAgain) {
  std::atomic<int> asked = 0;
  Exporter exporter({.endpoint = "http://c", .program_version = {}, .instance = {}, .batch_max = 1},
                    [&asked](const net::HttpClientRequest&) {
                      ++asked;
                      return Result<net::HttpClientResponse>(fail(Code::too_large, "a gigabyte"));
                    });
  exporter.add({});
  while (exporter.stats().dropped_count == 0) std::this_thread::yield();
  exporter.stop();
  EXPECT_EQ(asked, 1);
}

TEST(ParseHeader, TakesANameAndAValue) {
  const auto header = parse_header("Authorization: Bearer a:b");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->name, "Authorization");
  EXPECT_EQ(header->value, "Bearer a:b");
  for (const char* const bad : {"", "Authorization", ": x", "Name:", "Name:  ", "Na me: x", "Na\nme: x",
                                "Name: a\r\nX: b", "Name: a\x01"}) {
    EXPECT_EQ(parse_header(bad).error().code, Code::invalid) << bad;
  }
}

TEST(CheckEndpoint, TakesAddressesAlone) {
  EXPECT_TRUE(check_endpoint("http://127.0.0.1:4318"));
  EXPECT_TRUE(check_endpoint("https://collector"));
  EXPECT_TRUE(check_endpoint("https://gateway/otlp"));
  for (const char* const bad :
       {"", "collector:4318", "http://", "ftp://x", "http://collector:4318/v1/traces"}) {
    EXPECT_EQ(check_endpoint(bad).error().code, Code::invalid) << bad;
  }
}

}  // namespace
}  // namespace canopy::trace
