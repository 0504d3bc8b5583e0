#include "container/docker.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>

namespace canopy::container {
namespace {

TEST(Docker, SaysHowAContainerEndedAsTheKernelWould) {
  EXPECT_EQ(docker_status(R"({"StatusCode":0})"), 0);
  const int three = docker_status(R"({"Error":null,"StatusCode":3})");
  EXPECT_TRUE(WIFEXITED(three) && WEXITSTATUS(three) == 3);
  const int killed = docker_status(R"({"StatusCode":137})");
  EXPECT_TRUE(WIFSIGNALED(killed) && WTERMSIG(killed) == SIGKILL);
}

// Its daemon was ended while the container ran: nothing of that is a success.
TEST(Docker, ThatSaysNothingHasNotSaidThatAllWentWell) {
  for (const char* const said : {"", "{", "{}", R"({"message":"no such container"})"}) {
    EXPECT_EQ(docker_status(said), SIGKILL) << said;
  }
}

TEST(Docker, IsAskedForNoMoreThanThePlanSays) {
  Plan plan;
  plan.image = "abc";
  plan.command = {"/server", "a \"word\""};
  plan.user = 7;
  plan.group = 8;
  plan.memory_bytes = 1000;
  const std::string asked = docker_container(plan, "owner");
  for (const char* const part :
       {R"("Image":"canopy-abc")", R"("Entrypoint":["/server","a \"word\""])", R"("User":"7:8")",
        R"("Memory":1000)", R"("MemorySwap":1000)", R"("ReadonlyRootfs":true)", R"("CapDrop":["ALL"])",
        R"("no-new-privileges")", R"("NetworkMode":"none")", R"("canopy.data":"owner")"}) {
    EXPECT_NE(asked.find(part), std::string::npos) << part << " is not in " << asked;
  }
}

}  // namespace
}  // namespace canopy::container
