#include "api/openapi.h"

#include "wire/json_writer.h"

namespace canopy::api {

std::string openapi_json(std::string_view program_version, std::span<Protocol* const> protocols) {
  std::string tags;
  std::string paths;
  for (const Protocol* const protocol : protocols) {
    const Described described = protocol->describe();
    if (described.tag.empty()) continue;
    tags += R"(,{"name":")" + std::string(described.tag) + "\"}";
    paths += ",\n\n" + std::string(described.paths);
  }
  std::string json = R"({"openapi":"3.1.0","info":{"title":"Canopy","version":)";
  wire::append_json_string(program_version, json);
  json += R"(,"description":"Functions in WebAssembly, each call in a fresh isolated instance. )"
          R"(Every error has the same body; its code says what to do."},)"
          R"("tags":[{"name":"functions"},{"name":"calls"},{"name":"access"},{"name":"server"})";
  json += tags;
  json += R"(],"security":[{"Key":[]}],"paths":{)";
  json += openapi_function_paths;
  json += ',';
  json += openapi_call_paths;
  json += ',';
  json += openapi_user_paths;
  json += ',';
  json += openapi_server_paths;
  json += paths;
  json += R"(},"components":{"securitySchemes":{"Key":{"type":"http","scheme":"bearer",)"
          R"("description":"A key that `canopy key create` made. Whether one is needed, --auth says."}},)";
  std::string components(openapi_schemas);
  components.insert(components.rfind('}'), openapi_user_schemas);
  components.insert(components.find("\n},\"requestBodies\":"), openapi_user_responses);
  json += components;
  json += "}}";
  return json;
}

}  // namespace canopy::api
