// The paths of calls.

#include "api/openapi.h"

namespace canopy::api {

const std::string_view openapi_call_paths = R"json("/function/{namespace}/{name}":{
"description":"Calls the function: body in, body out; what follows the name is its path. Any method, status and headers are the function's own. With X-Canopy-Timeout (\"5s\", or seconds) the call ends sooner than the function's timeout. An error of the platform has the usual body and, where the call had begun, its X-Call-Id.",
"parameters":[{"$ref":"#/components/parameters/Namespace"},{"$ref":"#/components/parameters/Name"}],
"get":{"tags":["calls"],"operationId":"callGet","summary":"Call a function with GET",
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}},
"post":{"tags":["calls"],"operationId":"callPost","summary":"Call a function with POST",
  "requestBody":{"$ref":"#/components/requestBodies/Input"},
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}},
"put":{"tags":["calls"],"operationId":"callPut","summary":"Call a function with PUT",
  "requestBody":{"$ref":"#/components/requestBodies/Input"},
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}},
"patch":{"tags":["calls"],"operationId":"callPatch","summary":"Call a function with PATCH",
  "requestBody":{"$ref":"#/components/requestBodies/Input"},
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}},
"delete":{"tags":["calls"],"operationId":"callDelete","summary":"Call a function with DELETE",
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}},
"options":{"tags":["calls"],"operationId":"callOptions","summary":"Call a function with OPTIONS",
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}},
"head":{"tags":["calls"],"operationId":"callHead","summary":"Call a function with HEAD",
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}},
"trace":{"tags":["calls"],"operationId":"callTrace","summary":"Call a function with TRACE",
  "responses":{"400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Reply"}}}},

"/v1/calls":{"get":{"tags":["calls"],"operationId":"listCalls","summary":"The calls that run and the last that ran",
  "parameters":[
    {"name":"function","in":"query","schema":{"$ref":"#/components/schemas/FunctionName"}},
    {"name":"state","in":"query","schema":{"$ref":"#/components/schemas/State"}},
    {"$ref":"#/components/parameters/Since"},{"$ref":"#/components/parameters/Limit"},
    {"name":"after","in":"query","description":"Continue behind this one.",
      "schema":{"$ref":"#/components/schemas/CallId"}}],
  "responses":{"200":{"description":"The calls.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Calls"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/calls/{id}":{"parameters":[{"$ref":"#/components/parameters/Id"}],
"get":{"tags":["calls"],"operationId":"getCall","summary":"A call",
  "parameters":[{"name":"wait","in":"query","description":"Answer when it has ended, or after that time.",
    "schema":{"$ref":"#/components/schemas/Duration"}}],
  "responses":{"200":{"$ref":"#/components/responses/Call"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}},
"delete":{"tags":["calls"],"operationId":"cancelCall","summary":"End a call that runs",
  "responses":{"202":{"$ref":"#/components/responses/Call"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "409":{"description":"It has ended already.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/calls/{id}/result":{"parameters":[{"$ref":"#/components/parameters/Id"}],
"get":{"tags":["calls"],"operationId":"getResult","summary":"What a call answered",
  "description":"The output of a call goes to its caller and is not kept.",
  "responses":{"202":{"$ref":"#/components/responses/Call"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "410":{"description":"The output went to the caller.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
    "424":{"description":"The call failed, with this error.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/calls/{id}/logs":{"parameters":[{"$ref":"#/components/parameters/Id"}],
"get":{"tags":["calls"],"operationId":"callLogs","summary":"The log of a call",
  "description":"As server-sent events with ?follow=true or Accept: text/event-stream: `log` for each piece, then `end`.",
  "parameters":[{"$ref":"#/components/parameters/Tail"},{"$ref":"#/components/parameters/Follow"}],
  "responses":{"200":{"description":"The log; a last line counts what was not kept.",
      "headers":{"X-Call-Id":{"$ref":"#/components/headers/CallId"},
        "X-Log-Dropped-Bytes":{"$ref":"#/components/headers/Bytes"}},
      "content":{"text/plain":{"schema":{"type":"string"}},"text/event-stream":{"schema":{"$ref":"#/components/schemas/ServerSentEvent"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "503":{"$ref":"#/components/responses/Unavailable"},"default":{"$ref":"#/components/responses/Error"}}}})json";

}  // namespace canopy::api
