#include "wire/join_frames.h"

#include <gtest/gtest.h>

#include "frames.pb.h"

namespace canopy::wire {
namespace {

Join sample_join() {
  Join join{.name = "node-a", .slots = 64, .runtimes = {"js", "wasm"}, .process = 42, .program = "1.2"};
  join.instance.fill(1);
  join.nonce.fill(2);
  join.proof.fill(3);
  return join;
}

std::string written(const Join& join) {
  std::string body;
  write_join(join, body);
  return body;
}

TEST(JoinFrames, AJoinComesAsItWasSent) {
  const auto join = read_join(written(sample_join()));
  ASSERT_TRUE(join);
  EXPECT_EQ(join->name, "node-a");
  EXPECT_EQ(join->slots, 64U);
  EXPECT_EQ(join->runtimes, (std::vector<std::string>{"js", "wasm"}));
  EXPECT_EQ(join->process, 42U);
  EXPECT_EQ(join->program, "1.2");
  EXPECT_EQ(join->instance, sample_join().instance);
  EXPECT_EQ(join->nonce, sample_join().nonce);
  EXPECT_EQ(join->proof, sample_join().proof);
}

TEST(JoinFrames, AJoinTellsOfWalls) {
  Join join = sample_join();
  EXPECT_FALSE(read_join(written(join))->walls);
  Walls walls{.user = "canopy",
              .capabilities = 1024,
              .no_new_privileges = true,
              .filter = "allow-list of 250 calls",
              .memory_max_bytes = 1,
              .tasks_max = 2,
              .no_group = "why"};
  join.walls = std::make_shared<const Walls>(walls);
  EXPECT_EQ(*read_join(written(join))->walls, walls);
  walls.no_group.assign(1000, 'x');
  join.walls = std::make_shared<const Walls>(walls);
  EXPECT_EQ(read_join(written(join))->walls->no_group.size(), 300U);
}

TEST(JoinFrames, WallsOfTooManyWordsAreNone) {
  frames::Join message;
  ASSERT_TRUE(message.ParseFromString(written(sample_join())));
  message.mutable_walls()->set_user(std::string(301, 'x'));
  EXPECT_EQ(read_join(message.SerializeAsString()).error().code, Code::invalid);
}

// Nobody has joined it yet.
TEST(JoinFrames, ABalancerMayHaveNoSlots) {
  Join join = sample_join();
  join.balancer = true;
  join.slots = 0;
  join.runtimes.clear();
  const auto read = read_join(written(join));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->balancer);
  EXPECT_EQ(read->slots, 0U);
  EXPECT_TRUE(read->runtimes.empty());
  join.slots = join_slots_max + 1;
  EXPECT_EQ(read_join(written(join)).error().code, Code::invalid);
  EXPECT_FALSE(read_join(written(sample_join()))->balancer);
}

TEST(JoinFrames, AJoinThatIsNoneIsRefused) {
  const auto refuses = [](void (*spoil)(Join&)) {
    Join join = sample_join();
    spoil(join);
    const auto read = read_join(written(join));
    return !read && read.error().code == Code::invalid;
  };
  EXPECT_TRUE(refuses([](Join& join) { join.name = "../x"; }));
  EXPECT_TRUE(refuses([](Join& join) { join.name = ""; }));
  EXPECT_TRUE(refuses([](Join& join) { join.name = "a\"b"; }));
  EXPECT_TRUE(refuses([](Join& join) { join.slots = 0; }));
  EXPECT_TRUE(refuses([](Join& join) { join.slots = join_slots_max + 1; }));
  EXPECT_TRUE(refuses([](Join& join) { join.runtimes.assign(join_runtimes_max + 1, "wasm"); }));
  EXPECT_TRUE(refuses([](Join& join) { join.runtimes = {"no name"}; }));
  EXPECT_FALSE(read_join("\xff"));
  EXPECT_FALSE(read_join(""));
  EXPECT_FALSE(read_join(std::string(100'000, '\0')));
}

TEST(JoinFrames, TheOthersComeAsTheyWereSent) {
  std::string body;
  Challenge challenge{.version = 7};
  challenge.nonce.fill(9);
  write_challenge(challenge, body);
  EXPECT_EQ(read_challenge(body)->version, 7U);
  EXPECT_EQ(read_challenge(body)->nonce, challenge.nonce);

  Line line{.worker = 5, .core = 3};
  line.proof.fill(8);
  write_line(line, body);
  EXPECT_EQ(read_line(body)->worker, 5U);
  EXPECT_EQ(read_line(body)->core, 3U);
  EXPECT_EQ(read_line(body)->proof, line.proof);

  Welcome welcome{.worker = 5, .line_count = 2, .silence_max = std::chrono::seconds(3)};
  write_welcome(welcome, body);
  EXPECT_EQ(read_welcome(body)->line_count, 2U);
  EXPECT_EQ(read_welcome(body)->silence_max, std::chrono::seconds(3));
  welcome.line_count = join_lines_max + 1;
  write_welcome(welcome, body);
  EXPECT_FALSE(read_welcome(body));

  write_want({.digest = std::string(64, 'a'), .offset = 1000}, body);
  EXPECT_EQ(read_want(body)->offset, 1000U);
  write_want({.digest = "../../etc/passwd", .offset = 0}, body);
  EXPECT_FALSE(read_want(body));
}

}  // namespace
}  // namespace canopy::wire
