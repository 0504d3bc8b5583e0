#include "store/redis_code.h"

#include <condition_variable>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "store/fake_peer.h"

namespace canopy::store {
namespace {

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// Answers each script that is loaded, as Redis does.
struct Scripts {
  std::size_t loaded_count = 0;
  void answer(const std::string& asked, const FakePeer::Line& line) {
    constexpr std::string_view word = "\r\nLOAD\r\n";
    std::size_t count = 0;
    for (std::size_t at = asked.find(word); at != std::string::npos; at = asked.find(word, at + 1)) ++count;
    for (; loaded_count < count; ++loaded_count) line.send(bulk(std::string(40, 'a')));
  }
};

TEST(RedisCode, DoesNotWaitForOtherCodeThatIsOnItsWay) {
  const std::string slow = "code that takes long";
  const std::string quick = "code that comes at once";
  std::mutex mutex;
  std::condition_variable changed;
  bool slow_asked = false;
  bool quick_asked = false;
  const auto wait_for = [&](const bool& what) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), [&what] { return what; });
  };
  const auto tell = [&](bool& what) {
    const std::lock_guard lock(mutex);
    what = true;
    changed.notify_all();
  };
  const FakePeer peer([&](const FakePeer::Line& line) {
    Scripts scripts;
    for (std::string asked; line.receive(asked);) {
      scripts.answer(asked, line);
      if (asked.ends_with("code:" + sha256_hex(slow) + "\r\n")) {
        tell(slow_asked);
        EXPECT_TRUE(wait_for(quick_asked)) << "nobody asked for the other";
        line.send(bulk(slow));
      } else if (asked.ends_with("code:" + sha256_hex(quick) + "\r\n")) {
        tell(quick_asked);
        line.send(bulk(quick));
      }
    }
  });
  RedisCode code(peer.address(), system_clock());
  std::jthread first([&] { EXPECT_EQ(code.get(sha256_hex(slow)).value_or("none"), slow); });
  ASSERT_TRUE(wait_for(slow_asked));
  EXPECT_EQ(code.get(sha256_hex(quick)).value_or("none"), quick);
}

}  // namespace
}  // namespace canopy::store
