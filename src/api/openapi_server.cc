// The paths of the server itself.

#include "api/openapi.h"

namespace canopy::api {

const std::string_view openapi_server_paths = R"json("/v1/events":{"get":{
  "tags":["server"],"operationId":"followEvents","summary":"What happens, as server-sent events",
  "description":"function.deployed, function.rolled_back and function.removed with the function; call.started and call.ended with the call; node.changed with the node, for who sees all; `lost` with a count where the client was too slow. Never ends by itself.",
  "parameters":[{"name":"function","in":"query","description":"Only of this one.",
    "schema":{"$ref":"#/components/schemas/FunctionName"}}],
  "responses":{"200":{"description":"The events.","content":{"text/event-stream":{"schema":{"$ref":"#/components/schemas/ServerSentEvent"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"503":{"$ref":"#/components/responses/Unavailable"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/nodes":{"get":{"tags":["server"],"operationId":"listNodes","summary":"The processes that run calls",
  "description":"The gateway first, then its workers, where calls run in processes of their own (`--workers`), and those that have joined (`--node-listen`).",
  "responses":{"200":{"description":"The nodes.","content":{"application/json":{"schema":{
      "type":"object","required":["nodes"],"properties":{"nodes":{"type":"array","items":{"$ref":"#/components/schemas/Node"}}}}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/dispatch":{
"get":{"tags":["server"],"operationId":"getDispatch","summary":"Where calls run",
  "responses":{"200":{"description":"The rules.","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Dispatch"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}},
"put":{"tags":["server"],"operationId":"setDispatch","summary":"Change where calls run",
  "description":"Holds for calls that begin from now on, until the server ends. What is not named stays; a function's null ends its exception.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","additionalProperties":false,"properties":{
    "mode":{"$ref":"#/components/schemas/DispatchWay"},
    "functions":{"type":"object","propertyNames":{"$ref":"#/components/schemas/FunctionName"},
      "additionalProperties":{"oneOf":[{"$ref":"#/components/schemas/DispatchWay"},{"type":"null"}]}}}}}}},
  "responses":{"200":{"description":"The rules.","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Dispatch"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},"409":{"$ref":"#/components/responses/Conflict"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/healthz":{"get":{"tags":["server"],"operationId":"health","security":[],"summary":"Whether the server lives",
  "responses":{"200":{"description":"It does.","content":{"application/json":{"schema":{
    "type":"object","required":["status"],"properties":{"status":{"const":"ok"}}}}}}}}},

"/readyz":{"get":{"tags":["server"],"operationId":"readiness","security":[],"summary":"Whether it takes calls",
  "responses":{"200":{"description":"It does.","content":{"application/json":{"schema":{
    "type":"object","required":["status"],"properties":{"status":{"const":"ready"}}}}}},
    "503":{"$ref":"#/components/responses/Unavailable"}}}},

"/metrics":{"get":{"tags":["server"],"operationId":"metrics","summary":"Numbers for Prometheus",
  "responses":{"200":{"description":"The text format of Prometheus.",
      "content":{"text/plain":{"schema":{"type":"string"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/debug/state":{"get":{"tags":["server"],"operationId":"debugState","summary":"Numbers for people",
  "responses":{"200":{"description":"What each core does.","content":{"application/json":{"schema":{
      "type":"object","required":["version","uptime_seconds","draining","functions_deployed","records","followers",
        "runtimes","walls","dispatch","cores_late","workers","cores"],"properties":{
      "version":{"type":"string"},"uptime_seconds":{"type":"number"},"draining":{"type":"boolean"},
      "functions_deployed":{"$ref":"#/components/schemas/Count"},"records":{"$ref":"#/components/schemas/Count"},
      "followers":{"$ref":"#/components/schemas/Count"},"runtimes":{"type":"array","items":{"type":"string"}},
      "walls":{"$ref":"#/components/schemas/Walls"},"dispatch":{"$ref":"#/components/schemas/DispatchWay"},
      "cores_late":{"type":"integer","minimum":0,"description":"Cores that did not answer within 5 s, and are not in the list."},
      "workers":{"type":"array","items":{"$ref":"#/components/schemas/Node"}},
      "cores":{"type":"array","items":{"type":"object","additionalProperties":{"type":"integer"}}}}}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/openapi.json":{"get":{"tags":["server"],"operationId":"openapi","security":[],"summary":"This description",
  "responses":{"200":{"description":"OpenAPI 3.1.","content":{"application/json":{"schema":{"type":"object"}}}}}}},

"/docs":{"get":{"tags":["server"],"operationId":"docs","security":[],"summary":"This description, for people",
  "responses":{"200":{"description":"A page.","content":{"text/html":{"schema":{"type":"string"}}}}}}},

"/":{"get":{"tags":["server"],"operationId":"home","security":[],"summary":"Where to go from here",
  "responses":{"200":{"description":"A page.","content":{"text/html":{"schema":{"type":"string"}}}}}}})json";

}  // namespace canopy::api
