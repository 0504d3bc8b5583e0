// Looking things up in the log: what it says of a call, what it put out, lists.

#include <utility>

#include "base/log.h"
#include "store/call_log_ends.h"
#include "store/call_log_local.h"

namespace canopy::store {
namespace {

constexpr std::size_t page_size = 256;

}  // namespace

void LocalCallLog::count_damage(const Error& error) {
  if (error.code != Code::internal) return;
  log::error("{}", error.message);
  const std::lock_guard lock(mutex_);
  ++stats_.damaged;
}

Result<std::string> LocalCallLog::read_body(std::uint64_t number, const Body& body,
                                            std::string inline_bytes) {
  std::string bytes = std::move(inline_bytes);
  if (!body.file.empty()) {
    CANOPY_TRY(bytes, shelf_->read_file(body.file, body.size_bytes));
  }
  CANOPY_TRY_VOID(check_body(number, body, bytes));
  return bytes;
}

// A waiting call that is to run, with its input.
Result<std::shared_ptr<CallHead>> LocalCallLog::read_head(std::uint64_t number) {
  CANOPY_TRY(auto row, shelf_->read(number, Part::input));
  if (!row || row->has_ended) return fail(Code::not_found, "the call has ended");
  auto decoded = decode_head(number, row->row);
  if (!decoded) {
    count_damage(decoded.error());
    return tl::unexpected(std::move(decoded).error());
  }
  auto head = std::make_shared<CallHead>(*std::move(decoded));
  head->call.id = id_of(number, head->token);
  auto input = read_body(number, head->input, std::move(row->body));
  if (!input) {
    count_damage(input.error());
    return tl::unexpected(std::move(input).error());
  }
  head->call.input = *std::move(input);
  return head;
}

DurableRecord LocalCallLog::ended_record(std::uint64_t number, const EndedRow& ended) const {
  DurableRecord made = store::ended_record(ended);
  made.record.id = id_of(number, ended.head.token);
  return made;
}

Result<DurableRecord> LocalCallLog::make_record(std::uint64_t number, const ShelvedCall& call) {
  if (call.has_ended) {
    CANOPY_TRY(const EndedRow ended, decode_ended(number, call.row));
    DurableRecord made = ended_record(number, ended);
    if (!made.callback_url.empty()) {
      CANOPY_TRY(const auto row, shelf_->read_callback(number));
      if (row) {
        CANOPY_TRY(auto callback, decode_callback(number, *row));
        made.callback = std::move(callback.state);
      }
    }
    return made;
  }
  CANOPY_TRY(const CallHead head, decode_head(number, call.row));
  Progress progress;
  if (!call.progress.empty()) {
    CANOPY_TRY(progress, decode_progress(number, call.progress));
  }
  DurableRecord made = waiting_record(head, progress);
  made.record.id = id_of(number, head.token);
  const std::lock_guard lock(mutex_);
  if (const CallQueue::Running* const running = queue_.running(number)) {
    made.record.state = State::running;
    made.record.attempt = running->attempt;
    made.record.started = running->started;
    made.due = {};
  }
  return made;
}

Result<ShelvedCall> LocalCallLog::read_known(CallId id, Part part, std::uint64_t& number) {
  // The disk is asked even where there can be no such call, so that time does not tell one from the other.
  number = number_of(id).value_or(0);
  CANOPY_TRY(auto call, shelf_->read(number, part));
  if (!call) return tl::unexpected(no_durable_call(id));
  return *std::move(call);
}

Result<DurableRecord> LocalCallLog::find(CallId id) {
  std::uint64_t number = 0;
  CANOPY_TRY(const ShelvedCall call, read_known(id, Part::row, number));
  auto record = make_record(number, call);
  if (!record) {
    count_damage(record.error());
    return record;
  }
  if (record->record.id != id) return tl::unexpected(no_durable_call(id));
  if (record->expires != WallTime() && record->expires <= clock_.wall_now())
    return tl::unexpected(no_durable_call(id));
  return record;
}

Result<StoredResult> LocalCallLog::result(CallId id) {
  std::uint64_t number = 0;
  CANOPY_TRY(ShelvedCall call, read_known(id, Part::body, number));
  if (!call.has_ended) {
    CANOPY_TRY(const DurableRecord record, find(id));
    StoredResult waiting;
    waiting.state = record.record.state;
    return waiting;
  }
  auto ended = decode_ended(number, call.row);
  if (!ended) {
    count_damage(ended.error());
    return tl::unexpected(std::move(ended).error());
  }
  if (id_of(number, ended->head.token) != id || ended->ending.expires <= clock_.wall_now()) {
    return tl::unexpected(no_durable_call(id));
  }
  Outcome& outcome = ended->ending.outcome;
  auto output = read_body(number, ended->ending.output, std::move(call.body));
  if (!output) {
    count_damage(output.error());
    return tl::unexpected(std::move(output).error());
  }
  return StoredResult{.state = ended->ending.state,
                      .status = outcome.status,
                      .headers = std::move(outcome.headers),
                      .output = *std::move(output),
                      .usage = outcome.usage,
                      .error = std::move(outcome.error)};
}

Result<StoredLog> LocalCallLog::log(CallId id) {
  std::uint64_t number = 0;
  CANOPY_TRY(ShelvedCall call, read_known(id, Part::log, number));
  if (!call.has_ended) {
    CANOPY_TRY(const DurableRecord record, find(id));
    return StoredLog{.state = record.record.state, .text = {}};
  }
  auto ended = decode_ended(number, call.row);
  if (!ended) {
    count_damage(ended.error());
    return tl::unexpected(std::move(ended).error());
  }
  if (id_of(number, ended->head.token) != id || ended->ending.expires <= clock_.wall_now()) {
    return tl::unexpected(no_durable_call(id));
  }
  auto text = read_body(number, ended->ending.log, std::move(call.body));
  if (!text) {
    count_damage(text.error());
    return tl::unexpected(std::move(text).error());
  }
  return StoredLog{.state = ended->ending.state,
                   .text = *std::move(text),
                   .dropped_bytes = ended->ending.outcome.log_dropped_bytes};
}

bool LocalCallLog::fits(const DurableFilter& filter, const DurableRecord& record) const {
  return (!filter.function || record.record.function == *filter.function) &&
         (!filter.state || record.record.state == *filter.state) &&
         (!filter.visible || filter.visible(record.record)) && record.record.queued >= filter.since &&
         (record.expires == WallTime() || record.expires > clock_.wall_now());
}

Result<DurablePage> LocalCallLog::list(const DurableFilter& filter) {
  using Which = CallShelf::Which;
  Which which = Which::all;
  if (filter.state) {
    const bool waits = *filter.state == State::queued || *filter.state == State::running;
    which = waits ? Which::live : *filter.state == State::failed ? Which::dead : Which::ended;
  }
  std::uint64_t below = ~std::uint64_t{0};
  if (filter.after) {
    const auto number = number_of(*filter.after);
    if (!number) return tl::unexpected(no_durable_call(*filter.after));
    below = *number;
  }
  DurablePage page;
  CallId last{};
  for (std::size_t looked = 0; looked < filter.scan_max;) {
    CANOPY_TRY(const auto rows, shelf_->page(which, below, page_size));
    for (const CallShelf::Numbered& row : rows) {
      below = row.number;
      ++looked;
      auto record = make_record(row.number, row.call);
      if (!record) {
        count_damage(record.error());
        continue;
      }
      last = record->record.id;
      if (!fits(filter, *record)) continue;
      page.records.push_back(*std::move(record));
      if (page.records.size() == filter.limit) {
        page.next = last;
        return page;
      }
    }
    if (rows.size() < page_size) return page;
  }
  page.next = last;
  return page;
}

}  // namespace canopy::store
