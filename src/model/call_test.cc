#include "model/call.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(CallLog, KeepsWhatFitsAndCountsTheRest) {
  CallLog log(5);
  log.write(CallLog::Stream::err, "abc");
  log.write(CallLog::Stream::err, "defg");
  log.write(CallLog::Stream::err, "h");
  EXPECT_EQ(log.text(), "abcde");
  EXPECT_EQ(log.dropped_bytes(), 3);
}

TEST(CallLog, TellsTheFollowerWhatIsKept) {
  CallLog log(4);
  std::string seen;
  log.on_write = [&seen](std::string_view piece) { seen += piece; };
  log.write(CallLog::Stream::out, "abc");
  log.write(CallLog::Stream::out, "def");
  EXPECT_EQ(seen, "abcd");
}

}  // namespace
}  // namespace canopy
