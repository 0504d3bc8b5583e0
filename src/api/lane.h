#pragma once
// What one core of a server does, and how the server's own thread learns that it has nothing left to do.
//
// Threads: its core's, but where its server has not started or has stopped.

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "api/alarm.h"
#include "api/gateway.h"
#include "exec/core.h"
#include "net/http_server.h"

namespace canopy::api {

struct Lane {
  static constexpr Duration idle_check_period = std::chrono::milliseconds(2);

  Lane(Platform& platform, exec::Core& own) : core(own), gateway(platform, own), alarm(own) {}

  exec::Core& core;
  Gateway gateway;
  Alarm alarm;
  std::unique_ptr<net::HttpServer> server;
  std::vector<std::unique_ptr<net::HttpServer>> others;  // Of protocols that listen elsewhere.

  bool is_idle() {
    const auto idle = [](const auto& one) { return one->connection_count() == 0; };
    return idle(server) && std::ranges::all_of(others, idle) && gateway.caller().running_count() == 0;
  }
  void stop_listening() const {
    server->stop();
    for (const auto& other : others) other->stop();
  }
  void abort() const {
    server->abort();
    for (const auto& other : others) other->abort();
  }

  // On the core: calls `idle` once when it is.
  void tell_when_idle(const std::function<void()>& idle) {
    if (is_idle()) return idle();
    alarm.set(core.clock().now() + idle_check_period, [this, idle] { tell_when_idle(idle); });
  }
};

}  // namespace canopy::api
