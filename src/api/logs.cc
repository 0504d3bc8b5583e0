#include "api/logs.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "api/calls.h"
#include "api/event_stream.h"
#include "api/functions.h"
#include "api/parameters.h"
#include "base/utf8.h"
#include "wire/headers.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

constexpr std::uint64_t tail_lines_max = 1'000'000;
constexpr std::uint64_t log_bytes_max = 8 * MiB;  // Of all logs in one answer.
constexpr std::size_t page_size = 50;
constexpr Duration since_max = std::chrono::hours(24 * 366);

struct Asked {
  bool follow = false;
  std::optional<std::uint64_t> tail;
  std::optional<Duration> since;
};

Result<Asked> read_asked(const net::HttpRequest& request, std::initializer_list<std::string_view> known) {
  CANOPY_TRY(const auto parameters, Parameters::read(request.query, known));
  Asked asked;
  CANOPY_TRY(asked.follow, parameters.flag("follow"));
  CANOPY_TRY(asked.tail, parameters.count("tail", 0, tail_lines_max));
  CANOPY_TRY(asked.since, parameters.duration("since", since_max));
  if (wire::media_type(request.header("Accept")) == "text/event-stream") asked.follow = true;
  return asked;
}

std::string piece_json(CallId call, std::uint64_t offset, std::string_view text) {
  wire::JsonWriter json;
  json.begin_object();
  json.member("call", to_text(call));
  json.member("offset", offset);
  json.member("text", text);
  json.end_object();
  return json.take_text();
}

std::string dropped_line(std::uint64_t bytes) {
  return "[" + std::to_string(bytes) +
         " bytes more were not kept; raise the function's 'log' to keep them]\n";
}

// The part of a live stream that was sent before it became live, so that nothing is sent twice.
class Sent {
 public:
  void note(const Record& record) {
    if (record.log.empty() && !has_ended(record)) return;
    calls_.insert_or_assign(record.id, Known{record.log.size(), has_ended(record)});
  }

  // What of `piece` was not sent before, and where it begins.
  std::pair<std::uint64_t, std::string_view> fresh(const Happening& piece) const {
    const auto at = calls_.find(piece.call);
    const std::uint64_t sent = at == calls_.end() ? 0 : at->second.bytes;
    if (piece.log_offset >= sent) return {piece.log_offset, piece.text};
    const std::uint64_t skip = std::min<std::uint64_t>(sent - piece.log_offset, piece.text.size());
    return {piece.log_offset + skip, std::string_view(piece.text).substr(static_cast<std::size_t>(skip))};
  }

  // Whether that call's end is news; it will not be again.
  bool end(CallId call) {
    const auto at = calls_.find(call);
    if (at == calls_.end()) return true;
    const bool known = at->second.ended;
    calls_.erase(at);
    return !known;
  }

 private:
  struct Known {
    std::uint64_t bytes = 0;
    bool ended = false;
  };
  std::unordered_map<CallId, Known> calls_;
};

void append_record(const Record& record, std::string& out) {
  if (!record.log.empty()) append_event("log", piece_json(record.id, 0, record.log), out);
  if (has_ended(record)) append_event("end", wire::to_json(record), out);
}

bool show_happening(const Happening& happening, Sent& sent, std::string& out) {
  if (happening.kind == Happening::Kind::call_ended) {
    if (sent.end(happening.call)) append_event("end", happening.text, out);
    return true;
  }
  const auto [offset, text] = sent.fresh(happening);
  if (!text.empty()) append_event("log", piece_json(happening.call, offset, text), out);
  return true;
}

bool is_about_logs(const Happening& happening) {
  return happening.kind == Happening::Kind::log_piece || happening.kind == Happening::Kind::call_ended;
}

struct Logs {
  std::vector<Record> records;  // Newest first.
  bool more = false;            // Older ones were asked for too, and left out.
};

std::uint64_t log_bytes(const std::vector<Record>& records) {
  std::uint64_t bytes = 0;
  for (const Record& record : records) bytes += record.log.size();
  return bytes;
}

// The calls of a function that ran and run, as far as `asked`.
//   unavailable  as find_running()
net::Task<Result<Logs>> find_logs(const Here& here, FunctionName name, Asked asked) {
  auto running = co_await find_running(here, name, log_bytes_max / here.platform.cores.size());
  if (!running) co_return tl::unexpected(std::move(running).error());
  Logs logs{.records = *std::move(running)};
  std::vector<Record>& records = logs.records;
  store::RecordFilter filter;
  filter.function = std::move(name);
  filter.limit = page_size;
  filter.visible = [who = here.who](const Record& record) { return who->sees(record); };
  if (asked.since) filter.since = here.platform.clock.wall_now() - *asked.since;
  std::erase_if(records, [&filter](const Record& record) { return record.queued < filter.since; });
  const auto running_count = static_cast<std::ptrdiff_t>(records.size());
  std::uint64_t bytes = 0;
  for (auto page = here.platform.records.list(filter); !page.empty();
       page = here.platform.records.list(filter)) {
    logs.more = bytes >= log_bytes_max;
    if (logs.more) break;
    filter.after = page.back().id;
    for (Record& ended : page) {
      bytes += ended.log.size() + sizeof(Record);
      // Pages do not overlap: only one that was seen running can be there already.
      const auto running_end = records.begin() + running_count;
      const auto at = std::find_if(records.begin(), running_end,
                                   [&ended](const Record& record) { return record.id == ended.id; });
      if (at == running_end) {
        records.push_back(std::move(ended));
      } else {
        *at = std::move(ended);  // It has ended since it was seen running.
      }
    }
  }
  if (asked.tail) {
    const std::uint64_t found = log_bytes(records);
    keep_tail(records, *asked.tail);
    if (log_bytes(records) < found) logs.more = false;  // What is older was not asked for.
  }
  co_return logs;
}

