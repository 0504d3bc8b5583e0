#include "builders/request.h"

#include <gtest/gtest.h>

namespace canopy::builders {
namespace {

Door door(std::string_view method, std::string_view path) { return read_request(method, path).door; }

TEST(BuildersRequest, HasFourRoutes) {
  EXPECT_EQ(door("POST", "/register_function"), Door::register_function);
  EXPECT_EQ(door("POST", "/execute_function"), Door::execute_function);
  EXPECT_EQ(door("GET", "/status/abc"), Door::status);
  EXPECT_EQ(door("GET", "/result/abc"), Door::result);
  EXPECT_EQ(read_request("GET", "/status/a%20b").task, "a b");
  EXPECT_EQ(read_request("GET", "/status/a%zz").task, "a%zz");
}

TEST(BuildersRequest, ClaimsNoMoreThanItsPaths) {
  for (const std::string_view path :
       {"/register_function", "/register_function/", "/status", "/status/x/y", "/result/"}) {
    EXPECT_TRUE(is_ours(path)) << path;
  }
  for (const std::string_view path :
       {"/", "", "/status2", "/register_functions", "/v1/status/x", "/Status/x"}) {
    EXPECT_FALSE(is_ours(path)) << path;
  }
}

TEST(BuildersRequest, KnowsOtherMethods) {
  for (const std::string_view method : {"GET", "HEAD", "PUT", "post"}) {
    const Asked asked = read_request(method, "/register_function");
    EXPECT_EQ(asked.door, Door::other_method) << method;
    EXPECT_EQ(asked.allowed, "POST");
  }
  EXPECT_EQ(read_request("HEAD", "/status/x").allowed, "GET");
}

TEST(BuildersRequest, LeadsFromASlashAtTheEnd) {
  EXPECT_EQ(read_request("POST", "/execute_function/").path, "/execute_function");
  EXPECT_EQ(door("POST", "/execute_function/"), Door::slash_behind);
  EXPECT_EQ(door("GET", "/execute_function//"), Door::slash_behind);
  EXPECT_EQ(read_request("GET", "/result/x/").path, "/result/x");
  EXPECT_EQ(door("GET", "/result/x/"), Door::slash_behind);
}

TEST(BuildersRequest, FindsNothingElse) {
  for (const std::string_view path : {"/status", "/status/", "/status//", "/status/x/y", "/status/x%2Fy",
                                      "/execute_function/x", "/execute_function/x/", "/elsewhere"}) {
    EXPECT_EQ(door("GET", path), Door::nowhere) << path;
  }
}

}  // namespace
}  // namespace canopy::builders
