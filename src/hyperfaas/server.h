#pragma once
// What answers the gRPC of HyperFaaS: one method for each of its methods.
//
// Threads: as api::Protocol.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/alarm.h"
#include "api/protocol.h"
#include "hyperfaas/instances.h"
#include "hyperfaas/presence.h"
#include "hyperfaas/registration.h"
#include "hyperfaas/request.h"
#include "net/blocking_pool.h"
#include "options/options.h"
#include "policy/access.h"

namespace canopy::hyperfaas {

class HyperfaasServer final : public api::Protocol {
 public:
  explicit HyperfaasServer(const Options& options);

  bool claims(const net::HttpRequest& head) const override { return is_ours(head); }
  std::vector<std::string> addresses() const override { return addresses_; }
  bool is_open() const override { return open_; }
  std::uint64_t body_bytes_max(const net::HttpRequest& head) const override;
  net::Task<net::HttpResponse> serve(const api::Here& here, net::HttpExchange& exchange,
                                     const std::optional<Error>& refusal) override;
  void start(const api::Platform& platform) override;
  void stop() override;
  void on_ended(CallId /*id*/, const FunctionName& /*function*/, State /*state*/) override {}

 private:
  using Answer = net::Task<net::HttpResponse>;
  using Found = std::shared_ptr<const Function>;

  const policy::Subject& subject(const api::Here& here) const;
  void plan_expiry();
  std::optional<exec::Standing> standing(const FunctionName& name) const;

  // A function that can be called now, by its id.
  //   not_found    none that whoever asks may see, or its image is not there
  //   forbidden    whoever asks may not call it
  //   and as deploy_stored(), where it has to be made from its image first
  net::Task<Result<Found>> find(const api::Here& here, std::string_view id);
  net::Task<Result<Found>> bind(const api::Here& here, Found function) const;
  // What another database of HyperFaaS knows of it.
  net::Task<Result<Found>> adopt(const api::Here& here, std::string id);
  // Calls it for the request, with its metadata; `input` and `path` live until the task ends.
  net::Task<api::ForeignEnd> run(const api::Here& here, net::HttpExchange& exchange, const Function& function,
                                 std::string_view input, std::optional<Duration> timeout,
                                 std::string_view path = "/");
  // The same, of what is asked but for the function's name.
  net::Task<api::ForeignEnd> run(const api::Here& here, net::HttpExchange& exchange, const Function& function,
                                 api::ForeignCall& asked);

  // -- leaf.cc
  Answer schedule_call(const api::Here& here, net::HttpExchange& exchange);
  Answer create_function(const api::Here& here, net::HttpExchange& exchange, wire::IdForm form);
  Answer follow_state(const api::Here& here, net::HttpExchange& exchange);
  // -- proxy.cc
  Answer call_by_authority(const api::Here& here, net::HttpExchange& exchange, std::string_view id);
  // -- controller.cc
  Answer start_instance(const api::Here& here, net::HttpExchange& exchange);
  Answer call_instance(const api::Here& here, net::HttpExchange& exchange);
  Answer stop_instance(const api::Here& here, net::HttpExchange& exchange);
  Answer follow_status(const api::Here& here, net::HttpExchange& exchange);
  Answer measure(const api::Here& here, net::HttpExchange& exchange);
  // -- health.cc
  Answer check_health(const api::Here& here, net::HttpExchange& exchange);
  Answer watch_health(const api::Here& here, net::HttpExchange& exchange);

  const bool open_;
  const std::uint64_t message_bytes_max_;
  const std::vector<std::string> addresses_;
  const bool has_workers_;          // Of HyperFaaS, which run what is not here.
  const std::string database_url_;  // Of a database of HyperFaaS elsewhere; "" for none.
  // Who waits for that: it may be slow, and anybody may name functions that nobody knows.
  std::optional<net::BlockingPool> asking_;
  std::atomic<bool> stopping_ = false;
  const policy::Subject everybody_{};
  Presence presence_;
  Instances instances_;
  const api::Platform* platform_ = nullptr;  // From start() on.
  exec::Core* clockwork_ = nullptr;          // The core of the alarm.
  std::unique_ptr<api::Alarm> alarm_;
};

// Where whoever asks finds images: where the key counts; and where everybody is let in, in each namespace
// that is no user's own.
Reaches images_for(const api::Here& here, bool is_open);

// Creates a function for whoever asks, with that id; returns it.
//   invalid       the registration is none
//   forbidden     whoever asks may deploy nowhere
//   and as deploy_stored()
net::Task<Result<std::string>> create(const api::Here& here, const policy::Subject& subject,
                                      const Reaches& reaches, std::string id, Registration registration);

}  // namespace canopy::hyperfaas
