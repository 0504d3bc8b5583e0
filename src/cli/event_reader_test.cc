#include "cli/event_reader.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::cli {
namespace {

using Events = std::vector<std::pair<std::string, std::string>>;

Events read(const std::vector<std::string>& lines) {
  Events events;
  EventReader reader([&events](std::string_view name, std::string_view data) {
    events.emplace_back(name, data);
    return true;
  });
  for (const std::string& line : lines) EXPECT_TRUE(reader.take(line));
  return events;
}

TEST(EventReader, TellsEventsApart) {
  EXPECT_EQ(read({"event: log", "data: {\"a\":1}", "", "event: end", "data: {}", ""}),
            (Events{{"log", "{\"a\":1}"}, {"end", "{}"}}));
}

TEST(EventReader, JoinsLinesOfData) {
  EXPECT_EQ(read({"data: one", "data:two", "data", "data:  three", ""}),
            (Events{{"message", "one\ntwo\n\n three"}}));
}

TEST(EventReader, PassesOverSignsOfLifeAndWhatItDoesNotKnow) {
  EXPECT_EQ(read({": still here", "", "id: 7", "retry: 1", "data: x", "nonsense", "", ":", ""}),
            (Events{{"message", "x"}}));
}

TEST(EventReader, AnEventWithoutDataIsNone) {
  EXPECT_EQ(read({"event: log", "", "data: x", ""}), (Events{{"message", "x"}}));
  EXPECT_EQ(read({"data: cut off"}), Events());
}

TEST(EventReader, TakesLineEndsOfAnyKind) {
  EXPECT_EQ(read({"event: log\r", "data: x\r", "\r"}), (Events{{"log", "x"}}));
}

TEST(EventReader, CutsWhatIsTooLong) {
  const std::string half(EventReader::event_bytes_max / 2 + 1, 'x');
  const Events events = read({"data: " + half, "data: " + half, "data: " + half, ""});
  ASSERT_EQ(events.size(), 1U);
  EXPECT_LE(events.front().second.size(), EventReader::event_bytes_max + 2);
}

TEST(EventReader, StopsWhenToldTo) {
  EventReader reader([](std::string_view, std::string_view) { return false; });
  EXPECT_TRUE(reader.take("data: x"));
  EXPECT_FALSE(reader.take(""));
}

}  // namespace
}  // namespace canopy::cli