std::string logs_json(const FunctionName& name, const Logs& logs) {
  wire::JsonWriter json;
  json.begin_object();
  json.member("function", to_text(name));
  json.key("logs");
  json.begin_array();
  for (auto at = logs.records.rbegin(); at != logs.records.rend(); ++at) {
    if (at->log.empty() && at->log_dropped_bytes == 0) continue;
    json.begin_object();
    json.member("call", to_text(at->id));
    json.member("version", at->version);
    json.member("queued", at->queued);
    json.member("state", canopy::name(at->state));
    json.member("text", at->log);
    json.member("dropped_bytes", at->log_dropped_bytes);
    json.end_object();
  }
  json.end_array();
  json.member("more", logs.more);
  json.end_object();
  return json.take_text();
}

net::Task<net::HttpResponse> follow_function(const Here& here, net::HttpExchange& exchange, FunctionName name,
                                             Asked asked) {
  const auto wanted = [name](const Happening& happening) {
    return is_about_logs(happening) && happening.function == name;
  };
  auto follower = make_follower(here, wanted);
  if (!follower) co_return too_many_followers();
  const auto logs = co_await find_logs(here, name, asked);
  if (!logs) co_return error_response(logs.error());
  const std::vector<Record>& records = logs->records;
  EventStream stream(here, exchange, std::move(follower));
  const bool started = co_await stream.start();
  if (!started) co_return net::HttpResponse();
  Sent sent;
  std::string backlog;
  for (auto at = records.rbegin(); at != records.rend(); ++at) {
    sent.note(*at);
    if (!asked.tail || *asked.tail > 0) append_record(*at, backlog);
  }
  const bool there = co_await stream.send(std::move(backlog));
  if (!there) co_return net::HttpResponse();
  const EventStream::Show show = [&sent](const Happening& happening, std::string& out) {
    return show_happening(happening, sent, out);
  };
  co_await stream.follow(show);
  co_return net::HttpResponse();
}

net::Task<net::HttpResponse> follow_call(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto wanted = [id](const Happening& happening) {
    return is_about_logs(happening) && happening.call == id;
  };
  auto follower = make_follower(here, wanted);
  if (!follower) co_return too_many_followers();
  const auto record = co_await find_call(here, id);
  if (!record) co_return error_response(record.error());
  EventStream stream(here, exchange, std::move(follower));
  const bool started = co_await stream.start();
  if (!started) co_return net::HttpResponse();
  Sent sent;
  sent.note(*record);
  std::string backlog;
  append_record(*record, backlog);
  const bool there = co_await stream.send(std::move(backlog));
  if (!there || has_ended(*record)) co_return net::HttpResponse();
  const EventStream::Show show = [&sent](const Happening& happening, std::string& out) {
    show_happening(happening, sent, out);
    return happening.kind != Happening::Kind::call_ended;
  };
  co_await stream.follow(show);
  co_return net::HttpResponse();
}

net::HttpResponse log_response(const Record& record, std::optional<std::uint64_t> tail) {
  std::vector<Record> one = {record};
  if (tail) keep_tail(one, *tail);
  net::HttpResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.body = one.empty() ? "" : repaired_utf8(one.front().log);
  if (record.log_dropped_bytes > 0) {
    if (!response.body.empty() && response.body.back() != '\n') response.body += '\n';
    response.body += dropped_line(record.log_dropped_bytes);
  }
  response.headers.push_back({"X-Call-Id", to_text(record.id)});
  response.headers.push_back({"X-Log-Dropped-Bytes", std::to_string(record.log_dropped_bytes)});
  return response;
}

}  // namespace

void keep_tail(std::vector<Record>& records, std::uint64_t lines) {
  std::erase_if(records, [](const Record& record) { return record.log.empty(); });
  std::size_t kept = 0;
  while (kept < records.size() && lines > 0) {
    std::string& log = records[kept].log;
    std::size_t at = log.size() - (log.back() == '\n' ? 1 : 0);
    std::size_t begin = 0;
    while (true) {
      --lines;
      const std::size_t newline = at == 0 ? std::string::npos : log.rfind('\n', at - 1);
      if (newline == std::string::npos) break;
      if (lines == 0) {
        begin = newline + 1;
        break;
      }
      at = newline;
    }
    log.erase(0, begin);
    ++kept;
  }
  records.resize(kept);
}

net::Task<net::HttpResponse> call_logs(const Here& here, net::HttpExchange& exchange, CallId id) {
  const auto asked = read_asked(exchange.request(), {"follow", "tail"});
  if (!asked) co_return error_response(asked.error());
  if (asked->follow) co_return co_await follow_call(here, exchange, id);
  const auto record = co_await find_call(here, id);
  if (!record) co_return error_response(record.error());
  co_return log_response(*record, asked->tail);
}

net::Task<net::HttpResponse> function_logs(const Here& here, net::HttpExchange& exchange, FunctionName name) {
  const auto asked = read_asked(exchange.request(), {"follow", "tail", "since"});
  if (!asked) co_return error_response(asked.error());
  const auto snapshot = here.platform.catalog.snapshot();
  if (!snapshot->functions.contains(name)) co_return error_response(no_such_function(name));
  if (asked->follow) co_return co_await follow_function(here, exchange, std::move(name), *asked);
  const auto logs = co_await find_logs(here, name, *asked);
  if (!logs) co_return error_response(logs.error());
  co_return json_response(logs_json(name, *logs));
}

}  // namespace canopy::api
