#include "mucpd/recent_jobs.h"

#include <gtest/gtest.h>

namespace canopy::mucpd {
namespace {

TEST(RecentJobs, GoOnAndNeverBack) {
  RecentJobs jobs(10);
  const CallId id{.high = 1, .low = 2};
  EXPECT_FALSE(jobs.find(id));
  jobs.note(id, Progress::ended);
  jobs.note(id, Progress::waiting);
  EXPECT_EQ(jobs.find(id), Progress::ended) << "it was told late that it began";
  jobs.note(id, Progress::gone);
  jobs.note(id, Progress::ended);
  EXPECT_EQ(jobs.find(id), Progress::gone);
}

TEST(RecentJobs, ForgetTheOldest) {
  RecentJobs jobs(2);
  for (std::uint64_t i = 1; i <= 3; ++i) jobs.note({.high = 0, .low = i}, Progress::waiting);
  EXPECT_FALSE(jobs.find({.high = 0, .low = 1}));
  EXPECT_TRUE(jobs.find({.high = 0, .low = 2}));
  EXPECT_TRUE(jobs.find({.high = 0, .low = 3}));
}

}  // namespace
}  // namespace canopy::mucpd
