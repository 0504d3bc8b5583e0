#include "guest/descriptors.h"

#include <gtest/gtest.h>

namespace canopy::guest {
namespace {

Descriptor stream(Stream kind) {
  Descriptor descriptor;
  descriptor.stream = kind;
  return descriptor;
}

TEST(Descriptors, GivesTheLowestFreeNumber) {
  Descriptors table(10);
  for (int i = 0; i < 3; ++i) table.preopen(stream(Stream::input));
  EXPECT_EQ(table.add(stream(Stream::log)), 3U);
  EXPECT_EQ(table.add(stream(Stream::log)), 4U);
  EXPECT_EQ(table.close(1), Errno::success);
  EXPECT_EQ(table.add(stream(Stream::output)), 1U);
  EXPECT_EQ(table.find(1)->stream, Stream::output);
}

TEST(Descriptors, HoldsNoMoreThanItsLimit) {
  Descriptors table(2);
  EXPECT_TRUE(table.add(stream(Stream::log)));
  EXPECT_TRUE(table.add(stream(Stream::log)));
  EXPECT_FALSE(table.has_room());
  EXPECT_EQ(table.add(stream(Stream::log)).error(), Errno::mfile);
  EXPECT_EQ(table.close(0), Errno::success);
  EXPECT_EQ(table.add(stream(Stream::log)), 0U);
}

TEST(Descriptors, KnowsWhatIsNotOpen) {
  Descriptors table(4);
  table.preopen(stream(Stream::log));
  for (const std::uint32_t number : {1U, 2U, 0x7fffffffU, 0xffffffffU}) {
    EXPECT_EQ(table.find(number), nullptr);
    EXPECT_EQ(table.close(number), Errno::badf);
    EXPECT_EQ(table.renumber(number, 0), Errno::badf);
    EXPECT_EQ(table.renumber(0, number), Errno::badf);
  }
  EXPECT_EQ(table.close(0), Errno::success);
  EXPECT_EQ(table.close(0), Errno::badf);
  EXPECT_EQ(table.open_count(), 0U);
}

TEST(Descriptors, RenumberClosesWhatWasThere) {
  Descriptors table(4);
  table.preopen(stream(Stream::input));
  table.preopen(stream(Stream::log));
  EXPECT_EQ(table.renumber(0, 1), Errno::success);
  EXPECT_EQ(table.find(0), nullptr);
  EXPECT_EQ(table.find(1)->stream, Stream::input);
  EXPECT_EQ(table.open_count(), 1U);
}

TEST(Descriptors, RenumberOntoItselfChangesNothing) {
  Descriptors table(4);
  table.preopen(stream(Stream::input));
  EXPECT_EQ(table.renumber(0, 0), Errno::success);
  EXPECT_EQ(table.find(0)->stream, Stream::input);
  EXPECT_EQ(table.open_count(), 1U);
}

}  // namespace
}  // namespace canopy::guest
