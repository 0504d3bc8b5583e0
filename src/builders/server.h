#pragma once
// What answers the requests of FaaS Builders: one method for each kind of them.
//
// Threads: as api::Protocol.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/protocol.h"
#include "builders/mirror.h"
#include "builders/request.h"
#include "builders/uuid.h"
#include "policy/access.h"
#include "store/call_log.h"

namespace canopy::builders {

class BuildersServer final : public api::Protocol {
 public:
  // `open`: to everybody, whether or not the server demands keys.
  BuildersServer(bool open, std::uint64_t body_bytes_max) : open_(open), body_bytes_max_(body_bytes_max) {}

  api::Described describe() const override;
  bool claims(const net::HttpRequest& head) const override { return is_ours(head.path); }
  bool is_open() const override { return open_; }
  std::uint64_t body_bytes_max(const net::HttpRequest& /*head*/) const override { return body_bytes_max_; }
  net::Task<net::HttpResponse> serve(const api::Here& here, net::HttpExchange& exchange,
                                     const std::optional<Error>& refusal) override;
  void start(const api::Platform& platform) override;
  void stop() override;
  void on_begun(CallId id, const FunctionName& function) override;
  void on_ended(CallId id, const FunctionName& function, State state) override;

 private:
  using Answer = net::Task<net::HttpResponse>;
  struct Found {
    State state = State::queued;
    std::optional<std::string> text = "";  // What /result shows; nothing where that is no result.
  };

  // Why not; nothing where it may be.
  std::optional<net::HttpResponse> refuse(const api::Here& here, const net::HttpRequest& request,
                                          const Asked& asked, const std::optional<Error>& refusal) const;
  const policy::Subject& subject(const api::Here& here) const;

  Answer register_function(const api::Here& here, net::HttpExchange& exchange);
  Answer execute_function(const api::Here& here, net::HttpExchange& exchange);
  Answer status(const api::Here& here, Asked asked);
  Answer result(const api::Here& here, Asked asked);
  // Nothing where there is no such task, or not for whoever asks.
  net::Task<Result<std::optional<Found>>> find_task(const api::Here& here, Uuid id, bool with_result) const;

  const bool open_;
  const std::uint64_t body_bytes_max_;
  const policy::Subject everybody_{};
  std::unique_ptr<Mirror> mirror_;  // Null where there is no Redis, or nobody who reads it there.
};

}  // namespace canopy::builders
