#include "wire/node_frames.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"
#include "frames.pb.h"
#include "model/node.h"
#include "wire/frame.h"
#include "wire/frame_message.h"

namespace canopy::wire {
namespace {

constexpr int size_max = std::numeric_limits<int>::max();

// A span that came from elsewhere, as one that can be added to a time, and to others of its kind.
Duration span_of(std::int64_t count) {
  constexpr Duration longest = std::chrono::hours(24 * 366);
  return std::clamp(Duration(count), Duration::zero(), longest);
}

// One message of each kind is kept for each thread: what it allocated serves the next one.
template <class Message>
Message& cleared() {
  thread_local Message message;
  message.Clear();
  return message;
}

template <class Message>
Result<Message*> parse(std::string_view body, std::string_view what) {
  Message& message = cleared<Message>();
  if (body.size() > static_cast<std::size_t>(size_max) ||
      !message.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return no_message(what);
  }
  return &message;
}

void put_header(std::string_view name, std::string_view value, frames::Header& header) {
  header.set_name(name.data(), name.size());
  header.set_value(value.data(), value.size());
}

template <class Headers>
std::vector<Header> take_headers(Headers& from) {
  std::vector<Header> headers;
  headers.reserve(static_cast<std::size_t>(from.size()));
  for (frames::Header& header : from) {
    headers.push_back({std::move(*header.mutable_name()), std::move(*header.mutable_value())});
  }
  return headers;
}

// Relative, in normal form: it leads nowhere but below its folder.
bool is_file_path(std::string_view path) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, slash - at);
    if (part.empty() || part == "." || part == ".." || std::ranges::any_of(part, is_control)) return false;
    at = slash + 1;
  }
  return true;
}

// Whoever called would take an answer such as 401 for the server's own.
Result<Error> take_error(frames::Error& from) {
  if (from.code() > static_cast<std::uint32_t>(Code::deadline) ||
      from.stage() > static_cast<std::uint32_t>(Stage::reply)) {
    return fail(Code::invalid, "a frame's body has an error that there is not");
  }
  const auto code = static_cast<Code>(from.code());
  if (!is_of_a_run(code)) {
    return fail(Code::invalid,
                "a frame's body has an error that no run ends with: '" + std::string(name(code)) + '\'');
  }
  return Error{code, std::move(*from.mutable_message()), static_cast<Stage>(from.stage())};
}

}  // namespace

bool is_of_a_run(Code code) {
  switch (code) {
    case Code::invalid:  // The input is none that the function takes.
    case Code::refused:
    case Code::function_failed:
    case Code::exhausted:
    case Code::canceled:
    case Code::internal:
    case Code::died:
    case Code::limit:
    case Code::unavailable:
    case Code::deadline:
      return true;
    case Code::unauthorized:
    case Code::forbidden:
    case Code::not_found:
    case Code::slow_client:
    case Code::conflict:
    case Code::too_large:
      return false;
  }
  return false;
}

void write_setup(const WorkerSetup& setup, std::string& out) {
  auto& message = cleared<frames::Setup>();
  message.set_version(frame_version);
  message.set_worker(setup.worker);
  message.set_data(setup.data);
  message.set_instances(setup.instances_max);
  message.set_slots(setup.slots);
  message.set_slice_ns(setup.slice.count());
  message.set_templates_bytes(setup.templates_bytes_max);
  message.set_fetch_private(setup.fetch_private);
  message.set_log_level(setup.log_level);
  put_message(message, out);
}

Result<WorkerSetup> read_setup(std::string_view body) {
  CANOPY_TRY(auto* const message, parse<frames::Setup>(body, "setup"));
  if (message->version() != frame_version) {
    return fail(Code::invalid, "a setup of the version " + std::to_string(message->version()) +
                                   ", and this program speaks " + std::to_string(frame_version) +
                                   "; start the same program on both sides");
  }
  WorkerSetup setup;
  setup.worker = message->worker();
  setup.data = std::move(*message->mutable_data());
  setup.instances_max = std::max<std::uint64_t>(message->instances(), 1);
  setup.slots = std::max<std::uint32_t>(message->slots(), 1);
  setup.slice = Duration(message->slice_ns());
  setup.templates_bytes_max = message->templates_bytes();
  setup.fetch_private = message->fetch_private();
  setup.log_level = std::move(*message->mutable_log_level());
  return setup;
}

