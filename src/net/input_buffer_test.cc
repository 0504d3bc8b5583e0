#include "net/input_buffer.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace canopy::net {
namespace {

void put(InputBuffer& buffer, std::string_view bytes, std::size_t first, std::size_t capacity_max) {
  while (!bytes.empty()) {
    const auto room = buffer.room(first, capacity_max);
    ASSERT_FALSE(room.empty());
    const auto size = std::min(room.size(), bytes.size());
    std::copy_n(bytes.data(), size, room.data());
    buffer.commit(size);
    bytes.remove_prefix(size);
  }
}

TEST(InputBuffer, HoldsNothingAtFirst) {
  const InputBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), 0U);
  EXPECT_EQ(buffer.unread(), "");
}

TEST(InputBuffer, GrowsByDoublingUpToItsBound) {
  InputBuffer buffer;
  put(buffer, "0123456789abcdefghij", 8, 20);
  EXPECT_EQ(buffer.unread(), "0123456789abcdefghij");
  EXPECT_EQ(buffer.capacity(), 20U);
  EXPECT_TRUE(buffer.room(8, 20).empty());
  buffer.consume(1);
  EXPECT_EQ(buffer.room(8, 20).size(), 1U);
  EXPECT_EQ(buffer.unread(), "123456789abcdefghij");
}

TEST(InputBuffer, ReusesWhatIsConsumed) {
  InputBuffer buffer;
  for (int i = 0; i < 1000; ++i) {
    put(buffer, "abc", 8, 8);
    EXPECT_EQ(buffer.unread(), "abc");
    buffer.consume(3);
  }
  EXPECT_EQ(buffer.capacity(), 8U);
}

TEST(InputBuffer, SplitKeepsTheOldBytesWhereTheyAre) {
  InputBuffer buffer;
  put(buffer, "headbody", 16, 16);
  const auto head = buffer.unread().substr(0, 4);
  buffer.consume(4);
  const auto memory = buffer.split();
  EXPECT_EQ(head, "head");
  EXPECT_EQ(head.data(), memory.get());
  EXPECT_EQ(buffer.unread(), "body");
  put(buffer, " and more of it", 16, 64);
  EXPECT_EQ(buffer.unread(), "body and more of it");
  EXPECT_EQ(head, "head");
}

TEST(InputBuffer, ShrinksOnlyWhenItIsEmpty) {
  InputBuffer buffer;
  put(buffer, "abc", 64, 64);
  buffer.shrink(8);
  EXPECT_EQ(buffer.unread(), "abc");
  buffer.consume(3);
  buffer.shrink(64);
  EXPECT_EQ(buffer.capacity(), 64U);
  buffer.shrink(63);
  EXPECT_EQ(buffer.capacity(), 0U);
}

}  // namespace
}  // namespace canopy::net
