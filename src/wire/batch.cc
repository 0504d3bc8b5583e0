#include "wire/batch.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/log.h"
#include "wire/headers.h"
#include "wire/json_read.h"

namespace canopy::wire {
namespace {

constexpr std::size_t content_type_bytes_max = 200;
constexpr std::string_view members = "json, input, content_type, timeout, retry and idempotency_key";

std::string_view view(const boost::json::string& text) { return {text.data(), text.size()}; }

Result<std::string_view> text_of(const boost::json::value& value, std::string_view name) {
  if (const auto* const text = value.if_string()) return view(*text);
  return fail(Code::invalid, std::string(name) + " is no text");
}

// It becomes a header of what the function sees.
Result<std::string> read_content_type(std::string_view text) {
  const bool visible = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  if (visible && !text.empty() && text.size() <= content_type_bytes_max) return std::string(text);
  return fail(Code::invalid, "content_type is 1 to " + std::to_string(content_type_bytes_max) +
                                 " visible characters of ASCII");
}

Result<std::uint32_t> read_retry(const boost::json::value& value) {
  if (const auto* const number = value.if_int64(); number != nullptr && *number >= 0) {
    return parse_retry(std::to_string(*number));
  }
  return fail(Code::invalid, "retry is a whole number, 0 to 100");
}

// Finds what stands where in a text that is known to be JSON. As a value, 1.0 would become 1E0, and a number
// of thirty digits another one.
class Text {
 public:
  explicit Text(std::string_view json) : json_(json) {}

  // Past the bracket that comes next.
  void enter() {
    skip_space();
    ++at_;
  }
  // Whether there is another element here, before which it stands then; else it is past the bracket.
  bool more() {
    skip_space();
    if (json_[at_] == ',') ++at_;
    skip_space();
    const bool over = json_[at_] == ']' || json_[at_] == '}';
    if (over) ++at_;
    return !over;
  }
  std::string key() {
    const std::string_view quoted = value();
    skip_space();
    ++at_;  // The colon.
    if (quoted.find('\\') == quoted.npos) return std::string(quoted.substr(1, quoted.size() - 2));
    const auto read = parse_json(quoted, {.bytes_max = quoted.size()});
    return read && read->is_string() ? std::string(view(read->get_string())) : std::string();
  }
  std::string_view value() {
    skip_space();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    do {
      const char c = json_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      if (c == '[' || c == '{') ++depth;
      if (c == ']' || c == '}') --depth;
      ++at_;
      // A number or a word goes on; brackets are whole here.
      if (depth == 0 && c != ']' && c != '}') at_ = std::min(json_.find_first_of(ends, at_), json_.size());
    } while (depth > 0);
    return json_.substr(begin, at_ - begin);
  }

 private:
  static constexpr std::string_view spaces = " \t\r\n";
  static constexpr std::string_view ends = " \t\r\n,]}";

  void skip_space() { at_ = json_.find_first_not_of(spaces, at_); }
  void skip_string() {
    for (++at_; json_[at_] != '"'; ++at_) {
      if (json_[at_] == '\\') ++at_;
    }
    ++at_;
  }

