#include "mucpd/request.h"

#include <gtest/gtest.h>

namespace canopy::mucpd {
namespace {

Door door(std::string_view method, std::string_view path) { return read_request(method, path).door; }

TEST(Request, FindsEachDoor) {
  EXPECT_EQ(door("POST", "/u/a"), Door::add_user);
  EXPECT_EQ(door("DELETE", "/u/a"), Door::remove_user);
  EXPECT_EQ(door("GET", "/u/a/time"), Door::user_time);
  EXPECT_EQ(door("GET", "/u/a/fn"), Door::functions);
  EXPECT_EQ(door("GET", "/u/a/fn/f"), Door::function);
  EXPECT_EQ(door("POST", "/u/a/fn/f"), Door::add_function);
  EXPECT_EQ(door("DELETE", "/u/a/fn/f"), Door::remove_function);
  EXPECT_EQ(door("POST", "/u/a/fn/f/run"), Door::run);
  EXPECT_EQ(door("GET", "/j/x"), Door::job_status);
  EXPECT_EQ(door("GET", "/j/x/res"), Door::job_result);
  EXPECT_EQ(door("GET", "/j/x/typed"), Door::job_typed);
  EXPECT_EQ(door("DELETE", "/j/x"), Door::remove_job);
  EXPECT_EQ(door("HEAD", "/j/x"), Door::job_status);
}

TEST(Request, AllElseIsNowhere) {
  for (const std::string_view path :
       {"/u", "/u/", "/j", "/u//fn", "/u/a//", "/u/a/b", "/u/a/fn/f/run/x", "/j/a/b", "/j/a/res/x",
        "/u/a/fn/f/stop", "/us/a", "/function/a/b", ""}) {
    EXPECT_EQ(door("GET", path), Door::nowhere) << path;
  }
  EXPECT_EQ(door("GET", "/u/a"), Door::nowhere);
  EXPECT_EQ(door("PUT", "/u/a"), Door::nowhere);
  EXPECT_EQ(door("OPTIONS", "/u/a/fn"), Door::nowhere);
  EXPECT_EQ(door("GET", "/u/a/fn/f/run"), Door::nowhere);
}

TEST(Request, MatchesAsExpressDoes) {
  EXPECT_EQ(door("POST", "/U/a/"), Door::add_user);
  EXPECT_EQ(door("POST", "/u/a/FN/f/Run/"), Door::run);
  const Asked asked = read_request("GET", "/u/Mar%C3%ADa%2F%24/fn/a.b%20c");
  EXPECT_EQ(asked.user, "María/$");
  EXPECT_EQ(asked.function, "a.b c");
  EXPECT_EQ(read_request("GET", "/j/abc").job, "abc");
  EXPECT_EQ(door("GET", "/u/a/fn/%zz"), Door::no_text);
  EXPECT_EQ(door("GET", "/u/%ff/fn"), Door::no_text);
  EXPECT_EQ(door("PUT", "/u/%ff/fn"), Door::nowhere);
}

TEST(Request, ClaimsItsOwnPathsOnly) {
  for (const std::string_view path : {"/u", "/u/", "/u/a", "/j/x/y/z", "/U/a"}) EXPECT_TRUE(is_ours(path));
  for (const std::string_view path : {"", "/", "/users", "/function/u/j", "u/a", "/job/x", "/v1/u"}) {
    EXPECT_FALSE(is_ours(path)) << path;
  }
}

}  // namespace
}  // namespace canopy::mucpd
