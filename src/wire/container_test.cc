#include "wire/container.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Result<ContainerSettings> read(const std::string& text) {
  return container_settings({{std::string(container_variable), text}});
}

std::string refusal(const std::string& text) {
  const auto settings = read(text);
  return settings ? "" : settings.error().message;
}

TEST(ContainerSettings, HaveDefaults) {
  EXPECT_EQ(*container_settings({}), ContainerSettings());
  EXPECT_EQ(*read("{}"), ContainerSettings());
}

TEST(ContainerSettings, AreRead) {
  const auto settings = read(
      "contract: command\ncommand: [/app, --fast]\nport: 9000\nconcurrency: 1\ninstances: 1..4\nqueue: 7\n"
      "cpu: 0.5\ncpu_period: 50ms\nprocesses: 8\nidle: 5s\nstart: 250ms\n");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->contract, ContainerSettings::Contract::command);
  EXPECT_EQ(settings->command, (std::vector<std::string>{"/app", "--fast"}));
  EXPECT_EQ(settings->port, 9000);
  EXPECT_EQ(settings->concurrency, 1U);
  EXPECT_EQ(settings->instances_min, 1U);
  EXPECT_EQ(settings->instances_max, 4U);
  EXPECT_EQ(settings->queue, 7U);
  EXPECT_EQ(settings->cpu_percent, 50U);
  EXPECT_EQ(settings->cpu_period, milliseconds(50));
  EXPECT_EQ(settings->processes, 8U);
  EXPECT_EQ(settings->idle, seconds(5));
  EXPECT_EQ(settings->start, milliseconds(250));
  EXPECT_EQ(*read(to_json(*settings)), *settings);
}

TEST(ContainerSettings, OfHyperfaasHaveItsPort) {
  const auto settings = read("contract: grpc");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->contract, ContainerSettings::Contract::grpc);
  EXPECT_EQ(settings->port, grpc_function_port);
  EXPECT_EQ(*read(to_json(*settings)), *settings);
  EXPECT_EQ(read("{port: 7, contract: grpc}")->port, 7);
  EXPECT_EQ(read("contract: http")->port, 8080);
}

TEST(ContainerSettings, OfHyperfaasMaySignalThatTheyAreReady) {
  const auto settings = read("{contract: grpc, ready: signal}");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->ready, ContainerSettings::Ready::signal);
  EXPECT_EQ(*read(to_json(*settings)), *settings);
  EXPECT_NE(signal_port(*settings), settings->port);
  EXPECT_NE(signal_port(*read("{contract: grpc, port: 50051}")), 50051);
  EXPECT_EQ(read("{contract: grpc}")->ready, ContainerSettings::Ready::port);
  EXPECT_FALSE(read("{contract: grpc, ready: soon}"));
  EXPECT_NE(read("{ready: signal}").error().message.find("contract: grpc"), std::string::npos);
}

TEST(ContainerSettings, KeepTheirValuesAsJson) {
  ContainerSettings settings;
  for (const std::uint32_t percent : {1U, 5U, 99U, 100U, 250U}) {
    settings.cpu_percent = percent;
    EXPECT_EQ(read(to_json(settings))->cpu_percent, percent);
  }
}

TEST(ContainerSettings, HaveAThreadForEachCall) {
  EXPECT_EQ(processes_max(*read("concurrency: 100")), 164U);
  EXPECT_EQ(processes_max(*read("{concurrency: 100, processes: 8}")), 8U);
}

TEST(ContainerSettings, ShareTheCpuAsTheySay) {
  const auto share = [](const std::string& text) {
    const CpuShare made = cpu_share(*read(text));
    return std::pair(made.period, made.quota);
  };
  EXPECT_EQ(share("cpu: 0.5"), (std::pair<Duration, Duration>(milliseconds(100), milliseconds(50))));
  EXPECT_EQ(share("cpu: 2"), (std::pair<Duration, Duration>(milliseconds(100), milliseconds(200))));
  EXPECT_EQ(share("{cpu: 0.5, cpu_period: 1ms}"),
            (std::pair<Duration, Duration>(milliseconds(2), milliseconds(1))));
  EXPECT_EQ(share("{cpu: 0.01, cpu_period: 50ms}"),
            (std::pair<Duration, Duration>(milliseconds(100), milliseconds(1))));
}

TEST(ContainerSettings, WhatIsNoneIsRefused) {
  EXPECT_NE(refusal("concurrency: 0").find("concurrency"), std::string::npos);
  EXPECT_NE(refusal("concurency: 1").find("concurrency"), std::string::npos);
  EXPECT_NE(refusal("contract: soap").find("http, grpc or command"), std::string::npos);
  EXPECT_NE(refusal("instances: 0"), "");
  EXPECT_NE(refusal("instances: 4..2"), "");
  EXPECT_NE(refusal("port: 65536"), "");
  EXPECT_NE(refusal("command: []"), "");
  EXPECT_NE(refusal("command: /app"), "");
  EXPECT_NE(refusal("- a"), "");
  EXPECT_NE(refusal("start: 0s"), "");
  for (const char* const cpu : {"0", "0.001", "x", "-1", "257", "1.2.3", ""}) {
    EXPECT_NE(refusal("cpu: \"" + std::string(cpu) + "\""), "") << cpu;
  }
}

}  // namespace
}  // namespace canopy::wire
