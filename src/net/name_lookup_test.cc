#include "net/name_lookup.h"

#include <future>
#include <memory>

#include <gtest/gtest.h>

namespace canopy::net {
namespace {

using boost::asio::ip::make_address;
using Addresses = std::vector<boost::asio::ip::address>;

// Answers no look-up before it is told to.
struct SlowNames {
  std::promise<void> go_on;
  std::shared_future<void> may_go_on = go_on.get_future().share();

  AskAddresses ask() {
    return [wait = may_go_on](const std::string&) {
      wait.wait();
      return Addresses{make_address("192.0.2.1")};
    };
  }
};

TEST(NameLookup, AnswersWithTheAddresses) {
  const auto ask = [](const std::string& host) {
    return host == "two.test" ? Addresses{make_address("192.0.2.1"), make_address("::1")} : Addresses();
  };
  const auto two = look_up("two.test", never, ask);
  ASSERT_TRUE(two) << two.error().message;
  EXPECT_EQ(*two, (Addresses{make_address("192.0.2.1"), make_address("::1")}));
  const auto none = look_up("none.test", never, ask);
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_TRUE(none->empty());
}

TEST(NameLookup, IsGivenUpAtTheDeadline) {
  SlowNames slow;
  const auto late = look_up("slow.test", system_clock().now(), slow.ask());
  slow.go_on.set_value();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline);
  EXPECT_EQ(late.error().message,
            "the host \"slow.test\" was not looked up in time; is the machine's name server right?");
}

TEST(NameLookup, IsRefusedWhileTooManyAreUnderWay) {
  SlowNames slow;
  Code last = Code::internal;
  for (std::size_t i = 0; i <= name_lookups_max; ++i) {
    const auto late = look_up("slow.test", system_clock().now(), slow.ask());
    ASSERT_FALSE(late);
    last = late.error().code;
  }
  slow.go_on.set_value();
  EXPECT_EQ(last, Code::unavailable);
}

}  // namespace
}  // namespace canopy::net
