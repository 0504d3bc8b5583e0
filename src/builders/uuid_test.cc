#include "builders/uuid.h"

#include <future>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace canopy::builders {
namespace {

constexpr std::string_view sample = "0f8fad5b-d9cb-469f-a165-70867728950e";

std::string parsed(std::string_view text) {
  const auto uuid = parse_uuid(text);
  return uuid ? to_text(*uuid) : uuid.error();
}

TEST(BuildersUuid, IsTakenInEachOfItsForms) {
  EXPECT_EQ(parsed(sample), sample);
  EXPECT_EQ(parsed("0F8FAD5B-D9CB-469F-A165-70867728950E"), sample);
  EXPECT_EQ(parsed("0f8fad5bd9cb469fa16570867728950e"), sample);
  EXPECT_EQ(parsed("{0f8fad5b-d9cb-469f-a165-70867728950e}"), sample);
  EXPECT_EQ(parsed("urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e"), sample);
  EXPECT_EQ(parsed("00000000-0000-0000-0000-000000000000"), "00000000-0000-0000-0000-000000000000");
}

TEST(BuildersUuid, IsRefusedInPydanticsWords) {
  EXPECT_EQ(
      parsed("zzz"),
      "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `z` "
      "at 1");
  EXPECT_EQ(parsed("12\xC3\xA9"),
            "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found "
            "`\xC3\xA9` at 3");
  EXPECT_EQ(parsed("123"), "invalid length: expected length 32 for simple format, found 3");
  EXPECT_EQ(parsed(""), "invalid length: expected length 32 for simple format, found 0");
  EXPECT_EQ(parsed("1-2"), "invalid group count: expected 5, found 2");
  EXPECT_EQ(parsed("0f8fad5b-d9cb-469f-a165-70867728950"),
            "invalid group length in group 4: expected 12, found 11");
  EXPECT_EQ(parsed("0f8fad5-d9cb-469f-a165-70867728950e1"),
            "invalid group length in group 0: expected 8, found 7");
}

TEST(BuildersUuid, OfATaskLeadsBackToItsCall) {
  const auto log = store::make_memory_call_log({}, system_clock());
  for (int i = 0; i < 100; ++i) {
    DurableCall call;
    call.function = {"space", "name"};
    std::promise<CallId> accepted;
    log->append(call, [&accepted](const Result<store::Accepted>& done) { accepted.set_value(done->id); });
    const CallId id = accepted.get_future().get();
    const Uuid task = task_uuid(id);
    EXPECT_EQ(find_call_id(*log, task), id);
    EXPECT_TRUE(is_uuid_text(to_text(task)));
    EXPECT_EQ(to_text(task).at(14), '4');
    EXPECT_EQ(find_call_id(*log, {.high = task.high, .low = task.low ^ 1}), std::nullopt);
  }
  EXPECT_EQ(find_call_id(*log, *parse_uuid(sample)), std::nullopt);
}

}  // namespace
}  // namespace canopy::builders
