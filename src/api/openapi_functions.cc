// The paths of functions.

#include "api/openapi.h"

namespace canopy::api {

const std::string_view openapi_function_paths = R"json("/v1/functions":{"get":{
  "tags":["functions"],"operationId":"listFunctions","summary":"All functions",
  "parameters":[{"$ref":"#/components/parameters/Limit"},
    {"name":"after","in":"query","description":"Continue behind this one.",
      "schema":{"$ref":"#/components/schemas/FunctionName"}}],
  "responses":{"200":{"description":"The functions, by name.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Functions"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/functions/{namespace}":{"parameters":[{"$ref":"#/components/parameters/Namespace"}],"get":{
  "tags":["functions"],"operationId":"listNamespace","summary":"The functions of a namespace",
  "parameters":[{"$ref":"#/components/parameters/Limit"},
    {"name":"after","in":"query","description":"Continue behind this one.",
      "schema":{"$ref":"#/components/schemas/FunctionName"}}],
  "responses":{"200":{"description":"The functions, by name.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Functions"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/functions/{namespace}/{name}":{
"parameters":[{"$ref":"#/components/parameters/Namespace"},{"$ref":"#/components/parameters/Name"}],
"get":{"tags":["functions"],"operationId":"getFunction","summary":"A function as it is called now",
  "responses":{"200":{"$ref":"#/components/responses/Function"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}},
"put":{"tags":["functions"],"operationId":"putFunction","summary":"Deploy a function, or a new version of it",
  "description":"Answers when the code is validated, compiled and stored. Source code in other languages than JavaScript is not compiled here: `canopy deploy` does that where the source is.",
  "parameters":[
    {"name":"memory","in":"query","description":"Linear memory, 64KiB to 4GiB.","schema":{"$ref":"#/components/schemas/Size"}},
    {"name":"timeout","in":"query","description":"For a whole call, 1ms to 1h.","schema":{"$ref":"#/components/schemas/Timeout"}},
    {"name":"concurrency","in":"query","description":"Calls at once on this machine.","schema":{"type":"integer","minimum":1,"maximum":100000}},
    {"name":"output","in":"query","description":"The most a call may answer.","schema":{"$ref":"#/components/schemas/Size"}},
    {"name":"log","in":"query","description":"What is kept of a call's log.","schema":{"$ref":"#/components/schemas/Size"}},
    {"name":"tmp","in":"query","description":"A call's private /tmp.","schema":{"$ref":"#/components/schemas/Size"}},
    {"name":"open_files","in":"query","description":"Files open at once.","schema":{"type":"integer","minimum":1,"maximum":4096}},
    {"name":"keep_warm","in":"query","description":"Of a function in Python: how many of its processes may wait on this machine for its next call. 0: each call has a fresh one.","schema":{"type":"integer","minimum":0,"maximum":1000}},
    {"name":"container","in":"query","description":"Of a container function: a map of its settings, such as {concurrency: 1}.","schema":{"type":"string"}},
    {"name":"dispatch","in":"query","description":"Which way its calls go, unless an operator says another.","schema":{"$ref":"#/components/schemas/DispatchWay"}},
    {"name":"runtime","in":"query","description":"How it runs.","schema":{"type":"string","enum":["container","js","python","wasm"]}},
    {"name":"dry_run","in":"query","description":"Only says what deploying this would change: the function as it would be, and `result`. It is checked, and neither compiled nor stored.","schema":{"type":"boolean"}},
    {"name":"env","in":"query","description":"NAME=value, as often as needed.","schema":{"type":"array","maxItems":100,
      "items":{"type":"string","pattern":"^[A-Za-z_][A-Za-z0-9_]*=[ -~]*$"}},"explode":true}],
  "requestBody":{"required":true,"content":{
    "application/wasm":{"schema":{"type":"string","format":"binary"}},
    "text/javascript":{"schema":{"type":"string"}},
    "multipart/form-data":{"schema":{"type":"object","required":["code"],"additionalProperties":false,"properties":{
      "manifest":{"type":"string","description":"YAML or JSON: memory, timeout, concurrency, output, log, tmp, open_files, env, fetch, keep_warm, container, dispatch, runtime."},
      "code":{"type":"string","format":"binary","description":"The module."},
      "file":{"type":"array","items":{"type":"string","format":"binary"},
        "description":"Files that calls see; the filename is the path."}}}}}},
  "responses":{"200":{"description":"A new version of it, or exactly what was current already.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Deployed"}}}},
    "201":{"description":"The function is new.","headers":{"Location":{"$ref":"#/components/headers/Location"}},
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Deployed"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},
    "408":{"$ref":"#/components/responses/SlowClient"},
    "413":{"$ref":"#/components/responses/TooLarge"},
    "422":{"description":"The code is refused: in the words of who refused it.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
    "429":{"$ref":"#/components/responses/Exhausted"},
    "503":{"$ref":"#/components/responses/Unavailable"},"default":{"$ref":"#/components/responses/Error"}}},
"delete":{"tags":["functions"],"operationId":"removeFunction","summary":"Remove a function and its versions",
  "responses":{"200":{"description":"It is removed.","content":{"application/json":{"schema":{
      "type":"object","required":["removed"],"properties":{"removed":{"type":"string"}}}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "503":{"$ref":"#/components/responses/Unavailable"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/functions/{namespace}/{name}/versions":{
"parameters":[{"$ref":"#/components/parameters/Namespace"},{"$ref":"#/components/parameters/Name"}],
"get":{"tags":["functions"],"operationId":"listVersions","summary":"The versions of a function",
  "parameters":[{"$ref":"#/components/parameters/Limit"},
    {"name":"after","in":"query","description":"Continue with those before this one.","schema":{"type":"integer","minimum":1,"maximum":4294967295}}],
  "responses":{"200":{"description":"The versions.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Versions"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/functions/{namespace}/{name}/rollback":{
"parameters":[{"$ref":"#/components/parameters/Namespace"},{"$ref":"#/components/parameters/Name"}],
"post":{"tags":["functions"],"operationId":"rollBack","summary":"Make an earlier version the current one",
  "requestBody":{"required":false,"content":{"application/json":{"schema":{"type":"object","additionalProperties":false,
    "properties":{"version":{"type":"integer","minimum":1,"maximum":4294967295,
      "description":"Without it: the one before the current."}}}}}},
  "responses":{"200":{"$ref":"#/components/responses/Function"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "409":{"description":"There is no earlier version.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
    "413":{"$ref":"#/components/responses/TooLarge"},
    "429":{"$ref":"#/components/responses/Exhausted"},
    "503":{"$ref":"#/components/responses/Unavailable"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/functions/{namespace}/{name}/calls":{
"parameters":[{"$ref":"#/components/parameters/Namespace"},{"$ref":"#/components/parameters/Name"}],
"post":{"tags":["calls"],"operationId":"callMany","summary":"Queue many durable calls at once",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Batch"}}}},
  "responses":{"202":{"description":"All of them are on the disk.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/BatchAnswer"}}}},
    "207":{"description":"Some are, and the others were not taken.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/BatchAnswer"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "413":{"$ref":"#/components/responses/TooLarge"},
    "503":{"$ref":"#/components/responses/Unavailable"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/functions/{namespace}/{name}/logs":{
"parameters":[{"$ref":"#/components/parameters/Namespace"},{"$ref":"#/components/parameters/Name"}],
"get":{"tags":["functions"],"operationId":"functionLogs","summary":"The logs of a function's last calls",
  "description":"As server-sent events with ?follow=true or Accept: text/event-stream: `log` for each piece, `end` for each call that ends, `lost` with a count where the client was too slow.",
  "parameters":[{"$ref":"#/components/parameters/Tail"},{"$ref":"#/components/parameters/Since"},
    {"$ref":"#/components/parameters/Follow"}],
  "responses":{"200":{"description":"The logs.","content":{
      "application/json":{"schema":{"$ref":"#/components/schemas/Logs"}},
      "text/event-stream":{"schema":{"$ref":"#/components/schemas/ServerSentEvent"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "503":{"$ref":"#/components/responses/Unavailable"},"default":{"$ref":"#/components/responses/Error"}}}})json";

}  // namespace canopy::api
