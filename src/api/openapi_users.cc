// The paths of users, keys, quotas, usage, secrets and the audit log; and what their JSON looks like.

#include "api/openapi.h"

namespace canopy::api {

const std::string_view openapi_user_paths = R"json("/v1/users":{
"get":{"tags":["access"],"operationId":"listUsers","summary":"All users",
  "responses":{"200":{"description":"The users, by name.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Users"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}},
"post":{"tags":["access"],"operationId":"addUser","summary":"Make a user",
  "description":"With a first key, which is shown in this answer and never again, unless \"key\" is false. Without \"namespaces\" it gets the one of its own name. The first user of a server is an administrator; from then on keys are demanded.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/NewUser"}}}},
  "responses":{"201":{"description":"The user, and its key.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/MadeUser"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"409":{"$ref":"#/components/responses/Conflict"},
    "429":{"$ref":"#/components/responses/Exhausted"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/users/{name}":{"parameters":[{"$ref":"#/components/parameters/Name"}],
"get":{"tags":["access"],"operationId":"getUser","summary":"A user",
  "responses":{"200":{"$ref":"#/components/responses/User"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}},
"patch":{"tags":["access"],"operationId":"changeUser","summary":"Change a user",
  "description":"What is not named stays. Of itself a user changes the password only.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/UserChange"}}}},
  "responses":{"200":{"$ref":"#/components/responses/User"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "409":{"$ref":"#/components/responses/Conflict"},"default":{"$ref":"#/components/responses/Error"}}},
"delete":{"tags":["access"],"operationId":"removeUser","summary":"Remove a user, with all keys and secrets",
  "responses":{"200":{"description":"It is gone.","content":{"application/json":{"schema":{
      "type":"object","required":["removed"],"properties":{"removed":{"type":"string"}}}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "409":{"$ref":"#/components/responses/Conflict"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/keys":{
"get":{"tags":["access"],"operationId":"listKeys","summary":"One's keys; an administrator's: all",
  "parameters":[{"name":"user","in":"query","schema":{"$ref":"#/components/schemas/NamePart"}}],
  "responses":{"200":{"description":"The keys, without what makes them keys.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Keys"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}},
"post":{"tags":["access"],"operationId":"addKey","summary":"Make a key",
  "description":"The key is shown in this answer and never again. It may no more than the key it is made with.",
  "requestBody":{"required":false,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/NewKey"}}}},
  "responses":{"201":{"$ref":"#/components/responses/MadeKey"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "429":{"$ref":"#/components/responses/Exhausted"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/keys/{id}":{"parameters":[{"name":"id","in":"path","required":true,"schema":{"$ref":"#/components/schemas/KeyId"}}],
"delete":{"tags":["access"],"operationId":"revokeKey","summary":"Revoke a key",
  "responses":{"200":{"description":"It opens nothing any more.","content":{"application/json":{"schema":{
      "type":"object","required":["revoked"],"properties":{"revoked":{"$ref":"#/components/schemas/KeyId"}}}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/login":{"post":{"tags":["access"],"operationId":"logIn","summary":"A key for a name and a password","security":[],
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Login"}}}},
  "responses":{"201":{"$ref":"#/components/responses/MadeKey"},
    "400":{"$ref":"#/components/responses/Invalid"},
    "401":{"description":"The name or the password is wrong.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
    "429":{"$ref":"#/components/responses/Exhausted"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/quotas":{"get":{"tags":["access"],"operationId":"ownQuotas","summary":"One's quotas, and what is used of them",
  "responses":{"200":{"$ref":"#/components/responses/Quotas"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/quotas/{user}":{"parameters":[{"name":"user","in":"path","required":true,"schema":{"$ref":"#/components/schemas/NamePart"}}],
"get":{"tags":["access"],"operationId":"getQuotas","summary":"A user's quotas",
  "responses":{"200":{"$ref":"#/components/responses/Quotas"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}},
"put":{"tags":["access"],"operationId":"setQuotas","summary":"Change a user's quotas","description":"What is not named stays.",
  "requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/QuotaChange"}}}},
  "responses":{"200":{"$ref":"#/components/responses/Quotas"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/usage":{"get":{"tags":["access"],"operationId":"getUsage","summary":"What functions used, up to this moment",
  "parameters":[{"name":"user","in":"query","schema":{"$ref":"#/components/schemas/NamePart"}},
    {"name":"namespace","in":"query","schema":{"$ref":"#/components/schemas/NamePart"}},
    {"name":"function","in":"query","schema":{"$ref":"#/components/schemas/FunctionName"}},
    {"$ref":"#/components/parameters/Since"},
    {"name":"by","in":"query","description":"A row for each day.","schema":{"type":"string","enum":["day"]}}],
  "responses":{"200":{"description":"A row for each user and function.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/UsageRows"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/secrets":{"get":{"tags":["access"],"operationId":"listSecrets","summary":"The names of secrets",
  "responses":{"200":{"$ref":"#/components/responses/Secrets"},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/secrets/{namespace}":{"parameters":[{"$ref":"#/components/parameters/Namespace"}],
"get":{"tags":["access"],"operationId":"listSecretsOf","summary":"The names of a namespace's secrets",
  "responses":{"200":{"$ref":"#/components/responses/Secrets"},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}},

"/v1/secrets/{namespace}/{name}":{"parameters":[{"$ref":"#/components/parameters/Namespace"},
  {"name":"name","in":"path","required":true,"schema":{"type":"string","pattern":"^[A-Za-z_][A-Za-z0-9_]{0,254}$"}},
  {"name":"function","in":"query","description":"For this function of the namespace alone.",
    "schema":{"$ref":"#/components/schemas/NamePart"}}],
"put":{"tags":["access"],"operationId":"setSecret","summary":"Set a secret",
  "description":"The body is the value. The namespace's functions, or the one that is named, have it as a variable from their next call on. It is never shown again.",
  "requestBody":{"required":true,"content":{"text/plain":{"schema":{"type":"string","maxLength":65536}}}},
  "responses":{"200":{"$ref":"#/components/responses/Secret"},"201":{"$ref":"#/components/responses/Secret"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "413":{"$ref":"#/components/responses/TooLarge"},"429":{"$ref":"#/components/responses/Exhausted"},
    "default":{"$ref":"#/components/responses/Error"}}},
"delete":{"tags":["access"],"operationId":"removeSecret","summary":"Remove a secret",
  "responses":{"200":{"$ref":"#/components/responses/Secret"},
    "400":{"$ref":"#/components/responses/Invalid"},"404":{"$ref":"#/components/responses/NotFound"},
    "default":{"$ref":"#/components/responses/Error"}}}},

"/v1/audit":{"get":{"tags":["access"],"operationId":"getAudit","summary":"Who changed what, newest first",
  "parameters":[{"$ref":"#/components/parameters/Limit"},
    {"name":"after","in":"query","description":"Continue behind this line.","schema":{"type":"integer","minimum":1}}],
  "responses":{"200":{"description":"The lines.",
      "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Audit"}}}},
    "400":{"$ref":"#/components/responses/Invalid"},"default":{"$ref":"#/components/responses/Error"}}}})json";

const std::string_view openapi_user_responses = R"json(,
"Conflict":{"description":"It would contradict what there is.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"Exhausted":{"description":"A quota or a bound is used up, which the message names.",
  "headers":{"Retry-After":{"$ref":"#/components/headers/RetryAfter"}},
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/ErrorBody"}}}},
"User":{"description":"The user.","content":{"application/json":{"schema":{"$ref":"#/components/schemas/User"}}}},
"MadeKey":{"description":"The key; \"key\" is never shown again.",
  "content":{"application/json":{"schema":{"$ref":"#/components/schemas/MadeKey"}}}},
"Quotas":{"description":"The quotas.","content":{"application/json":{"schema":{"$ref":"#/components/schemas/QuotasOf"}}}},
"Secret":{"description":"The secret's name.","content":{"application/json":{"schema":{"$ref":"#/components/schemas/SecretName"}}}},
"Secrets":{"description":"The secrets, without their values.",
  "content":{"application/json":{"schema":{"type":"object","required":["secrets"],"properties":{
    "secrets":{"type":"array","items":{"$ref":"#/components/schemas/Secret"}}}}}}}
)json";

const std::string_view openapi_user_schemas = R"json(,
"Role":{"type":"string","enum":["caller","developer","admin"]},
"Bound":{"type":["integer","null"],"minimum":0,"maximum":9007199254740991,"description":"null: without bound."},
"QuotaChange":{"type":"object","additionalProperties":false,"properties":{
  "functions":{"$ref":"#/components/schemas/Bound"},"code_bytes":{"$ref":"#/components/schemas/Bound"},
  "concurrency":{"$ref":"#/components/schemas/Bound"},"queued_calls":{"$ref":"#/components/schemas/Bound"},
  "calls_per_minute":{"$ref":"#/components/schemas/Bound"},
  "log_bytes_per_minute":{"$ref":"#/components/schemas/Bound"},
  "result_bytes_per_minute":{"$ref":"#/components/schemas/Bound"}}},
"QuotasOf":{"type":"object","required":["user","quotas","used"],"properties":{"user":{"type":"string"},
  "quotas":{"$ref":"#/components/schemas/QuotaChange"},
  "used":{"type":"object","required":["functions","code_bytes","concurrency"],
    "additionalProperties":{"$ref":"#/components/schemas/Count"}}}},
"User":{"type":"object","required":["name","role","disabled","namespaces","quotas","has_password","created"],"properties":{
  "name":{"type":"string"},"role":{"$ref":"#/components/schemas/Role"},"disabled":{"type":"boolean"},
  "namespaces":{"type":"array","items":{"type":"string"}},"quotas":{"$ref":"#/components/schemas/QuotaChange"},
  "has_password":{"type":"boolean"},"created":{"$ref":"#/components/schemas/Time"}}},
"Users":{"type":"object","required":["users"],"properties":{
  "users":{"type":"array","items":{"$ref":"#/components/schemas/User"}}}},
"NewUser":{"type":"object","required":["name"],"additionalProperties":false,"properties":{
  "name":{"$ref":"#/components/schemas/NamePart"},"role":{"$ref":"#/components/schemas/Role"},
  "namespaces":{"type":"array","items":{"$ref":"#/components/schemas/NamePart"}},
  "password":{"type":"string","minLength":8,"maxLength":200},
  "quotas":{"$ref":"#/components/schemas/QuotaChange"},"key":{"type":"boolean"}}},
"UserChange":{"type":"object","additionalProperties":false,"properties":{
  "role":{"$ref":"#/components/schemas/Role"},"disabled":{"type":"boolean"},
  "namespaces":{"type":"array","items":{"$ref":"#/components/schemas/NamePart"}},
  "quotas":{"$ref":"#/components/schemas/QuotaChange"},
  "password":{"type":["string","null"],"minLength":8,"maxLength":200}}},
"MadeUser":{"type":"object","required":["user","key"],"properties":{"user":{"$ref":"#/components/schemas/User"},
  "key":{"anyOf":[{"$ref":"#/components/schemas/MadeKey"},{"type":"null"}]}}},
"KeyId":{"type":"string","pattern":"^[0-9a-f]{16}$"},
"Key":{"type":"object","required":["id","user","label","role","namespaces","created","expires"],"properties":{
  "id":{"$ref":"#/components/schemas/KeyId"},"user":{"type":"string"},"label":{"type":"string"},
  "role":{"$ref":"#/components/schemas/Role"},
  "namespaces":{"type":["array","null"],"items":{"type":"string"},"description":"null: all of the user's."},
  "created":{"$ref":"#/components/schemas/Time"},
  "expires":{"$ref":"#/components/schemas/Time"}}},
"Keys":{"type":"object","required":["keys"],"properties":{
  "keys":{"type":"array","items":{"$ref":"#/components/schemas/Key"}}}},
"MadeKey":{"allOf":[{"$ref":"#/components/schemas/Key"},
  {"type":"object","required":["key"],"properties":{"key":{"type":"string","pattern":"^cnp_[0-9a-f]{16}_[0-9a-f]{64}$"}}}]},
"NewKey":{"type":"object","additionalProperties":false,"properties":{
  "label":{"type":"string","maxLength":50},"role":{"$ref":"#/components/schemas/Role"},
  "namespaces":{"type":"array","items":{"$ref":"#/components/schemas/NamePart"}},
  "expires":{"type":"string","pattern":"^[1-9][0-9]{0,2}(m|h|d)$","examples":["30d"]},
  "user":{"$ref":"#/components/schemas/NamePart"}}},
"Login":{"type":"object","required":["user","password"],"additionalProperties":false,"properties":{
  "user":{"$ref":"#/components/schemas/NamePart"},"password":{"type":"string","maxLength":200},
  "expires":{"type":"string","pattern":"^[1-9]h$","examples":["8h"]}}},
"UsageRows":{"type":"object","required":["usage"],"properties":{"usage":{"type":"array","items":{"type":"object",
  "required":["user","function","calls","errors","run_ms","cpu_ms","memory_mib_seconds","input_bytes","output_bytes",
    "log_bytes"],"properties":{
  "day":{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},"user":{"type":["string","null"]},
  "function":{"type":"string"},"calls":{"$ref":"#/components/schemas/Count"},
  "errors":{"$ref":"#/components/schemas/Count"},"run_ms":{"type":"number","minimum":0},
  "cpu_ms":{"type":"number","minimum":0},"memory_mib_seconds":{"type":"number","minimum":0},
  "input_bytes":{"$ref":"#/components/schemas/Count"},"output_bytes":{"$ref":"#/components/schemas/Count"},
  "log_bytes":{"$ref":"#/components/schemas/Count"}}}}}},
"SecretName":{"type":"object","required":["namespace","function","name"],"properties":{
  "namespace":{"type":"string"},"function":{"type":["string","null"],"description":"null: all of the namespace."},
  "name":{"type":"string"}}},
"Secret":{"allOf":[{"$ref":"#/components/schemas/SecretName"},{"type":"object","required":["size_bytes","changed"],
  "properties":{"size_bytes":{"$ref":"#/components/schemas/Count"},"changed":{"$ref":"#/components/schemas/Time"}}}]},
"Audit":{"type":"object","required":["audit","next"],"properties":{
  "audit":{"type":"array","items":{"type":"object","required":["id","at","user","key","action","target","detail"],
    "properties":{"id":{"type":"integer","minimum":1},"at":{"$ref":"#/components/schemas/Time"},
      "user":{"type":"string"},"key":{"type":"string"},"action":{"type":"string"},"target":{"type":"string"},
      "detail":{"type":"string"}}}},
  "next":{"type":["integer","null"],"description":"What to give as `after` for the lines before."}}}
)json";

}  // namespace canopy::api
