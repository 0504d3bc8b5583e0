#pragma once
// The front door of one core: finds out what a request wants and has it answered by who can.
//
//   auth: who asks, and may they? ─▶
//   /function/… ─▶ Caller        /v1/functions ─▶ functions, deploy      /v1/calls ─▶ calls, logs
//   /v1/events ─▶ events         /metrics, /debug/state ─▶ report        /docs, /openapi.json ─▶ pages
//   /v1/users, keys, quotas, usage, secrets, audit, login ─▶ the files of these names
//   what another platform's API claims ─▶ its Protocol
//
// Threads: its core's; but made and destroyed elsewhere, when the core does not run.

#include "api/auth.h"
#include "api/here.h"
#include "api/protocol.h"
#include "api/report.h"
#include "net/http.h"
#include "net/http_server.h"
#include "net/task.h"

namespace canopy::api {

class Gateway {
 public:
  Gateway(Platform& platform, exec::Core& core);

  // Answers one request.
  net::Task<net::HttpResponse> handle(net::HttpExchange& exchange);

  // What body that request may have: code for a deployment, input for a call, little elsewhere.
  //   unauthorized  a body of some size from whoever may not send it
  Result<std::uint64_t> body_limit(const net::HttpRequest& head);

  // The same of what came where that protocol alone listens.
  net::Task<net::HttpResponse> serve_protocol(net::HttpExchange& exchange, Protocol& protocol);
  Result<std::uint64_t> body_limit(const net::HttpRequest& head, const Protocol& protocol);

  Caller& caller() { return caller_; }
  CoreReport report();

  // Whose connections the report counts; null for none.
  void set_server(const net::HttpServer* server) { server_ = server; }

 private:
  net::Task<net::HttpResponse> dispatch(net::HttpExchange& exchange);
  net::Task<net::HttpResponse> serve(net::HttpExchange& exchange, wire::Route route,
                                     std::shared_ptr<const Principal> who);
  Protocol* protocol_of(const net::HttpRequest& head) const;
  net::Task<net::HttpResponse> serve_access(const Here& here, net::HttpExchange& exchange, wire::Route route);
  net::Task<net::HttpResponse> across_origins(net::HttpExchange& exchange);
  net::HttpResponse answer(const Here& here, const net::HttpRequest& request, const wire::Route& route) const;
  net::HttpResponse readiness() const;

  Platform& platform_;
  exec::Core& core_;
  Caller caller_;
  Doorman doorman_;
  const net::HttpServer* server_ = nullptr;
};

}  // namespace canopy::api
