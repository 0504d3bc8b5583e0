#include "api/ask.h"

#include <optional>

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

// Two cores on a fake clock; each answers only when it is polled.
class Ask : public testing::Test {
 protected:
  using Answered = std::optional<Answers<int>>;

  static net::Task<void> ask(exec::Core& here, std::vector<exec::Core*> cores, Answered& answered) {
    const std::function<int(exec::Core&)> question = [](exec::Core& core) {
      return static_cast<int>(10 + core.index());
    };
    answered = co_await ask_all<int>(here, cores, question);
  }
  static net::Task<void> sum(exec::Core& here, std::vector<exec::Core*> cores,
                             std::optional<Result<int>>& answered) {
    const std::function<int(exec::Core&)> question = [](exec::Core&) { return 1; };
    const auto each = co_await ask_each<int>(here, cores, question);
    if (each) {
      answered = static_cast<int>(each->size());
    } else {
      answered = tl::unexpected(each.error());
    }
  }

  FakeClock clock;
  exec::Core here{0, clock};
  exec::Core there{1, clock};
};

TEST_F(Ask, WaitsForAllThatAnswerInTime) {
  Answered answered;
  net::asio::co_spawn(here.io(), ask(here, {&here, &there}, answered), net::asio::detached);
  here.poll();
  clock.advance(ask_timeout - Duration(1));
  here.poll();
  EXPECT_FALSE(answered);
  there.poll();
  here.poll();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->values, (std::vector{10, 11}));
  EXPECT_EQ(answered->late_count, 0);
}

TEST_F(Ask, SaysHowManyAreLate) {
  Answered answered;
  net::asio::co_spawn(here.io(), ask(here, {&here, &there}, answered), net::asio::detached);
  here.poll();
  clock.advance(ask_timeout);
  here.poll();
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->values, std::vector{10});
  EXPECT_EQ(answered->late_count, 1);
  there.poll();  // It answers when nobody waits any more.
  here.poll();
  EXPECT_EQ(answered->values.size(), 1);
}

TEST_F(Ask, ASumWithoutALateCoreIsAnErrorRatherThanWrong) {
  std::optional<Result<int>> answered;
  net::asio::co_spawn(here.io(), sum(here, {&here, &there}, answered), net::asio::detached);
  here.poll();
  clock.advance(ask_timeout);
  here.poll();
  ASSERT_TRUE(answered);
  ASSERT_FALSE(*answered);
  EXPECT_EQ(answered->error().code, Code::unavailable);
  EXPECT_NE(answered->error().message.find("1 of the server's cores"), std::string::npos);
  there.poll();
  here.poll();

  answered.reset();
  net::asio::co_spawn(here.io(), sum(here, {&here, &there}, answered), net::asio::detached);
  here.poll();
  there.poll();
  here.poll();
  ASSERT_TRUE(answered && *answered);
  EXPECT_EQ(**answered, 2);
}

}  // namespace
}  // namespace canopy::api
