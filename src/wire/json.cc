#include "wire/json.h"

#include <algorithm>

namespace canopy::wire {
namespace {

void write(JsonWriter& json, const Limits& limits) {
  json.begin_object();
  json.member("memory_bytes", limits.memory_bytes);
  json.member("timeout_seconds", limits.timeout);
  json.member("concurrency", limits.concurrency);
  json.member("output_bytes", limits.output_bytes);
  json.member("log_bytes", limits.log_bytes);
  json.member("tmp_bytes", limits.tmp_bytes);
  json.member("open_files", limits.open_files);
  json.member("table_elements", limits.table_elements);
  json.end_object();
}

bool has_ended(State state) { return state != State::queued && state != State::running; }

template <class Value>
void write_known(JsonWriter& json, std::string_view key, const Value& value, bool known) {
  json.key(key);
  known ? json.value(value) : json.null();
}

// Of a call that has not ended, and of a cancelled one that nobody measured, what is zero is not known.
void write_usage(JsonWriter& json, const Record& record) {
  const bool ended = has_ended(record.state);
  const bool measured = ended && record.state != State::canceled;
  Usage usage = record.usage;
  if (usage.wait_time == Duration::zero() && record.started != WallTime() && !ended) {
    usage.wait_time = std::max<Duration>(record.started - record.queued, Duration::zero());
  }
  const Duration none{};
  const Duration queue = usage.queue_time();
  json.begin_object();
  write_known(json, "queue_seconds", queue, ended || queue != none);
  write_known(json, "hop_seconds", usage.hop_time.value_or(none), usage.hop_time.has_value());
  write_known(json, "start_seconds", usage.start_time, measured || usage.start_time != none);
  write_known(json, "run_seconds", usage.run_time, ended || usage.run_time != none);
  write_known(json, "cpu_seconds", usage.cpu_time, measured || usage.cpu_time != none);
  write_known(json, "memory_bytes", usage.memory_bytes, measured || usage.memory_bytes != 0);
  write_known(json, "cold", usage.cold, measured || usage.cold);
  json.end_object();
}

}  // namespace

void write(JsonWriter& json, const Function& function) {
  json.begin_object();
  json.member("function", to_text(function.name));
  json.member("namespace", function.name.space);
  json.member("name", function.name.name);
  json.member("version", function.version);
  json.member("digest", function.digest);
  json.member("code_bytes", function.code_bytes);
  json.member("runtime", function.runtime);
  json.key("limits");
  write(json, function.limits);
  json.key("env");
  json.begin_object();
  for (const auto& [name, value] : function.env) json.member(name, value);
  json.end_object();
  json.key("files");
  json.begin_array();
  for (const FunctionFile& file : function.files) {
    json.begin_object();
    json.member("path", file.path);
    json.member("digest", file.digest);
    json.member("size_bytes", file.size_bytes);
    json.end_object();
  }
  json.end_array();
  json.member("created", function.created);
  json.end_object();
}

namespace {

void write_members(JsonWriter& json, const Record& record, std::uint64_t log_bytes) {
  const bool ended = has_ended(record.state);
  json.member("id", to_text(record.id));
  json.member("function", to_text(record.function));
  write_known(json, "version", record.version, record.version != 0);
  json.member("state", name(record.state));
  json.member("queued", record.queued);
  json.member("started", record.started);
  json.member("ended", record.ended);
  json.member("attempt", record.attempt);
  json.key("status");
  ended&& record.status != 0 ? json.value(record.status) : json.null();
  json.key("exit_code");
  ended ? json.value(record.exit_code) : json.null();
  json.key("usage");
  write_usage(json, record);
  json.member("input_bytes", record.input_bytes);
  json.member("output_bytes", record.output_bytes);
  json.member("log_bytes", log_bytes);
  json.member("log_dropped_bytes", record.log_dropped_bytes);
  json.key("trace");
  record.trace.empty() ? json.null() : json.value(record.trace);
  json.key("error");
  if (record.error) {
    write(json, *record.error, record.id);
  } else {
    json.null();
  }
}

void write_text_or_null(JsonWriter& json, std::string_view key, const std::string& text) {
  json.key(key);
  text.empty() ? json.null() : json.value(text);
}

void write(JsonWriter& json, const Attempt& attempt) {
  json.begin_object();
  json.member("attempt", attempt.number);
  json.member("started", attempt.started);
  json.member("ended", attempt.ended);
  json.key("error");
  if (attempt.error) {
    canopy::wire::write(json, *attempt.error);
  } else {
    json.null();
  }
  json.end_object();
}

void write_callback(JsonWriter& json, const DurableRecord& record) {
  const CallbackState& callback = record.callback;
  json.key("callback");
  if (record.callback_url.empty()) return json.null();
  json.begin_object();
  json.member("url", record.callback_url);
  // Before the call has ended there is nothing to be sent yet.
  json.member("state", name(callback.kind == CallbackState::Kind::none ? CallbackState::Kind::waiting
                                                                       : callback.kind));
  json.member("attempts", callback.attempts);
  json.member("due", callback.due);
  json.key("status");
  callback.status == 0 ? json.null() : json.value(callback.status);
  write_text_or_null(json, "error", callback.error);
  json.end_object();
}

}  // namespace

void write(JsonWriter& json, const Record& record) {
  json.begin_object();
  write_members(json, record, record.log.size());
  json.end_object();
}

void write(JsonWriter& json, const DurableRecord& record) {
  json.begin_object();
  write_members(json, record.record, record.log_bytes);
  json.member("durable", true);
  json.member("retries_max", record.retries_max);
  json.key("attempts");
  json.begin_array();
  for (const Attempt& attempt : record.attempts) write(json, attempt);
  json.end_array();
  json.member("due", record.due);
  json.member("deadline", record.deadline);
  json.member("expires", record.expires);
  write_text_or_null(json, "idempotency_key", record.idempotency_key);
  write_callback(json, record);
  json.end_object();
}

void write(JsonWriter& json, const Error& error, std::optional<CallId> call, std::optional<Origin> who) {
  json.begin_object();
  json.member("code", name(error.code));
  json.member("message", error.message);
  json.member("origin", name(who.value_or(origin(error.code))));
  if (call) json.member("call", to_text(*call));
  if (error.stage != Stage::none) json.member("stage", name(error.stage));
  json.end_object();
}

std::string to_json(const Function& function) {
  JsonWriter json;
  write(json, function);
  return json.take_text();
}

std::string to_json(const Record& record) {
  JsonWriter json;
  write(json, record);
  return json.take_text();
}

std::string to_json(const DurableRecord& record) {
  JsonWriter json;
  write(json, record);
  return json.take_text();
}

std::string error_json(const Error& error, std::optional<CallId> call, std::optional<Origin> who) {
  JsonWriter json;
  json.begin_object();
  json.key("error");
  write(json, error, call, who);
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::wire
