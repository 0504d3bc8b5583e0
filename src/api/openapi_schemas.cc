// What the API's JSON looks like: the keys are those of wire/json.h.

#include "api/openapi.h"

namespace canopy::api {

const std::string_view openapi_schemas = R"json("parameters":{
"Namespace":{"name":"namespace","in":"path","required":true,"schema":{"$ref":"#/components/schemas/NamePart"}},
"Name":{"name":"name","in":"path","required":true,"schema":{"$ref":"#/components/schemas/NamePart"}},
"Id":{"name":"id","in":"path","required":true,"schema":{"$ref":"#/components/schemas/CallId"}},
"Limit":{"name":"limit","in":"query","description":"The most that are listed.",
  "schema":{"type":"integer","minimum":1,"maximum":1000}},
"AfterName":{"name":"after","in":"query","description":"Continue behind this one.",
  "schema":{"$ref":"#/components/schemas/NamePart"}},
"AfterSecret":{"name":"after","in":"query","description":"Continue behind this one: an answer's `next`.",
  "schema":{"type":"string","pattern":"^[a-z0-9]{1,63}(/[a-z0-9]{1,63})?/[A-Za-z_][A-Za-z0-9_]{0,254}$"}},
"AfterUsage":{"name":"after","in":"query","description":"Continue behind this one: an answer's `next`.",
  "schema":{"type":"string","pattern":"^[0-9]{1,9}/[0-9]{1,18}/[a-z0-9]{1,63}/[a-z0-9]{1,63}$"}},
"Since":{"name":"since","in":"query","description":"Only what is not older than that.",
  "schema":{"$ref":"#/components/schemas/Duration"}},
"Tail":{"name":"tail","in":"query","description":"Only the last lines.",
  "schema":{"type":"integer","minimum":0,"maximum":1000000}},
"Follow":{"name":"follow","in":"query","description":"Server-sent events instead, as it happens.",
  "schema":{"type":"string","enum":["true","false","yes","no","on","off","1","0"]}}
},"headers":{
"CallId":{"description":"The call's id.","schema":{"$ref":"#/components/schemas/CallId"}},
"Seconds":{"description":"Seconds.","schema":{"type":"number","minimum":0}},
"Cold":{"description":"Whether the function had to be made ready or loaded first.","schema":{"type":"boolean"}},
"Bytes":{"description":"The most linear memory the call had.","schema":{"type":"integer","minimum":0}},
"RetryAfter":{"description":"Seconds until trying again makes sense.","schema":{"type":"integer","minimum":1}},
"Allow":{"description":"The methods that mean something here.","schema":{"type":"string"}},
"Location":{"description":"Where the function is.","schema":{"type":"string"}}
},"responses":{
"Invalid":{"description":"The request is malformed; the message says where.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"NotFound":{"description":"There is no such thing.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"WrongMethod":{"description":"The method means nothing here.","headers":{"Allow":{"$ref":"#/components/headers/Allow"}},
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"SlowClient":{"description":"The request took too long to come.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"TooLarge":{"description":"The body is past a limit, which the message names.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"Unavailable":{"description":"Nothing can do it now; try again.",
  "headers":{"Retry-After":{"$ref":"#/components/headers/RetryAfter"}},
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"Error":{"description":"Any other error.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"Function":{"description":"The function.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Function"}}}},
"Call":{"description":"The call.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Call"}}}},
"Reply":{"description":"What the function answered; or the error that took its place, as application/json.",
  "headers":{"X-Call-Id":{"$ref":"#/components/headers/CallId"},
    "X-Duration-Seconds":{"$ref":"#/components/headers/Seconds"},
    "X-Queue-Seconds":{"$ref":"#/components/headers/Seconds"},
    "X-Cold-Start":{"$ref":"#/components/headers/Cold"},
    "X-Memory-Bytes":{"$ref":"#/components/headers/Bytes"},
    "Retry-After":{"$ref":"#/components/headers/RetryAfter"}},
  "content":{"*/*":{}}}
},"requestBodies":{
"Input":{"required":false,"description":"The function's input.",
  "content":{"application/octet-stream":{"schema":{"type":"string","format":"binary"}}}}
},"schemas":{
"Node":{"type":"object","required":["name","role","state","pid","running","restarts","resident_bytes","since"],"properties":{
  "name":{"type":"string","description":"Below a balancer by path: leaf-1/worker-1."},"role":{"type":"string","enum":["gateway","balancer","worker"]},
  "state":{"type":"string","enum":["starting","ready","draining","waiting","gone"],
    "description":"waiting: its process ended, and is started again after a while."},
  "pid":{"type":["integer","null"],"description":"null while there is no process."},
  "running":{"type":"integer","minimum":0,"description":"Calls that it has begun."},
  "restarts":{"type":"integer","minimum":0},
  "resident_bytes":{"type":"integer","minimum":0},
  "since":{"type":["string","null"],"format":"date-time","description":"When its process started, or the one before it ended."},
  "address":{"type":"string","description":"Of one that has joined: where it connects from."},
  "slots":{"type":"integer","minimum":0,"description":"Of one that has joined: calls that it, or all below it, run at once."},
  "last_end":{"type":"string","description":"How the process before this one ended."},
  "walls":{"$ref":"#/components/schemas/Walls"}}},
"Wall":{"type":"object","required":["held"],"properties":{"held":{"type":"boolean"},
  "limit":{"type":"integer","minimum":0,"description":"The least of all control groups above."},
  "reason":{"type":"string","description":"Why there is none."}}},
"Walls":{"type":"object","required":["user","capabilities","no_new_privileges","seccomp","memory","tasks","missing"],"properties":{
  "user":{"type":"string"},"capabilities":{"type":"integer","minimum":0,"description":"How many it has."},
  "no_new_privileges":{"type":"boolean"},
  "seccomp":{"type":["string","null"],"description":"The filter of system calls; null where there is none."},
  "memory":{"$ref":"#/components/schemas/Wall"},"tasks":{"$ref":"#/components/schemas/Wall"},
  "missing":{"type":"array","items":{"type":"string"},"description":"A sentence for each wall that is not there."}}},
"DispatchWay":{"type":"string","enum":["local","push","pull"]},
"Dispatch":{"type":"object","required":["mode","functions","listen","workers"],"properties":{
  "mode":{"$ref":"#/components/schemas/DispatchWay"},
  "functions":{"type":"object","additionalProperties":{"$ref":"#/components/schemas/DispatchWay"}},
  "listen":{"type":["string","null"],"description":"Where workers join; null where none can."},
  "workers":{"type":"integer","minimum":0,"description":"Workers that are ready."}}},
"NamePart":{"type":"string","minLength":1,"maxLength":63,"pattern":"^[A-Za-z0-9](\\.?[A-Za-z0-9_-])*\\.?$"},
"FunctionName":{"type":"string","description":"namespace/name; the namespace is `default` where it is left out.",
  "pattern":"^([A-Za-z0-9](\\.?[A-Za-z0-9_-]){0,30}/)?[A-Za-z0-9](\\.?[A-Za-z0-9_-]){0,30}$"},
"ServerSentEvent":{"type":"object","required":["event","data"],"properties":{
  "event":{"type":"string"},"data":{"type":"string","description":"JSON, on one line."}}},
"CallId":{"type":"string","pattern":"^[0-9a-f]{32}$"},
"Duration":{"type":"string","pattern":"^[0-9]{1,4}(\\.[0-9]{1,3})?(ns|us|ms|s|m|h|d)$"},
"Time":{"type":["string","null"],"format":"date-time"},
"Count":{"type":"integer","minimum":0},
"State":{"type":"string","enum":["QUEUED","RUNNING","COMPLETED","FAILED","CANCELLED"]},
"Error":{"type":"object","required":["code","message","origin"],"additionalProperties":false,"properties":{
  "code":{"type":"string","enum":["invalid","unauthorized","forbidden","not_found","slow_client","conflict",
    "too_large","refused","function_failed","exhausted","canceled","internal","died","limit","unavailable",
    "deadline"]},
  "message":{"type":"string","description":"For a person: what was tried, and what to do."},
  "origin":{"type":"string","enum":["platform","function","limit","client"],"description":"Who has to act."},
  "call":{"$ref":"#/components/schemas/CallId"},
  "stage":{"type":"string","enum":["queue","start","run","reply"],"description":"How far the call had come."}}},
"ErrorBody":{"type":"object","required":["error"],"additionalProperties":false,
  "properties":{"error":{"$ref":"#/components/schemas/Error"}}},
"Limits":{"type":"object","required":["memory_bytes","timeout_seconds","concurrency","output_bytes","log_bytes",
  "tmp_bytes","open_files","table_elements"],"properties":{
  "memory_bytes":{"$ref":"#/components/schemas/Count"},
  "timeout_seconds":{"type":"number","minimum":0},
  "concurrency":{"$ref":"#/components/schemas/Count"},
  "output_bytes":{"$ref":"#/components/schemas/Count"},
  "log_bytes":{"$ref":"#/components/schemas/Count"},
  "tmp_bytes":{"$ref":"#/components/schemas/Count"},
  "open_files":{"$ref":"#/components/schemas/Count"},
  "table_elements":{"$ref":"#/components/schemas/Count"}}},
"Version":{"type":"object","required":["function","namespace","name","version","digest","code_bytes","runtime",
  "limits","env","files","created"],"properties":{
  "function":{"type":"string"},"namespace":{"type":"string"},"name":{"type":"string"},
  "version":{"type":"integer","minimum":0,"description":"Counts from 1; 0 in a dry run, of what has none yet."},
  "digest":{"type":"string","pattern":"^[0-9a-f]{64}$","description":"SHA-256 of the code."},
  "code_bytes":{"$ref":"#/components/schemas/Count"},
  "runtime":{"type":"string"},
  "limits":{"$ref":"#/components/schemas/Limits"},
  "env":{"type":"object","additionalProperties":{"type":"string"}},
  "files":{"type":"array","items":{"type":"object","required":["path","digest","size_bytes"],"properties":{
    "path":{"type":"string"},"digest":{"type":"string"},"size_bytes":{"$ref":"#/components/schemas/Count"}}}},
  "created":{"$ref":"#/components/schemas/Time"}}},
"Function":{"allOf":[{"$ref":"#/components/schemas/Version"},
  {"type":"object","required":["url"],"properties":{"url":{"type":"string","description":"Where it is called."}}}]},
"Deployed":{"allOf":[{"$ref":"#/components/schemas/Function"},
  {"type":"object","required":["result"],"properties":{"result":{"type":"string","enum":["new","changed","unchanged"]}}}]},
"Functions":{"type":"object","required":["functions","next"],"properties":{
  "functions":{"type":"array","items":{"$ref":"#/components/schemas/Function"}},
  "next":{"$ref":"#/components/schemas/Next"}}},
"Next":{"type":["string","null"],"description":"What to give as `after` for those that follow; null at the end."},
"Versions":{"type":"object","required":["function","current","versions_max","versions","next"],"properties":{
  "next":{"$ref":"#/components/schemas/Next"},
  "function":{"type":"string"},"current":{"type":"integer","minimum":1},
  "versions_max":{"type":"integer","minimum":2,"description":"How many are kept; a deployment forgets the oldest beyond it."},
  "versions":{"type":"array","items":{"$ref":"#/components/schemas/Version"},"description":"Newest first."}}},
"Usage":{"type":"object","required":["queue_seconds","run_seconds","cpu_seconds","memory_bytes","cold"],"properties":{
  "queue_seconds":{"type":["number","null"],"minimum":0},"run_seconds":{"type":["number","null"],"minimum":0},
  "cpu_seconds":{"type":["number","null"],"minimum":0},"memory_bytes":{"type":["integer","null"],"minimum":0},
  "cold":{"type":["boolean","null"]}}},
"Call":{"type":"object","required":["id","function","version","state","queued","started","ended","attempt","status",
  "exit_code","usage","input_bytes","output_bytes","log_bytes","log_dropped_bytes","trace","error"],"properties":{
  "id":{"$ref":"#/components/schemas/CallId"},"function":{"type":"string"},"version":{"type":["integer","null"],"minimum":1},
  "state":{"$ref":"#/components/schemas/State"},
  "queued":{"$ref":"#/components/schemas/Time"},"started":{"$ref":"#/components/schemas/Time"},
  "ended":{"$ref":"#/components/schemas/Time"},"attempt":{"type":"integer","minimum":1},
  "status":{"type":["integer","null"]},"exit_code":{"type":["integer","null"]},
  "usage":{"$ref":"#/components/schemas/Usage"},
  "input_bytes":{"$ref":"#/components/schemas/Count"},"output_bytes":{"$ref":"#/components/schemas/Count"},
  "log_bytes":{"$ref":"#/components/schemas/Count"},"log_dropped_bytes":{"$ref":"#/components/schemas/Count"},
  "trace":{"type":["string","null"],"description":"The traceparent it came with."},
  "error":{"anyOf":[{"$ref":"#/components/schemas/Error"},{"type":"null"}]}}},
"Calls":{"type":"object","required":["calls","next"],"properties":{
  "calls":{"type":"array","items":{"$ref":"#/components/schemas/Call"},
    "description":"The newest first, by the time at which they came in."},
  "next":{"$ref":"#/components/schemas/Next"}}},
"Batch":{"type":"object","required":["calls"],"additionalProperties":false,"properties":{
  "calls":{"type":"array","maxItems":1000,"items":{"type":"object","additionalProperties":false,"properties":{
    "json":{"description":"Any value: its text is the input."},
    "input":{"type":"string","description":"The input, where there is no json."},
    "content_type":{"type":"string","minLength":1,"maxLength":200},
    "timeout":{"$ref":"#/components/schemas/Duration"},
    "retry":{"type":"integer","minimum":0,"maximum":100},
    "idempotency_key":{"type":"string","minLength":1,"maxLength":255}}}}}},
"BatchAnswer":{"type":"object","required":["calls","accepted"],"properties":{
  "accepted":{"$ref":"#/components/schemas/Count"},
  "calls":{"type":"array","description":"In the order of the request.","items":{"anyOf":[
    {"type":"object","required":["id","existed"],"properties":{
      "id":{"$ref":"#/components/schemas/CallId"},"existed":{"type":"boolean"}}},
    {"$ref":"#/components/schemas/ErrorBody"}]}}}},
"Logs":{"type":"object","required":["function","logs","more"],"properties":{
  "function":{"type":"string"},
  "more":{"type":"boolean","description":"Older ones were left out, so that the answer does not grow without end."},
  "logs":{"type":"array","description":"Oldest first.","items":{"type":"object",
    "required":["call","version","queued","state","text","dropped_bytes"],"properties":{
    "call":{"$ref":"#/components/schemas/CallId"},"version":{"type":"integer","minimum":1},
    "queued":{"$ref":"#/components/schemas/Time"},"state":{"$ref":"#/components/schemas/State"},
    "text":{"type":"string"},"dropped_bytes":{"$ref":"#/components/schemas/Count"}}}}}},
"Size":{"type":"string","pattern":"^[1-9][0-9]{0,2}(KiB|MiB)$","examples":["64MiB"]},
"Timeout":{"type":"string","pattern":"^[1-9][0-9]{0,2}(ms|s)$","examples":["10s"]}
})json";

}  // namespace canopy::api
