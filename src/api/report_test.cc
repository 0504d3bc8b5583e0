#include "api/report.h"

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

Report report_of_one_function() {
  Report report;
  report.cores.push_back({.index = 0, .running_count = 3, .http = {}, .functions = {}});
  report.functions[*parse_function_name("a/b")].ok_count = 7;
  return report;
}

bool has(const std::string& text, std::string_view line) { return text.find(line) != std::string::npos; }

TEST(Metrics, HaveSumsOverAllCores) {
  const std::string text = metrics_text(report_of_one_function(), "1.0");
  EXPECT_TRUE(has(text, "\ncanopy_calls_total{function=\"a/b\",outcome=\"ok\"} 7\n")) << text;
  EXPECT_TRUE(has(text, "\ncanopy_cores_late 0\n")) << text;
}

// A counter that became smaller would look like a restart.
TEST(Metrics, LeaveSumsOutWhereACoreIsLate) {
  Report report = report_of_one_function();
  report.late_count = 1;
  const std::string text = metrics_text(report, "1.0");
  EXPECT_FALSE(has(text, "canopy_calls_total")) << text;
  EXPECT_FALSE(has(text, "canopy_call_queue_seconds")) << text;
  EXPECT_TRUE(has(text, "\ncanopy_instances{core=\"0\"} 3\n")) << text;
  EXPECT_TRUE(has(text, "\ncanopy_cores_late 1\n")) << text;
}

// One that has joined may have the name of one that was started here: twice, and nothing is scraped at all.
TEST(Metrics, HaveEachWorkerOnce) {
  Report report = report_of_one_function();
  for (const std::uint32_t running : {1U, 2U}) {
    Node node;
    node.name = "one";
    node.running_count = running;
    report.nodes.push_back(node);
    node.balancer = true;
    report.nodes.push_back(node);
  }
  const std::string text = metrics_text(report, "1.0");
  EXPECT_TRUE(has(text, "\ncanopy_worker_calls{worker=\"one\"} 1\n")) << text;
  EXPECT_FALSE(has(text, "\ncanopy_worker_calls{worker=\"one\"} 2\n")) << text;
  EXPECT_TRUE(has(text, "\ncanopy_balancer_calls{balancer=\"one\"} 1\n")) << text;
  EXPECT_FALSE(has(text, "\ncanopy_balancer_calls{balancer=\"one\"} 2\n")) << text;
}

}  // namespace
}  // namespace canopy::api
