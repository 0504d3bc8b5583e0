#include "store/call_log_rows.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "store/crc32c.h"

namespace canopy::store {
namespace {

constexpr std::size_t seal_size = 4;
constexpr std::size_t message_bytes_max = 4096;

enum class Kind : std::uint8_t { head = 'h', progress = 'p', ended = 'e', callback = 'c' };

// What is written; what is older is read too. Version 2 of an ended call has the parts of its wait at its
// end.
constexpr std::uint8_t newest_version(Kind kind) { return kind == Kind::ended ? 2 : 1; }

class Writer {
 public:
  Writer(Kind kind, std::uint64_t number) : kind_(kind), number_(number) {
    bytes_.reserve(256);
    put(newest_version(kind));
  }

  template <class Integer>
    requires std::is_integral_v<Integer>
  void put(Integer value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.append(raw, sizeof value);
  }
  void put(Duration value) { put(static_cast<std::int64_t>(value.count())); }
  void put(const std::optional<Duration>& value) {
    put(static_cast<std::uint8_t>(value ? 1 : 0));
    if (value) put(*value);
  }
  void put(WallTime value) { put(value.time_since_epoch()); }
  void put(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    bytes_.append(text);
  }
  void put(const std::string& text) { put(std::string_view(text)); }
  void put(const std::vector<Header>& headers) {
    put(static_cast<std::uint32_t>(headers.size()));
    for (const Header& header : headers) {
      put(header.name);
      put(header.value);
    }
  }
  void put(const std::optional<Error>& error) {
    put(static_cast<std::uint8_t>(error ? 1 : 0));
    if (!error) return;
    put(static_cast<std::uint8_t>(error->code));
    put(static_cast<std::uint8_t>(error->stage));
    put(std::string_view(error->message).substr(0, message_bytes_max));
  }

  std::string seal();

 private:
  const Kind kind_;
  const std::uint64_t number_;
  std::string bytes_;
};

std::uint32_t seal_of(Kind kind, std::uint64_t number, std::string_view content) {
  char place[9];
  place[0] = static_cast<char>(kind);
  std::memcpy(place + 1, &number, sizeof number);
  return crc32c(content, crc32c({place, sizeof place}));
}

std::string Writer::seal() {
  put(seal_of(kind_, number_, bytes_));
  return std::move(bytes_);
}

// Reads until something is wrong, and from then on gives nothing.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) { get(version_); }

  std::uint8_t version() const { return version_; }

