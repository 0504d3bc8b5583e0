#include "foreign/status_reader.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::foreign {
namespace {

using namespace std::string_literals;
using Kind = wire::InstanceEvent::Kind;

std::string event(const std::string& instance) {
  return wire::event_message({.kind = Kind::timeout, .instance_id = instance, .function_id = "f"});
}

class StatusReading : public testing::Test {
 protected:
  Result<void> put(std::string_view bytes) {
    return reader_.put(bytes, [this](const wire::InstanceEvent& one) { heard_.push_back(one.instance_id); });
  }

  StatusReader reader_;
  std::vector<std::string> heard_;
};

TEST_F(StatusReading, EventsAreHeardOnceTheyAreWhole) {
  const std::string all = event("one") + event("two") + event("three");
  EXPECT_TRUE(put(all.substr(0, all.size() - 1)));
  EXPECT_EQ(heard_, (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(put(all.substr(all.size() - 1)));
  EXPECT_EQ(heard_, (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_TRUE(put(""));
}

TEST_F(StatusReading, BehindWhatIsNoEventNothingIsRead) {
  for (const std::string& odd :
       {"\1\0\0\0\0"s, "\0\0\0\0\2\xff\xff"s, "\0\xff\xff\xff\xff"s, "\0\0\1\0\1"s}) {
    reader_ = StatusReader();
    heard_.clear();
    EXPECT_EQ(put(event("one") + odd + event("two")).error().code, Code::invalid);
    EXPECT_FALSE(put(event("three")));
    EXPECT_EQ(heard_, std::vector<std::string>{"one"});
  }
}

TEST_F(StatusReading, AnEventHasASizeThatIsTheMost) {
  const std::string largest = "\0\0\1\0\0"s;  // 64 KiB.
  EXPECT_TRUE(put(largest));
  EXPECT_TRUE(put(std::string(1000, 'x'))) << "it may come yet";
}

}  // namespace
}  // namespace canopy::foreign
