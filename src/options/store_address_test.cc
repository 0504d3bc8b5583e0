#include "options/store_address.h"

#include <gtest/gtest.h>

#include "options/options.h"

namespace canopy {
namespace {

TEST(StoreAddress, IsTakenApart) {
  const auto whole = parse_store("redis://bob:se%40cr%2Fet@redis.example:7000/3");
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->user, "bob");
  EXPECT_EQ(whole->password, "se@cr/et");
  EXPECT_EQ(whole->host, "redis.example");
  EXPECT_EQ(whole->port, 7000);
  EXPECT_EQ(whole->database, 3U);

  const auto least = parse_store("redis://localhost");
  ASSERT_TRUE(least);
  EXPECT_EQ(least->host, "localhost");
  EXPECT_EQ(least->port, 6379);
  EXPECT_EQ(least->password, "");
  EXPECT_EQ(parse_store("redis://:word@[::1]:1")->host, "::1");
  EXPECT_EQ(parse_store("redis://:word@[::1]")->password, "word");
  EXPECT_EQ(parse_store("redis://h/")->database, 0U);
  EXPECT_FALSE(parse_store("redis://h")->tls);
  EXPECT_TRUE(parse_store("rediss://h:6380/1")->tls);
  EXPECT_EQ(parse_store("rediss://h:6380/1")->port, 6380);
}

TEST(StoreAddress, WhatIsNoneIsRefusedAndItsPasswordNotSaid) {
  for (const char* const text : {"",
                                 "redis:",
                                 "http://h",
                                 "rediss://",
                                 "redisss://h",
                                 "redis://",
                                 "redis://h:",
                                 "redis://h:0",
                                 "redis://h:65536",
                                 "redis://h:x",
                                 "redis://h/x",
                                 "redis://h/-1",
                                 "redis://h/99999999",
                                 "redis://:@h",
                                 "redis://secret@h",
                                 "redis://:secret%4@h",
                                 "redis://:secret%zz@h",
                                 "redis://a:b:c",
                                 "redis://[::1",
                                 "redis://[h]",
                                 "redis://:secret@"}) {
    const auto parsed = parse_store(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::invalid) << text;
    EXPECT_EQ(parsed.error().message.find("secret"), std::string::npos) << parsed.error().message;
  }
}

TEST(StoreAddress, APasswordIsNotShown) {
  EXPECT_EQ(without_password("redis://bob:secret@h:1/2"), "redis://bob:***@h:1/2");
  EXPECT_EQ(without_password("redis://:se@cret@h"), "redis://:***@h");
  EXPECT_EQ(without_password("redis://h:1"), "redis://h:1");
  EXPECT_EQ(without_password("secret@h"), "***@h");
  Options options;
  options.store = "redis://:secret@h";
  for (const OptionRow& row : option_rows(options)) {
    EXPECT_EQ(show_setting(row).find("secret"), std::string::npos) << row.name;
  }
}

}  // namespace
}  // namespace canopy
