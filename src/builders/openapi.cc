// The paths of FaaS Builders, with the models of the course, for /openapi.json.

#include "builders/server.h"

namespace canopy::builders {
namespace {

constexpr std::string_view paths =
    R"json("/register_function":{"post":{"tags":["faas-builders"],"operationId":"registerFunction",
  "summary":"Register a function that dill has serialised",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","title":"RegisterFn",
    "required":["name","payload"],"properties":{"name":{"type":"string","maxLength":1024,"pattern":"^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$"},
      "payload":{"type":"string","minLength":1,"description":"What dill made of something that can be called, in base64."},
      "python_version":{"type":"string","description":"The Python that serialised it, as 3.12."}}}}}},
  "responses":{"200":{"description":"It can be executed.","content":{"application/json":{"schema":{"type":"object","title":"RegisterFnRep",
      "required":["function_id"],"properties":{"function_id":{"type":"string","format":"uuid"}}}}}},
    "400":{"description":"It is no function, or none that can be imported here.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "422":{"description":"The body does not fit.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "default":{"description":"An error.","content":{"application/json":{"schema":{"type":"object"}}}}}}},

"/execute_function":{"post":{"tags":["faas-builders"],"operationId":"executeFunction",
  "summary":"Have a function executed as a task",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object","title":"ExecuteFnReq",
    "required":["function_id","payload"],"properties":{"function_id":{"type":"string","format":"uuid"},
      "payload":{"type":"string","description":"What dill made of (args, kwargs), in base64."}}}}}},
  "responses":{"200":{"description":"The task is on the disk.","content":{"application/json":{"schema":{"type":"object","title":"ExecuteFnRep",
      "required":["task_id"],"properties":{"task_id":{"type":"string","format":"uuid"}}}}}},
    "404":{"description":"There is no such function.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "422":{"description":"The body does not fit.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "default":{"description":"An error.","content":{"application/json":{"schema":{"type":"object"}}}}}}},

"/status/{task_id}":{"parameters":[{"name":"task_id","in":"path","required":true,"schema":{"type":"string","format":"uuid"}}],
"get":{"tags":["faas-builders"],"operationId":"taskStatus","summary":"How far a task has come",
  "responses":{"200":{"description":"The state.","content":{"application/json":{"schema":{"type":"object","title":"TaskStatusRep",
      "required":["task_id","status"],"properties":{"task_id":{"type":"string","format":"uuid"},
        "status":{"enum":["QUEUED","RUNNING","COMPLETED","COMPLETE","FAILED"]}}}}}},
    "404":{"description":"There is no such task.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "422":{"description":"That is no id.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "default":{"description":"An error.","content":{"application/json":{"schema":{"type":"object"}}}}}}},

"/result/{task_id}":{"parameters":[{"name":"task_id","in":"path","required":true,"schema":{"type":"string","format":"uuid"}}],
"get":{"tags":["faas-builders"],"operationId":"taskResult","summary":"What a task gave",
  "responses":{"200":{"description":"The result in base64, as dill serialised it; empty before the end.","content":{"application/json":{"schema":{
      "type":"object","title":"TaskResultRep","required":["task_id","status","result"],
      "properties":{"task_id":{"type":"string","format":"uuid"},
        "status":{"enum":["QUEUED","RUNNING","COMPLETED","COMPLETE","FAILED"]},"result":{"type":"string"}}}}}},
    "404":{"description":"There is no such task.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "422":{"description":"That is no id.","content":{"application/json":{"schema":{"type":"object","required":["detail"]}}}},
    "default":{"description":"An error.","content":{"application/json":{"schema":{"type":"object"}}}}}}})json";

}  // namespace

api::Described BuildersServer::describe() const { return {.tag = "faas-builders", .paths = paths}; }

}  // namespace canopy::builders
