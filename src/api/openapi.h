#pragma once
// The description of the API that programs read: OpenAPI 3.1.

#include <span>
#include <string>
#include <string_view>

#include "api/protocol.h"

namespace canopy::api {

// The whole description as JSON, with what the protocols say of theirs.
std::string openapi_json(std::string_view program_version, std::span<Protocol* const> protocols = {});

// Its parts, each the inside of a JSON object: `"name": {…}, …`.
extern const std::string_view openapi_function_paths;
extern const std::string_view openapi_call_paths;
extern const std::string_view openapi_server_paths;
extern const std::string_view openapi_user_paths;
extern const std::string_view openapi_schemas;
// What is added to the responses and to the schemas of openapi_schemas.
extern const std::string_view openapi_user_responses;
extern const std::string_view openapi_user_schemas;

}  // namespace canopy::api
