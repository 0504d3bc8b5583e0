// Looking things up in Redis: what it says of a call, what it put out, lists. On connections of their own, so
// that nobody who looks waits for the writer.

#include <utility>

#include "base/log.h"
#include "store/call_log_redis.h"
#include "store/call_log_redis_words.h"

namespace canopy::store {
namespace {

constexpr std::size_t page_size = 256;

}  // namespace

Result<RedisReply> RedisCallLog::read(RedisCommand command) {
  ReadSide& side = *read_sides_[next_side_.fetch_add(1, std::memory_order_relaxed) % read_side_count];
  const std::lock_guard lock(side.mutex);
  return side.link.run(std::move(command));
}

// As row_command() says, from element `first` on.
RedisCallLog::Row RedisCallLog::row_of(std::uint64_t number, const RedisReply& fields, std::size_t first) {
  const std::string& state = fields.at(first + 1).text;
  return {.number = number,
          .token = fields.at(first).as_unsigned(),
          .state = state.empty() ? '\0' : state.front(),
          .attempt = static_cast<std::uint32_t>(fields.at(first + 2).as_number()),
          .since = read_nanos(fields.at(first + 3).as_number()),
          .head = fields.at(first + 4).text,
          .progress = fields.at(first + 5).text,
          .ended = fields.at(first + 6).text,
          .callback = fields.at(first + 7).text,
          .body = fields.at(first + 8).text};
}

Result<RedisCallLog::Row> RedisCallLog::read_row(CallId id, std::string_view body_field) {
  // Redis is asked even where there can be no such call, so that time does not tell one from the other.
  const std::uint64_t number = number_of(id).value_or(0);
  CANOPY_TRY(const RedisReply reply, read(row_command(number, body_field)));
  Row row = row_of(number, reply, 0);
  if (row.state == 0 || row.token != id.low) return tl::unexpected(no_durable_call(id));
  return row;
}

Result<DurableRecord> RedisCallLog::record_of(const Row& row) {
  DurableRecord made;
  if (row.state == 'e') {
    CANOPY_TRY(const EndedRow ended, decode_ended(row.token, row.ended));
    made = ended_record(ended);
    if (!row.callback.empty()) {
      CANOPY_TRY(auto callback, decode_callback(row.token, row.callback));
      made.callback = std::move(callback.state);
    }
  } else {
    CANOPY_TRY(const CallHead head, decode_head(row.token, row.head));
    Progress progress;
    if (!row.progress.empty()) {
      CANOPY_TRY(progress, decode_progress(row.token, row.progress));
    }
    made = waiting_record(head, progress);
    if (row.state == 'r') {
      made.record.state = State::running;
      made.record.attempt = row.attempt;
      made.record.started = row.since;
      made.due = {};
    }
  }
  made.record.id = id_of(row.number, row.token);
  return made;
}

Result<DurableRecord> RedisCallLog::find(CallId id) {
  CANOPY_TRY(const Row row, read_row(id, ""));
  auto record = record_of(row);
  if (!record) {
    count_damage(record.error());
    return record;
  }
  if (record->expires != WallTime() && record->expires <= clock_.wall_now()) {
    return tl::unexpected(no_durable_call(id));
  }
  return record;
}

Result<EndedRow> RedisCallLog::ended_of(CallId id, const Row& row) {
  auto ended = decode_ended(row.token, row.ended);
  if (!ended) {
    count_damage(ended.error());
    return ended;
  }
  if (ended->ending.expires <= clock_.wall_now()) return tl::unexpected(no_durable_call(id));
  return ended;
}

Result<StoredResult> RedisCallLog::result(CallId id) {
  CANOPY_TRY(Row row, read_row(id, "y"));
  if (row.state != 'e') {
    StoredResult waiting;
    waiting.state = row.state == 'r' ? State::running : State::queued;
    return waiting;
  }
  CANOPY_TRY(EndedRow ended, ended_of(id, row));
  if (const auto whole = check_body(row.number, ended.ending.output, row.body); !whole) {
    count_damage(whole.error());
    return tl::unexpected(whole.error());
  }
  Outcome& outcome = ended.ending.outcome;
  return StoredResult{.state = ended.ending.state,
                      .status = outcome.status,
                      .headers = std::move(outcome.headers),
                      .output = std::move(row.body),
                      .usage = outcome.usage,
                      .error = std::move(outcome.error)};
}

Result<StoredLog> RedisCallLog::log(CallId id) {
  CANOPY_TRY(Row row, read_row(id, "l"));
  if (row.state != 'e') {
    return StoredLog{.state = row.state == 'r' ? State::running : State::queued, .text = {}};
  }
  CANOPY_TRY(const EndedRow ended, ended_of(id, row));
  if (const auto whole = check_body(row.number, ended.ending.log, row.body); !whole) {
    count_damage(whole.error());
    return tl::unexpected(whole.error());
  }
  return StoredLog{.state = ended.ending.state,
                   .text = std::move(row.body),
                   .dropped_bytes = ended.ending.outcome.log_dropped_bytes};
}

bool RedisCallLog::fits(const DurableFilter& filter, const DurableRecord& record) const {
  return (!filter.function || record.record.function == *filter.function) &&
         (!filter.state || record.record.state == *filter.state) &&
         (!filter.visible || filter.visible(record.record)) && record.record.queued >= filter.since &&
         (record.expires == WallTime() || record.expires > clock_.wall_now());
}

Result<DurablePage> RedisCallLog::list(const DurableFilter& filter) {
  std::string which = "all";
  if (filter.state) {
    const bool waits = *filter.state == State::queued || *filter.state == State::running;
    which = waits ? "live" : *filter.state == State::failed ? "dead" : "ended";
  }
  std::string below;
  if (filter.after) {
    const auto number = number_of(*filter.after);
    if (!number) return tl::unexpected(no_durable_call(*filter.after));
    below = std::to_string(*number);
  }
  DurablePage page;
  CallId last{};
  for (std::size_t looked = 0; looked < filter.scan_max;) {
    CANOPY_TRY(const RedisReply rows, read(command(Script::page, {which, below, std::to_string(page_size)})));
    for (const RedisReply& fields : rows.list) {
      const std::uint64_t number = fields.at(0).as_unsigned();
      below = std::to_string(number);
      ++looked;
      auto record = record_of(row_of(number, fields, 1));
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
    if (rows.list.size() < page_size) return page;
  }
  page.next = last;
  return page;
}

}  // namespace canopy::store
