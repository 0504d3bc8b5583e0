#include "base/uuid.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

constexpr std::string_view sample = "0f8fad5b-d9cb-469f-a165-70867728950e";

TEST(Uuid, IsReadWithGroupsOrWithout) {
  for (const std::string_view text : {sample, std::string_view("0F8FAD5B-D9CB-469F-A165-70867728950E"),
                                      std::string_view("0f8fad5bd9cb469fa16570867728950e")}) {
    const auto uuid = read_uuid(text);
    ASSERT_TRUE(uuid) << text;
    EXPECT_EQ(to_text(*uuid), sample);
  }
  for (const std::string_view text :
       {"", "0f8fad5b", "0f8fad5b-d9cb-469f-a165-7086772895zz", "0f8fad5bd-9cb-469f-a165-70867728950e"}) {
    EXPECT_FALSE(read_uuid(text)) << text;
  }
}

TEST(Uuid, KnowsItsOwnForm) {
  EXPECT_TRUE(is_uuid_text(sample));
  EXPECT_FALSE(is_uuid_text("0F8FAD5B-D9CB-469F-A165-70867728950E"));
  EXPECT_FALSE(is_uuid_text("0f8fad5bd9cb469fa16570867728950e"));
  EXPECT_FALSE(is_uuid_text(""));
}

TEST(Uuid, IsRandomAndSaysSo) {
  const Uuid first = random_uuid();
  EXPECT_NE(first, random_uuid());
  const std::string text = to_text(first);
  EXPECT_EQ(text.at(14), '4');
  EXPECT_NE(std::string_view("89ab").find(text.at(19)), std::string_view::npos);
}

}  // namespace
}  // namespace canopy