  const std::string_view json_;
  std::size_t at_ = 0;
};

std::string_view find_input(std::string_view call) {
  std::string_view input;
  if (call.front() != '{') return input;
  Text text(call);
  text.enter();
  while (text.more()) {
    const bool is_input = text.key() == "json";
    const std::string_view value = text.value();
    if (is_input) input = value;
  }
  return input;
}

// What each call of a batch has as its json, as it was sent.
std::vector<std::string_view> find_inputs(std::string_view body) {
  std::vector<std::string_view> inputs;
  Text text(body);
  text.enter();
  while (text.more()) {
    text.key();
    const std::string_view list = text.value();
    inputs.clear();  // Of two members with one name the last counts.
    if (list.front() != '[') continue;
    Text calls(list);
    calls.enter();
    while (calls.more()) inputs.push_back(find_input(calls.value()));
  }
  return inputs;
}

Result<void> read_member(std::string_view name, const boost::json::value& value, std::string_view json,
                         DurableCall& call, std::string& content_type) {
  if (name == "json") {
    call.input = json;
    if (content_type.empty()) content_type = "application/json";
  } else if (name == "input") {
    CANOPY_TRY(call.input, text_of(value, name));
  } else if (name == "content_type") {
    CANOPY_TRY(const std::string_view text, text_of(value, name));
    CANOPY_TRY(content_type, read_content_type(text));
  } else if (name == "timeout") {
    CANOPY_TRY(const std::string_view text, text_of(value, name));
    CANOPY_TRY(call.timeout, parse_timeout(text));
  } else if (name == "retry") {
    CANOPY_TRY(call.retries_max, read_retry(value));
  } else if (name == "idempotency_key") {
    CANOPY_TRY(const std::string_view text, text_of(value, name));
    CANOPY_TRY(call.idempotency_key, parse_idempotency_key(text));
  } else {
    return fail(Code::invalid,
                "\"" + log_safe(name, 40) + "\" means nothing; what does is " + std::string(members));
  }
  return {};
}

// Taken apart, a value takes many times the room of its text; so what cannot be a batch is told by its commas
// and brackets. There are no comments that could hide them.
bool may_hold_too_many(std::string_view body) {
  std::size_t values = 1;
  bool quoted = false;
  for (std::size_t at = 0; at < body.size(); ++at) {
    const char c = body[at];
    if (quoted && c == '\\') ++at;
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == ',' || c == '[' || c == '{') && ++values > batch_values_max) return true;
  }
  return false;
}

Result<DurableCall> read_call(const boost::json::value& value, std::string_view json) {
  const auto* const object = value.if_object();
  if (object == nullptr) return fail(Code::invalid, R"(it is no object such as {"json": [1, 2]})");
  if (object->contains("json") && object->contains("input")) {
    return fail(Code::invalid, "it has both json and input; one of them is its input");
  }
  DurableCall call;
  std::string content_type;
  for (const auto& [name, member] : *object) {
    CANOPY_TRY_VOID(
        read_member(std::string_view(name.data(), name.size()), member, json, call, content_type));
  }
  if (!content_type.empty()) call.headers.push_back({"Content-Type", std::move(content_type)});
  return call;
}

}  // namespace

Result<std::vector<DurableCall>> parse_batch(std::string_view body) {
  if (may_hold_too_many(body)) {
    return fail(Code::too_large, "the batch holds more than " + std::to_string(batch_values_max) +
                                     " values; send long inputs as text, with input for json");
  }
  // The body is bounded by whoever read it.
  constexpr JsonLimits limits{.bytes_max = std::numeric_limits<std::size_t>::max(), .strict = true};
  CANOPY_TRY(const auto json, parse_json(body, limits));
  const auto* const object = json.if_object();
  const auto* const calls = object == nullptr ? nullptr : object->if_contains("calls");
  const auto* const list = calls == nullptr ? nullptr : calls->if_array();
  if (list == nullptr || object->size() != 1) {
    return fail(Code::invalid, R"(a batch is {"calls": [{"json": [1, 2]}, …]} and nothing else)");
  }
  if (list->size() > batch_calls_max) {
    return fail(Code::too_large, "the batch has " + std::to_string(list->size()) + " calls; it may have " +
                                     std::to_string(batch_calls_max));
  }
  const auto inputs = find_inputs(body);
  if (inputs.size() != list->size()) return fail(Code::internal, "the batch was read in two ways");
  std::vector<DurableCall> read;
  read.reserve(list->size());
  for (const auto& value : *list) {
    auto call = read_call(value, inputs[read.size()]);
    if (!call) {
      return fail(call.error().code, "call " + std::to_string(read.size()) + ": " + call.error().message);
    }
    read.push_back(*std::move(call));
  }
  return read;
}

}  // namespace canopy::wire
