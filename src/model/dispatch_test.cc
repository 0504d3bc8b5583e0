#include "model/dispatch.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(Dispatch, HasThreeWords) {
  for (const Dispatch way : {Dispatch::local, Dispatch::push, Dispatch::pull}) {
    EXPECT_EQ(parse_dispatch(to_text(way)).value(), way);
  }
  for (const std::string_view wrong : {"", "Push", "pull ", "remote"}) {
    const auto read = parse_dispatch(wrong);
    ASSERT_FALSE(read) << wrong;
    EXPECT_EQ(read.error().code, Code::invalid);
  }
}

}  // namespace
}  // namespace canopy
