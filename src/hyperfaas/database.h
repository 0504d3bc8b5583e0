#pragma once
// The key-value database of HyperFaaS, where its leaves and workers ask about functions: HTTP at every path
// of a port of its own. What is kept there are the functions that can be called here.
//
//   POST  {"image_tag":…,"config":{…}}     201 {"function_id":"…"}, 400
//   GET   with the id as its body          200 what was posted, 404
//   another method                         405
//
// Threads: as api::Protocol.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/protocol.h"
#include "hyperfaas/registration.h"

namespace canopy::hyperfaas {

class DatabaseServer final : public api::Protocol {
 public:
  explicit DatabaseServer(const Options& options);

  bool claims(const net::HttpRequest& /*head*/) const override { return false; }
  std::vector<std::string> addresses() const override { return {address_}; }
  bool is_open() const override { return open_; }
  std::uint64_t body_bytes_max(const net::HttpRequest& /*head*/) const override;
  net::Task<net::HttpResponse> serve(const api::Here& here, net::HttpExchange& exchange,
                                     const std::optional<Error>& refusal) override;
  void on_ended(CallId /*id*/, const FunctionName& /*function*/, State /*state*/) override {}

 private:
  net::Task<net::HttpResponse> add(const api::Here& here, const net::HttpRequest& request);
  net::HttpResponse find(const api::Here& here, const net::HttpRequest& request) const;

  const bool open_;
  const std::string address_;
  const policy::Subject everybody_{};
};

// What a POST has as its body. As there, what is not said is 0, and what nobody knows does not matter.
//   invalid
Result<Registration> read_registration(std::string_view json);
std::string to_json(const Registration& registration);

// What such a database elsewhere, at `url`, has of that id. Blocks, for seconds where it does not answer.
//   not_found    nothing
//   unavailable  it does not answer, or not as it should
Result<Registration> ask_database(const std::string& url, const std::string& id);
Error unknown_function();

}  // namespace canopy::hyperfaas