  template <class Integer>
    requires std::is_integral_v<Integer>
  void get(Integer& value) {
    const std::string_view raw = take(sizeof value);
    if (raw.size() == sizeof value) std::memcpy(&value, raw.data(), sizeof value);
  }
  void get(bool& value) {
    std::uint8_t raw = 0;
    get(raw);
    value = raw != 0;
  }
  void get(Duration& value) {
    std::int64_t count = 0;
    get(count);
    value = Duration(count);
  }
  void get(std::optional<Duration>& value) {
    bool is_there = false;
    get(is_there);
    if (is_there) get(value.emplace());
  }
  void get(WallTime& value) {
    Duration since{};
    get(since);
    value = WallTime(since);
  }
  void get(std::string& text) {
    std::uint32_t size = 0;
    get(size);
    text = take(size);
  }
  void get(std::vector<Header>& headers) {
    for (std::uint32_t i = count(8); i > 0 && good_; --i) {
      Header& header = headers.emplace_back();
      get(header.name);
      get(header.value);
    }
  }
  void get(std::optional<Error>& error) {
    std::uint8_t is_there = 0;
    get(is_there);
    if (is_there == 0) return;
    std::uint8_t code = 0;
    std::uint8_t stage = 0;
    Error read;
    get(code);
    get(stage);
    get(read.message);
    if (code > static_cast<std::uint8_t>(Code::deadline) || stage > static_cast<std::uint8_t>(Stage::reply)) {
      good_ = false;
    }
    if (!good_) return;
    read.code = static_cast<Code>(code);
    read.stage = static_cast<Stage>(stage);
    error = std::move(read);
  }
  template <class Enum>
  void get_enum(Enum& value, Enum last) {
    std::uint8_t raw = 0;
    get(raw);
    if (raw > static_cast<std::uint8_t>(last)) good_ = false;
    if (good_) value = static_cast<Enum>(raw);
  }
  // Of a list whose items take at least `item_size` bytes.
  std::uint32_t count(std::size_t item_size) {
    std::uint32_t value = 0;
    get(value);
    if (value > bytes_.size() / item_size) good_ = false;
    return good_ ? value : 0;
  }
  bool is_whole() const { return good_ && bytes_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (!good_ || size > bytes_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  std::uint8_t version_ = 0;
  bool good_ = true;
};

Error damaged(std::uint64_t number) {
  return {Code::internal, "the record of call number " + std::to_string(number) +
                              " is damaged on the disk: it does not fit its checksum; it is not used"};
}

Result<Reader> open_row(Kind kind, std::uint64_t number, std::string_view row) {
  if (row.size() <= seal_size) return tl::unexpected(damaged(number));
  const std::string_view content = row.substr(0, row.size() - seal_size);
  std::uint32_t seal = 0;
  std::memcpy(&seal, row.data() + content.size(), sizeof seal);
  if (seal != seal_of(kind, number, content)) return tl::unexpected(damaged(number));
  Reader reader(content);
  if (reader.version() < 1 || reader.version() > newest_version(kind)) return tl::unexpected(damaged(number));
  return reader;
}

void put(Writer& row, const Body& body) {
  row.put(body.size_bytes);
  row.put(body.checksum);
  row.put(body.file);
}

void get(Reader& row, Body& body) {
  row.get(body.size_bytes);
  row.get(body.checksum);
  row.get(body.file);
}

// In the order of the row, for both directions.
template <class Row, class Head, class Visit>
void each_field(Row& row, Head& head, const Visit& visit) {
  auto& call = head.call;
  visit(row, head.token);
  visit(row, call.owner);
  visit(row, call.function.space);
  visit(row, call.function.name);
  visit(row, call.method);
  visit(row, call.path);
  visit(row, call.query);
  visit(row, call.trace);
  visit(row, call.callback_url);
  visit(row, call.idempotency_key);
  visit(row, call.timeout);
  visit(row, call.retries_max);
  visit(row, call.keep);
  visit(row, call.queued);
  visit(row, call.deadline);
  visit(row, call.headers);
}

constexpr auto put_field = [](Writer& row, const auto& field) { row.put(field); };
constexpr auto get_field = [](Reader& row, auto& field) { row.get(field); };

void put(Writer& row, const CallHead& head) {
  each_field(row, head, put_field);
  put(row, head.input);
}

void get(Reader& row, CallHead& head) {
  each_field(row, head, get_field);
  get(row, head.input);
}

void put(Writer& row, const Progress& progress) {
  row.put(progress.attempt);
  row.put(progress.tries.failures);
  row.put(progress.tries.losses);
  row.put(progress.due);
  const std::size_t dropped =
      progress.attempts.size() > kept_attempts_max ? progress.attempts.size() - kept_attempts_max : 0;
  row.put(static_cast<std::uint32_t>(progress.attempts.size() - dropped));
  for (std::size_t i = dropped; i < progress.attempts.size(); ++i) {
    const Attempt& attempt = progress.attempts[i];
    row.put(attempt.number);
    row.put(attempt.started);
    row.put(attempt.ended);
    row.put(attempt.error);
  }
}

void get(Reader& row, Progress& progress) {
  row.get(progress.attempt);
  row.get(progress.tries.failures);
  row.get(progress.tries.losses);
  row.get(progress.due);
  progress.attempts.resize(row.count(21));
  for (Attempt& attempt : progress.attempts) {
    row.get(attempt.number);
    row.get(attempt.started);
    row.get(attempt.ended);
    row.get(attempt.error);
  }
}

template <class Row, class End, class Visit>
void each_end_field(Row& row, End& ending, const Visit& visit) {
  auto& outcome = ending.outcome;
  visit(row, outcome.version);
  visit(row, outcome.started);
  visit(row, outcome.ended);
  visit(row, outcome.status);
  visit(row, outcome.exit_code);
  visit(row, outcome.headers);
  visit(row, outcome.log_dropped_bytes);
  visit(row, outcome.usage.wait_time);
  visit(row, outcome.usage.run_time);
  visit(row, outcome.usage.cpu_time);
  visit(row, outcome.usage.memory_bytes);
  visit(row, outcome.usage.cold);
  visit(row, outcome.error);
  visit(row, ending.expires);
}

}  // namespace

std::string encode_head(std::uint64_t number, const CallHead& head) {
  Writer row(Kind::head, number);
  put(row, head);
  return row.seal();
}

std::string encode_progress(std::uint64_t number, const Progress& progress) {
  Writer row(Kind::progress, number);
  put(row, progress);
  return row.seal();
}

std::string encode_ended(std::uint64_t number, const CallHead& head, const Progress& progress,
                         const Ending& ending) {
  Writer row(Kind::ended, number);
  put(row, head);
  put(row, progress);
  row.put(static_cast<std::uint8_t>(ending.state));
  each_end_field(row, ending, put_field);
  put(row, ending.output);
  put(row, ending.log);
  row.put(ending.outcome.usage.start_time);
  row.put(ending.outcome.usage.hop_time);
  return row.seal();
}

std::string encode_callback(std::uint64_t number, const CallbackState& state, WallTime first_due) {
  Writer row(Kind::callback, number);
  row.put(static_cast<std::uint8_t>(state.kind));
  row.put(state.attempts);
  row.put(state.due);
  row.put(state.status);
  row.put(std::string_view(state.error).substr(0, message_bytes_max));
  row.put(first_due);
  return row.seal();
}

Result<CallHead> decode_head(std::uint64_t number, std::string_view row) {
  CANOPY_TRY(Reader reader, open_row(Kind::head, number, row));
  CallHead head;
  get(reader, head);
  if (!reader.is_whole()) return tl::unexpected(damaged(number));
  return head;
}

Result<Progress> decode_progress(std::uint64_t number, std::string_view row) {
  CANOPY_TRY(Reader reader, open_row(Kind::progress, number, row));
  Progress progress;
  get(reader, progress);
  if (!reader.is_whole()) return tl::unexpected(damaged(number));
  return progress;
}

Result<EndedRow> decode_ended(std::uint64_t number, std::string_view row) {
  CANOPY_TRY(Reader reader, open_row(Kind::ended, number, row));
  EndedRow read;
  get(reader, read.head);
  get(reader, read.progress);
  reader.get_enum(read.ending.state, State::canceled);
  each_end_field(reader, read.ending, get_field);
  get(reader, read.ending.output);
  get(reader, read.ending.log);
  if (reader.version() >= 2) {
    reader.get(read.ending.outcome.usage.start_time);
    reader.get(read.ending.outcome.usage.hop_time);
  }
  if (!reader.is_whole()) return tl::unexpected(damaged(number));
  return read;
}

Result<CallbackRow> decode_callback(std::uint64_t number, std::string_view row) {
  CANOPY_TRY(Reader reader, open_row(Kind::callback, number, row));
  CallbackRow read;
  reader.get_enum(read.state.kind, CallbackState::Kind::given_up);
  reader.get(read.state.attempts);
  reader.get(read.state.due);
  reader.get(read.state.status);
  reader.get(read.state.error);
  reader.get(read.first_due);
  if (!reader.is_whole()) return tl::unexpected(damaged(number));
  return read;
}

Body body_of(std::string_view bytes) {
  return {.size_bytes = bytes.size(), .checksum = crc32c(bytes), .file = {}};
}

Result<void> check_body(std::uint64_t number, const Body& body, std::string_view bytes) {
  if (bytes.size() != body.size_bytes || crc32c(bytes) != body.checksum) {
    return tl::unexpected(damaged(number));
  }
  return {};
}

}  // namespace canopy::store
