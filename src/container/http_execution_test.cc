#include <array>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/execution.h"
#include "container/pool_fixture.h"
#include "container/request.h"

namespace canopy::container {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Calls of a function whose server is the test: it reads and writes the other ends of the connections.
class HttpCalls : public CallTest {
 protected:
  void make_pool(std::uint32_t concurrency, std::uint32_t max = 1) {
    wire::ContainerSettings settings;
    settings.concurrency = concurrency;
    settings.instances_max = max;
    pool_ = make(std::move(settings));
  }

  std::shared_ptr<Running> start(std::string_view input = "", std::string_view method = "POST") {
    Call call;
    call.method = method;
    call.path = "/a%20b";
    call.query = "x=1";
    call.headers = {{"X-Test", "value"}, {"Host", "elsewhere"}, {"X-Call-Id", "forged"}};
    call.input = input;
    return begin(make_http_execution(pool_, core_), std::move(call));
  }

  // What came in on a connection of a container.
  std::string heard(std::size_t i, std::size_t connection) {
    std::string text(4096, '\0');
    const ssize_t got = read(container(i).servers.at(connection).get(), text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }

  void say(std::size_t i, std::size_t connection, std::string_view text) {
    ASSERT_EQ(write(container(i).servers.at(connection).get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
    core_.poll();
  }

  void hang_up(std::size_t i, std::size_t connection) {
    container(i).servers.at(connection).reset();
    core_.poll();
  }
};

constexpr std::string_view answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Own: yes\r\n\r\nok";

TEST_F(HttpCalls, ArePassedOnAndAnswered) {
  make_pool(1);
  const auto running = start("input");
  const std::string request = heard(0, 0);
  EXPECT_TRUE(request.starts_with("POST /a%20b?x=1 HTTP/1.1\r\nHost: function\r\nX-Call-Id: ")) << request;
  EXPECT_NE(request.find("\r\nX-Test: value\r\n"), std::string::npos);
  EXPECT_NE(request.find("\r\nContent-Length: 5\r\n"), std::string::npos);
  EXPECT_EQ(request.find("elsewhere"), std::string::npos);
  EXPECT_EQ(request.find("forged"), std::string::npos);
  EXPECT_TRUE(request.ends_with("\r\n\r\ninput"));
  EXPECT_FALSE(running->reply);
  say(0, 0, answer);
  ASSERT_TRUE(running->reply);
  EXPECT_FALSE(running->reply->error);
  EXPECT_EQ(running->reply->status, 201);
  EXPECT_EQ(running->reply->output, "ok");
  ASSERT_EQ(running->reply->headers.size(), 1U);
  EXPECT_EQ(running->reply->headers[0].name, "X-Own");
  EXPECT_TRUE(running->reply->usage.cold);
}

TEST_F(HttpCalls, KeepTheConnectionForTheNext) {
  make_pool(1);
  const auto first = start();
  say(0, 0, answer);
  const auto second = start();
  EXPECT_EQ(container(0).servers.size(), 1U);
  static_cast<void>(heard(0, 0));
  say(0, 0, answer);
  ASSERT_TRUE(second->reply);
  EXPECT_FALSE(second->reply->error);
  EXPECT_FALSE(second->reply->usage.cold);
}

TEST_F(HttpCalls, WaitForTheStartOfTheirContainerOrForAPlaceInOne) {
  engine_.listens = false;
  make_pool(1);
  const auto first = start("1");
  pass(seconds(2));
  const auto second = start("2");
  pass(seconds(1));
  container(0).listens = true;
  pass(milliseconds(50));  // So often it is asked.
  pass(seconds(4));
  say(0, 0, answer);
  say(0, 0, answer);
  ASSERT_TRUE(first->reply && second->reply);
  const Usage& cold = first->reply->usage;
  EXPECT_TRUE(cold.cold);
  EXPECT_EQ(cold.start_time, milliseconds(3050));
  EXPECT_EQ(cold.queue_time(), Duration::zero());
  // That the other had the only place is no part of its start.
  const Usage& waited = second->reply->usage;
  EXPECT_EQ(waited.start_time, milliseconds(1050));
  EXPECT_EQ(waited.queue_time(), seconds(4));

  const auto third = start("3");
  say(0, 0, answer);
  ASSERT_TRUE(third->reply);
  EXPECT_FALSE(third->reply->usage.cold);
  EXPECT_EQ(third->reply->usage.start_time, Duration::zero());
}

TEST_F(HttpCalls, AConnectionThatIsToCloseIsNotKept) {
  make_pool(1);
  const auto first = start();
  say(0, 0, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
  EXPECT_FALSE(first->reply);
  hang_up(0, 0);
  ASSERT_TRUE(first->reply);
  EXPECT_EQ(first->reply->output, "all of it");
  const auto second = start();
  EXPECT_EQ(container(0).servers.size(), 2U);
  say(0, 1, answer);
  EXPECT_TRUE(second->reply);
}

TEST_F(HttpCalls, AConnectionThatWasClosedMeanwhileIsNotUsed) {
  make_pool(2);
  const auto first = start();
  const auto second = start();
  say(0, 0, answer);
  say(0, 1, answer);
  hang_up(0, 0);
  hang_up(0, 1);
  const auto third = start("3");
  ASSERT_EQ(container(0).servers.size(), 3U);
  EXPECT_TRUE(heard(0, 2).ends_with("3"));
  say(0, 2, answer);
  ASSERT_TRUE(third->reply);
  EXPECT_FALSE(third->reply->error);
}

TEST_F(HttpCalls, AServerThatIsBusyIsAskedAgain) {
  make_pool(2);
  const auto first = start("1");
  container(0).is_busy = true;
  const auto second = start("2");
  pass(milliseconds(60));
  EXPECT_FALSE(second->reply);
  EXPECT_FALSE(container(0).is_asked_to_stop);
  container(0).is_busy = false;
  pass(milliseconds(60));
  ASSERT_EQ(container(0).servers.size(), 2U);
  EXPECT_TRUE(heard(0, 1).ends_with("2"));
  say(0, 1, answer);
  ASSERT_TRUE(second->reply);
  EXPECT_FALSE(second->reply->error);
  EXPECT_EQ(engine_.containers.size(), 1U);
}

TEST_F(HttpCalls, AServerThatStaysBusyIsWaitedForUntilTheDeadline) {
  make_pool(2);
  const auto first = start("1");
  container(0).is_busy = true;
  const auto second = start("2");
  pass(seconds(11));
  ASSERT_TRUE(second->reply && second->reply->error);
  EXPECT_EQ(second->reply->error->code, Code::deadline);
  EXPECT_EQ(second->reply->error->stage, Stage::start);
}

TEST_F(HttpCalls, OneThatNobodyListensToGoesToAnother) {
  make_pool(1, 2);
  engine_.listens = true;
  const auto first = start("1");
  say(0, 0, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  container(0).listens = false;
  const auto second = start("2");
  pass(seconds(1));
  ASSERT_EQ(engine_.containers.size(), 2U);
  EXPECT_TRUE(container(0).is_removed);
  EXPECT_TRUE(heard(1, 0).ends_with("2"));
  say(1, 0, answer);
  ASSERT_TRUE(second->reply);
  EXPECT_FALSE(second->reply->error);
}

TEST_F(HttpCalls, AnAnswerInPiecesIsPutTogether) {
  make_pool(1);
  const auto running = start();
  for (const char c :
       std::string_view("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")) {
    say(0, 0, {&c, 1});
  }
  ASSERT_TRUE(running->reply);
  EXPECT_EQ(running->reply->output, "abcde");
  EXPECT_EQ(running->reply->status, 200);
}

TEST_F(HttpCalls, WaitForAPlaceAndFollowEachOther) {
  make_pool(1);
  const auto first = start("1");
  const auto second = start("2");
  EXPECT_TRUE(heard(0, 0).ends_with("1"));
  EXPECT_EQ(container(0).servers.size(), 1U);
  say(0, 0, answer);
  EXPECT_TRUE(first->reply);
  EXPECT_TRUE(heard(0, 0).ends_with("2"));
  say(0, 0, answer);
  EXPECT_TRUE(second->reply);
}

TEST_F(HttpCalls, FailWhereTheConnectionBreaks) {
  make_pool(1);
  const auto running = start();
  hang_up(0, 0);
  EXPECT_FALSE(running->reply);  // It may be heard why.
  pass(seconds(1));
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::died);
  EXPECT_NE(running->reply->error->message.find("closed the connection"), std::string::npos);
}

TEST_F(HttpCalls, SayHowTheirContainerEnded) {
  make_pool(1);
  const auto running = start();
  container(0).end({.status = 9, .out_of_memory = true});
  core_.poll();
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::limit);
  EXPECT_NE(running->reply->error->message.find("64MiB"), std::string::npos);
  const auto next = start();
  pass(seconds(1));
  say(1, 0, answer);
  ASSERT_TRUE(next->reply);
  EXPECT_FALSE(next->reply->error);
}

TEST_F(HttpCalls, PastTheirDeadlineEndTheirContainer) {
  make_pool(1);
  const auto running = start();
  pass(seconds(11));
  EXPECT_EQ(running->failure(), Code::deadline);
  EXPECT_TRUE(container(0).is_removed);
  const auto next = start();
  say(1, 0, answer);
  EXPECT_TRUE(next->reply);
}

TEST_F(HttpCalls, PastTheirDeadlineLeaveTheOthersOfTheirContainer) {
  make_pool(2);
  const auto late = start();
  pass(seconds(9));
  const auto other = start();
  pass(seconds(2));
  EXPECT_TRUE(late->reply && late->reply->error);
  EXPECT_FALSE(container(0).is_removed);
  say(0, 1, answer);
  ASSERT_TRUE(other->reply);
  EXPECT_FALSE(other->reply->error);
  EXPECT_TRUE(container(0).is_removed);
}

TEST_F(HttpCalls, AreCancelledWhereverTheyAre) {
  make_pool(1);
  const auto runs = start();
  const auto waits = start();
  waits->instance->cancel();
  core_.poll();
  EXPECT_EQ(waits->failure(), Code::canceled);
  runs->instance->cancel();
  core_.poll();
  EXPECT_EQ(runs->failure(), Code::canceled);
}

TEST_F(HttpCalls, OddAnswersAreFailures) {
  make_pool(4);
  const std::array<std::string_view, 3> answers = {"SSH-2.0-server\r\n\r\n",
                                                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
                                                   "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto running = start();
    say(0, container(0).servers.size() - 1, answers.at(i));
    EXPECT_EQ(running->failure(), Code::died) << answers.at(i);
  }
}

TEST_F(HttpCalls, TooMuchOutputIsALimit) {
  function_.limits.output_bytes = 10;
  make_pool(1);
  const auto running = start();
  say(0, 0, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901");
  EXPECT_EQ(running->failure(), Code::limit);
}

TEST_F(HttpCalls, TheAnswerToHeadHasNoBody) {
  make_pool(1);
  const auto running = start("", "HEAD");
  say(0, 0, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  ASSERT_TRUE(running->reply);
  EXPECT_FALSE(running->reply->error);
}

TEST_F(HttpCalls, HearWhatTheirContainerPrints) {
  make_pool(1);
  engine_.listens = false;
  const auto running = start();
  const auto print = [this](std::string_view text) {
    ASSERT_EQ(write(container(0).output.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    core_.poll();
  };
  print("starting\n");
  container(0).listens = true;
  pass(milliseconds(60));
  print("called\n");
  ASSERT_EQ(write(container(0).output.get(), "last\n", 5), 5);  // Not heard of before the answer is.
  say(0, 0, answer);
  ASSERT_TRUE(running->reply);
  EXPECT_EQ(running->log.text(), "starting\ncalled\nlast\n");
  print("between\n");
  const auto next = start();
  say(0, 0, answer);
  EXPECT_EQ(next->log.text(), "between\n");
}

TEST_F(HttpCalls, WhatHttpCannotCarryIsRefused) {
  make_pool(1);
  Call call;
  call.function = &function_;
  call.path = "/a b";
  EXPECT_EQ(request_head(call).error().code, Code::invalid);
  call.path = "/a\r\nX: y";
  EXPECT_FALSE(request_head(call));
  call.path = "/";
  call.method = "GET /";
  EXPECT_FALSE(request_head(call));
  call.method = "GET";
  call.headers = {{"X-A", "b\r\nX-C: d"}, {"X B", "c"}};
  const auto head = request_head(call);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->find("X-C:"), std::string::npos);
  EXPECT_EQ(head->find("X B"), std::string::npos);
}

}  // namespace
}  // namespace canopy::container
