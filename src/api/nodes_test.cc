#include "api/nodes.h"

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

TEST(Nodes, AreShownWithWhatIsKnown) {
  Node node{.name = "worker-1",
            .process = 42,
            .state = NodeState::draining,
            .running_count = 3,
            .restart_count = 2,
            .resident_bytes = 4096,
            .since = WallTime(std::chrono::seconds(1)),
            .last_end = "was ended by signal 9 (SIGKILL)"};
  EXPECT_EQ(node_json(node),
            R"({"name":"worker-1","role":"worker","state":"draining","pid":42,"running":3,"restarts":2,)"
            R"("resident_bytes":4096,"since":"1970-01-01T00:00:01.000Z",)"
            R"-("last_end":"was ended by signal 9 (SIGKILL)"})-");
  node.process = 0;
  node.last_end.clear();
  EXPECT_NE(node_json(node).find(R"("pid":null)"), std::string::npos);
  EXPECT_EQ(node_json(node).find("last_end"), std::string::npos);
  node.balancer = true;
  EXPECT_NE(node_json(node).find(R"("role":"balancer")"), std::string::npos);
}

}  // namespace
}  // namespace canopy::api
