#pragma once
// For tests: a server that speaks HyperFaaS, whose functions are C++ lambdas, and what its clients say.

#include <string>
#include <utility>

#include "api/live_server.h"
#include "hyperfaas/grpc_client.h"
#include "hyperfaas/hyperfaas.h"
#include "wire/hyperfaas.h"

namespace canopy::hyperfaas {

struct LiveHyperfaas : api::LiveServer {
  explicit LiveHyperfaas(const Change& change = {})
      : LiveServer(
            [change](Options& options) {
              options.hyperfaas = "auto";
              options.hyperfaas_database = "127.0.0.1:0";
              if (change) change(options);
            },
            {.equip = [](api::ServerParts& parts) {
              for (auto& made : make_protocols(parts.options)) parts.protocols.push_back(std::move(made));
            }}) {}

  GrpcClient client() const { return GrpcClient(server->port()); }

  // The id of a function of that image; "" where none was made.
  std::string create(const std::string& tag, const wire::LeafConfig& config = {},
                     GrpcClient::Headers headers = {}) const {
    const auto answer = client().call("/leaf.Leaf/CreateFunction",
                                      wire::create_function_request({.image_tag = tag, .config = config}),
                                      std::move(headers));
    const auto id = answer.is_ok() ? wire::read_create_function_reply(answer.message()) : std::string();
    return id.value_or("");
  }
  GrpcAnswer call(const std::string& id, const std::string& data = "",
                  GrpcClient::Headers headers = {}) const {
    return client().call(
        "/leaf.Leaf/ScheduleCall",
        wire::schedule_call_request({.function_id = id, .data = data}, wire::IdForm::message),
        std::move(headers));
  }
};

inline std::string data_of(const GrpcAnswer& answer) {
  return wire::read_schedule_call_reply(answer.message()).value_or("no reply: " + answer.words);
}

}  // namespace canopy::hyperfaas
