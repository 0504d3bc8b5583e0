#include "base/descriptor.h"

#include <array>

#include <fcntl.h>
#include <gtest/gtest.h>

namespace canopy {
namespace {

bool is_open(int number) { return fcntl(number, F_GETFD) >= 0; }

Descriptor open_one() { return Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(Descriptor, ClosesWhatItOwnsOnce) {
  int number = -1;
  {
    Descriptor first = open_one();
    ASSERT_TRUE(first);
    number = first.get();
    Descriptor second = std::move(first);
    EXPECT_EQ(second.get(), number);
    EXPECT_TRUE(is_open(number));
    second.reset();
    EXPECT_FALSE(second);
    EXPECT_FALSE(is_open(number));
  }
  EXPECT_FALSE(Descriptor());
  EXPECT_FALSE(Descriptor(-1));
}

TEST(Descriptor, ClosesWhatItHadBeforeAnAssignment) {
  Descriptor one = open_one();
  Descriptor other = open_one();
  const int first = one.get();
  const int second = other.get();
  one = std::move(other);
  EXPECT_FALSE(is_open(first));
  EXPECT_EQ(one.get(), second);
  EXPECT_TRUE(is_open(second));
}

}  // namespace
}  // namespace canopy
