#include "api/templates.h"

#include <condition_variable>
#include <fstream>

#include <gtest/gtest.h>

#include "exec/fake_runtime.h"
#include "store/temp_folder.h"

namespace canopy::api {
namespace {

// A fake runtime, pools, and somebody who waits for what they make.
class Bed {
 public:
  Bed() : folder_(*store::TempFolder::make()) {
    auto fake = std::make_unique<exec::FakeRuntime>(
        [this](std::string_view digest) -> Result<std::filesystem::path> { return folder_.path() / digest; });
    runtime = fake.get();
    runtime->add("good", {});
    runtimes_.emplace("wasm", std::move(fake));
    for (const char* const code : {"good", "bad"}) std::ofstream(folder_.path() / code) << code;
  }

  static std::shared_ptr<const Function> function(std::string code, std::string runtime_name = "wasm") {
    Function made;
    made.name = {"demo", code};
    made.version = 1;
    made.digest = std::move(code);
    made.runtime = std::move(runtime_name);
    return std::make_shared<const Function>(std::move(made));
  }

  // Asks so many times, and waits for all answers.
  std::vector<Templates::Made> get(const std::shared_ptr<const Function>& wanted, std::size_t count = 1) {
    std::vector<Templates::Made> all;
    std::mutex mutex;
    std::condition_variable changed;
    runtime->hold_prepare(true);
    for (std::size_t i = 0; i < count; ++i) {
      templates.get(wanted, [&](const Templates::Made& made) {
        const std::lock_guard lock(mutex);
        all.push_back(made);
        changed.notify_all();
      });
    }
    runtime->hold_prepare(false);
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return all.size() == count; });
    return all;
  }

 private:
  const store::TempFolder folder_;
  Runtimes runtimes_;

 public:
  exec::FakeRuntime* runtime = nullptr;
  FakeClock clock;
  CompileQueue compile{1, [](const std::string& space) { return space; }};
  net::BlockingPool disk{1, 10};  // Goes first: its work goes on to the other.
  Templates templates{runtimes_, disk, compile, clock};
};

TEST(Templates, MakesOneForAllWhoAskMeanwhile) {
  Bed bed;
  const auto made = bed.get(Bed::function("good"), 5);
  ASSERT_EQ(made.size(), 5U);
  for (const auto& one : made) {
    ASSERT_TRUE(one.has_value()) << one.error().message;
    EXPECT_EQ(*one, *made[0]);
  }
  EXPECT_EQ(bed.runtime->prepare_count(), 1U);
}

TEST(Templates, FindsWhatWasMadeBeforeWithoutMakingIt) {
  Bed bed;
  const auto first = bed.get(Bed::function("good"));
  const auto second = bed.get(Bed::function("good"));
  EXPECT_EQ(*first[0], *second[0]);
  EXPECT_EQ(bed.runtime->prepare_count(), 1U);
}

TEST(Templates, RemembersForAWhileThatItCannot) {
  Bed bed;
  EXPECT_EQ(bed.get(Bed::function("bad"))[0].error().code, Code::refused);
  EXPECT_EQ(bed.get(Bed::function("bad"))[0].error().code, Code::refused);
  EXPECT_EQ(bed.runtime->prepare_count(), 1U);
  bed.clock.advance(std::chrono::seconds(11));
  EXPECT_EQ(bed.get(Bed::function("bad"))[0].error().code, Code::refused);
  EXPECT_EQ(bed.runtime->prepare_count(), 2U);
}

TEST(Templates, NamesTheRuntimesThereAre) {
  Bed bed;
  const auto made = bed.get(Bed::function("good", "cobol"));
  EXPECT_EQ(made[0].error().code, Code::unavailable);
  EXPECT_NE(made[0].error().message.find("wasm"), std::string::npos);
  EXPECT_EQ(bed.templates.find_runtime("cobol").error().code, Code::refused);
  EXPECT_TRUE(bed.templates.find_runtime("wasm").has_value());
}

TEST(Templates, MakesNothingOnceItIsToStop) {
  Bed bed;
  bed.templates.stop();
  const auto made = bed.get(Bed::function("good"));
  EXPECT_EQ(made[0].error().code, Code::unavailable);
  EXPECT_EQ(bed.runtime->prepare_count(), 0U);
}

TEST(Templates, SaysWhenTooManyWait) {
  Bed bed;
  net::BlockingPool none(1, 0);
  Runtimes runtimes;
  runtimes.emplace("wasm",
                   std::make_unique<exec::FakeRuntime>([](std::string_view) -> Result<std::filesystem::path> {
                     return fail(Code::not_found, "no code");
                   }));
  Templates templates(runtimes, none, bed.compile, bed.clock);
  Templates::Made got = fail(Code::internal, "not called");
  templates.get(Bed::function("good"), [&got](const Templates::Made& made) { got = made; });
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, Code::unavailable);
  EXPECT_EQ(got.error().stage, Stage::queue);
}

}  // namespace
}  // namespace canopy::api