void write_hello(const Hello& hello, std::string& out) {
  auto& message = cleared<frames::Hello>();
  message.set_version(hello.version);
  message.set_credit(hello.credit);
  message.set_process(hello.process);
  put_message(message, out);
}

Result<Hello> read_hello(std::string_view body) {
  CANOPY_TRY(const auto* const message, parse<frames::Hello>(body, "hello"));
  return Hello{.version = message->version(), .credit = message->credit(), .process = message->process()};
}

void write_function(const Function& function, std::string& out) {
  auto& message = cleared<frames::Function>();
  message.set_space(function.name.space);
  message.set_name(function.name.name);
  message.set_version(function.version);
  message.set_digest(function.digest);
  message.set_code_bytes(function.code_bytes);
  message.set_runtime(function.runtime);
  message.set_created_ns(function.created.time_since_epoch().count());
  for (const auto& [name, value] : function.env) (*message.mutable_env())[name] = value;
  for (const FunctionFile& file : function.files) {
    frames::File& added = *message.add_files();
    added.set_path(file.path);
    added.set_digest(file.digest);
    added.set_size_bytes(file.size_bytes);
  }
  const Limits& limits = function.limits;
  message.set_memory_bytes(limits.memory_bytes);
  message.set_timeout_ns(limits.timeout.count());
  message.set_concurrency(limits.concurrency);
  message.set_output_bytes(limits.output_bytes);
  message.set_log_bytes(limits.log_bytes);
  message.set_tmp_bytes(limits.tmp_bytes);
  message.set_open_files(limits.open_files);
  message.set_table_elements(limits.table_elements);
  put_message(message, out);
}

Result<Function> read_function(std::string_view body) {
  CANOPY_TRY(auto* const message, parse<frames::Function>(body, "function"));
  Function function;
  function.name = {std::move(*message->mutable_space()), std::move(*message->mutable_name())};
  if (!is_name_part(function.name.space) || !is_name_part(function.name.name)) return no_message("function");
  function.version = message->version();
  function.digest = std::move(*message->mutable_digest());
  function.code_bytes = message->code_bytes();
  function.runtime = std::move(*message->mutable_runtime());
  function.created = WallTime(Duration(message->created_ns()));
  for (auto& [name, value] : *message->mutable_env()) function.env.emplace(name, std::move(value));
  for (frames::File& file : *message->mutable_files()) {
    // They are written to the disk.
    if (!is_file_path(file.path())) {
      return fail(Code::invalid, "a frame's body has a function with a file that is none: '" +
                                     log_safe(file.path(), 80) + "'");
    }
    function.files.push_back(
        {std::move(*file.mutable_path()), std::move(*file.mutable_digest()), file.size_bytes()});
  }
  Limits& limits = function.limits;
  limits.memory_bytes = message->memory_bytes();
  limits.timeout = Duration(message->timeout_ns());
  limits.concurrency = message->concurrency();
  limits.output_bytes = message->output_bytes();
  limits.log_bytes = message->log_bytes();
  limits.tmp_bytes = message->tmp_bytes();
  limits.open_files = message->open_files();
  limits.table_elements = message->table_elements();
  return function;
}

void write_open(const Call& call, std::uint32_t function, Time now, std::string& out) {
  auto& message = cleared<frames::Open>();
  message.set_id_high(call.id.high);
  message.set_id_low(call.id.low);
  message.set_function(function);
  message.set_attempt(call.attempt);
  message.set_waited_ns((now - call.queued).count());
  // 0 would be no deadline; one that has passed is past for the other side too.
  if (call.deadline != never) message.set_left_ns(std::max<Duration::rep>((call.deadline - now).count(), 1));
  if (call.deadline < call.deadline_latest) message.set_latest_ns((call.deadline_latest - now).count());
  message.set_method(call.method.data(), call.method.size());
  message.set_path(call.path.data(), call.path.size());
  message.set_query(call.query.data(), call.query.size());
  for (const auto& [name, value] : call.headers) put_header(name, value, *message.add_headers());
  const std::string_view piece = call.input.substr(0, piece_bytes_max);
  message.set_input(piece.data(), piece.size());
  message.set_input_bytes(call.input.size());
  put_message(message, out);
}

