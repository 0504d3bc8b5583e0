#pragma once
// The nouns as the API's JSON. The keys are a promise to scripts: durations are seconds and end in _seconds,
// sizes end in _bytes, times are RFC 3339 in UTC.

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/id.h"
#include "model/durable.h"
#include "model/function.h"
#include "model/record.h"
#include "wire/json_writer.h"

namespace canopy::wire {

// Each writes one object.
//
// {"function", "namespace", "name", "version", "digest", "code_bytes", "runtime", "limits": {"memory_bytes",
//  "timeout_seconds", "concurrency", "output_bytes", "log_bytes", "tmp_bytes", "open_files",
//  "table_elements"}, "env": {…}, "files": [{"path", "digest", "size_bytes"}], "created"}
void write(JsonWriter& json, const Function& function);

// {"id", "function", "version", "state", "queued", "started", "ended", "attempt", "status", "exit_code",
//  "usage": {"queue_seconds", "hop_seconds", "start_seconds", "run_seconds", "cpu_seconds", "memory_bytes",
//  "cold"}, "input_bytes", "output_bytes", "log_bytes", "log_dropped_bytes", "trace", "error"}
// What is not known yet is null: times, status and exit_code before the end, trace and error where there is
// none, hop_seconds where it ran in the server's own process. The log itself is not in it.
void write(JsonWriter& json, const Record& record);

// The same, and {"durable": true, "retries_max", "attempts": [{"attempt", "started", "ended", "error"}],
// "due", "deadline", "expires", "idempotency_key", "callback": {"url", "state", "attempts", "due", "status",
// "error"}}.
void write(JsonWriter& json, const DurableRecord& record);

// {"code", "message", "origin", "call", "stage"}; call and stage only where they are known. The origin is
// that of the code, where `who` does not know better.
void write(JsonWriter& json, const Error& error, std::optional<CallId> call = std::nullopt,
           std::optional<Origin> who = std::nullopt);

std::string to_json(const Function& function);
std::string to_json(const Record& record);
std::string to_json(const DurableRecord& record);

// {"error": {…}}: the body of every reply that is an error.
std::string error_json(const Error& error, std::optional<CallId> call = std::nullopt,
                       std::optional<Origin> who = std::nullopt);

// {"<key>": [ … ]} of objects that write() knows, or of pointers to them.
template <class Items>
std::string list_json(std::string_view key, const Items& items) {
  JsonWriter json;
  json.begin_object();
  json.key(key);
  json.begin_array();
  for (const auto& item : items) {
    if constexpr (requires { *item; }) {
      write(json, *item);
    } else {
      write(json, item);
    }
  }
  json.end_array();
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::wire