Result<OpenedCall> read_open(std::string_view body) {
  CANOPY_TRY(auto* const message, parse<frames::Open>(body, "call"));
  OpenedCall call;
  call.id = {message->id_high(), message->id_low()};
  call.function = message->function();
  call.attempt = message->attempt();
  call.waited = span_of(message->waited_ns());
  if (message->left_ns() != 0) call.left = span_of(message->left_ns());
  call.latest = span_of(message->latest_ns());
  call.method = std::move(*message->mutable_method());
  call.path = std::move(*message->mutable_path());
  call.query = std::move(*message->mutable_query());
  call.headers = take_headers(*message->mutable_headers());
  call.input = std::move(*message->mutable_input());
  call.input_bytes = message->input_bytes();
  if (call.input.size() > call.input_bytes) {
    return fail(Code::invalid, "a frame's body has more of a call's input than there is");
  }
  return call;
}

void write_end(const Reply& reply, std::string_view piece, std::uint64_t log_dropped_bytes,
               std::string& out) {
  auto& message = cleared<frames::End>();
  message.set_status(reply.status);
  message.set_exit_code(reply.exit_code);
  for (const auto& [name, value] : reply.headers) put_header(name, value, *message.add_headers());
  message.set_output(piece.data(), piece.size());
  // Of the way below it, who reads this has its own measure: all that it is not told of.
  const Usage& usage = reply.usage;
  message.set_queue_ns((usage.wait_time - usage.hop_time.value_or(Duration::zero())).count());
  message.set_start_ns(usage.start_time.count());
  message.set_run_ns(usage.run_time.count());
  message.set_cpu_ns(usage.cpu_time.count());
  message.set_memory_bytes(usage.memory_bytes);
  message.set_cold(usage.cold);
  if (reply.error) {
    message.mutable_error()->set_code(static_cast<std::uint32_t>(reply.error->code));
    message.mutable_error()->set_message(reply.error->message);
    message.mutable_error()->set_stage(static_cast<std::uint32_t>(reply.error->stage));
  }
  message.set_log_dropped_bytes(log_dropped_bytes);
  if (!reply.node.empty()) message.set_node(reply.node);
  put_message(message, out);
}

Result<std::uint64_t> read_end(std::string_view body, Reply& reply) {
  CANOPY_TRY(auto* const message, parse<frames::End>(body, "reply"));
  if (std::min({message->queue_ns(), message->start_ns(), message->run_ns(), message->cpu_ns()}) < 0) {
    return fail(Code::invalid, "a frame's body has a reply that took less than no time");
  }
  reply.status = message->status();
  reply.exit_code = message->exit_code();
  reply.headers = take_headers(*message->mutable_headers());
  if (reply.output.empty()) {
    reply.output = std::move(*message->mutable_output());
  } else {
    reply.output += message->output();
  }
  reply.usage = {.wait_time = Duration(message->queue_ns()),
                 .start_time = Duration(std::min(message->start_ns(), message->queue_ns())),
                 .run_time = Duration(message->run_ns()),
                 .cpu_time = Duration(message->cpu_ns()),
                 .memory_bytes = message->memory_bytes(),
                 .cold = message->cold()};
  // It is for those who look, so what is none is no reason to doubt the rest.
  if (is_node_path(message->node())) reply.node = std::move(*message->mutable_node());
  if (message->has_error()) {
    CANOPY_TRY(reply.error, take_error(*message->mutable_error()));
  }
  return message->log_dropped_bytes();
}

void write_load(const WorkerLoad& load, std::string& out) {
  auto& message = cleared<frames::Load>();
  message.set_running(load.running_count);
  message.set_resident_bytes(load.resident_bytes);
  message.set_templates_bytes(load.templates_bytes);
  message.set_cpu_ns(load.cpu_time.count());
  put_message(message, out);
}

Result<WorkerLoad> read_load(std::string_view body) {
  CANOPY_TRY(const auto* const message, parse<frames::Load>(body, "load"));
  return WorkerLoad{.running_count = message->running(),
                    .resident_bytes = message->resident_bytes(),
                    .templates_bytes = message->templates_bytes(),
                    .cpu_time = span_of(message->cpu_ns())};
}

}  // namespace canopy::wire
