#include "builders/body.h"

#include <algorithm>
#include <string_view>

#include "base/units.h"
#include "base/utf8.h"
#include "base/words.h"
#include "builders/reply.h"
#include "wire/json_writer.h"
#include "wire/python_json.h"

namespace canopy::builders {
namespace {

constexpr std::string_view null_json = "null";
// Of what was sent, in the answer that says what is wrong with it: else that would be twice as long as the
// body, and outlive it for as long as nobody reads it.
constexpr std::size_t repeated_bytes_max = 16 * KiB;
constexpr std::string_view not_repeated = "\"(too long to be repeated)\"";

// What is wrong with a request: a list, as pydantic makes it.
class Faults {
 public:
  // `where` is JSON, and so is `input`, what stands there; `context` is a text, "" for none.
  void add(std::string_view type, std::string_view where, std::string_view message, std::string_view input,
           std::string_view context = "") {
    json_.begin_object();
    json_.member("type", type);
    json_.key("loc");
    json_.raw(where);
    json_.member("msg", message);
    json_.key("input");
    json_.raw(input.size() > repeated_bytes_max ? not_repeated : input);
    if (!context.empty()) {
      json_.key("ctx");
      json_.begin_object();
      json_.member("error", context);
      json_.end_object();
    }
    json_.end_object();
    any_ = true;
  }

  bool any() const { return any_; }
  net::HttpResponse response() const { return unprocessable("[" + json_.text() + "]"); }

 private:
  wire::JsonWriter json_;
  bool any_ = false;
};

std::string in_body(std::string_view field) { return R"(["body",")" + std::string(field) + "\"]"; }

void add_uuid_fault(Faults& faults, std::string_view where, std::string_view input, const std::string& why) {
  faults.add("uuid_parsing", where, "Input should be a valid UUID, " + why, input, why);
}

// FastAPI reads a body as JSON where its type says so, or where none is given.
bool says_json(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  constexpr std::string_view application = "application/";
  if (type.empty()) return true;
  if (!same_word(type.substr(0, application.size()), application)) return false;
  type.remove_prefix(application.size());
  constexpr std::string_view suffix = "+json";
  return same_word(type, "json") ||
         (type.size() >= suffix.size() && same_word(type.substr(type.size() - suffix.size()), suffix));
}

tl::expected<wire::PythonBody, net::HttpResponse> read_body(const net::HttpRequest& request) {
  Faults faults;
  if (request.body.empty()) {
    faults.add("missing", R"(["body"])", "Field required", null_json);
    return tl::unexpected(faults.response());
  }
  if (!says_json(request.header("Content-Type"))) {
    std::string input;
    wire::append_json_string(request.body, input);
    faults.add("model_attributes_type", R"(["body"])",
               "Input should be a valid dictionary or object to extract fields from", input);
    return tl::unexpected(faults.response());
  }
  auto body = wire::read_python_json(request.body);
  if (!body && body.error().message.empty()) {
    return tl::unexpected(detail(400, "There was an error parsing the body"));
  }
  if (!body) {
    const std::string where = R"(["body",)" + std::to_string(body.error().position) + "]";
    faults.add("json_invalid", where, "JSON decode error", "{}", body.error().message);
    return tl::unexpected(faults.response());
  }
  if (body->is_object) return *std::move(body);
  if (body->other.text == null_json) {
    faults.add("missing", R"(["body"])", "Field required", null_json);
  } else {
    faults.add("model_attributes_type", R"(["body"])",
               "Input should be a valid dictionary or object to extract fields from", body->other.text);
  }
  return tl::unexpected(faults.response());
}

const wire::PythonJson* find_field(const wire::PythonBody& body, std::string_view field, Faults& faults) {
  const wire::PythonJson* const value = body.find(field);
  if (value == nullptr) faults.add("missing", in_body(field), "Field required", body.text());
  return value;
}

std::string read_text(const wire::PythonBody& body, std::string_view field, Faults& faults) {
  const wire::PythonJson* const value = find_field(body, field, faults);
  if (value == nullptr) return {};
  if (auto text = wire::python_string(*value)) return *std::move(text);
  if (value->is_string()) {
    faults.add("string_unicode", in_body(field),
               "Input should be a valid string, unable to parse raw data as a unicode string", value->text);
  } else {
    faults.add("string_type", in_body(field), "Input should be a valid string", value->text);
  }
  return {};
}

Uuid read_uuid(const wire::PythonBody& body, std::string_view field, Faults& faults) {
  const wire::PythonJson* const value = find_field(body, field, faults);
  if (value == nullptr) return {};
  const auto text = wire::python_string(*value);
  if (!text) {
    faults.add("uuid_type", in_body(field), "UUID input should be a string, bytes or UUID object",
               value->text);
    return {};
  }
  const auto uuid = parse_uuid(*text);
  if (!uuid) add_uuid_fault(faults, in_body(field), value->text, uuid.error());
  return uuid.value_or(Uuid{});
}

// "3.12" of "3.12" or "3.12.1"; nothing where it is no version.
std::optional<std::string> read_version(const wire::PythonBody& body) {
  const wire::PythonJson* const value = body.find("python_version");
  const auto text = value == nullptr ? std::nullopt : wire::python_string(*value);
  if (!text || text->empty() || text->size() > 20 ||
      text->find_first_not_of("0123456789.") != std::string::npos) {
    return std::nullopt;
  }
  const std::size_t first = text->find('.');
  return text->substr(0, first == std::string::npos ? first : text->find('.', first + 1));
}

}  // namespace

tl::expected<Registration, net::HttpResponse> read_registration(const net::HttpRequest& request) {
  const auto body = read_body(request);
  if (!body) return tl::unexpected(body.error());
  Faults faults;
  Registration read;
  read.name = read_text(*body, "name", faults);
  read.payload = read_text(*body, "payload", faults);
  read.python = read_version(*body);
  if (faults.any()) return tl::unexpected(faults.response());
  return read;
}

tl::expected<Execution, net::HttpResponse> read_execution(const net::HttpRequest& request) {
  const auto body = read_body(request);
  if (!body) return tl::unexpected(body.error());
  Faults faults;
  Execution read;
  read.function = read_uuid(*body, "function_id", faults);
  read.payload = read_text(*body, "payload", faults);
  if (faults.any()) return tl::unexpected(faults.response());
  return read;
}

tl::expected<Uuid, net::HttpResponse> read_task(const std::string& text) {
  const auto uuid = parse_uuid(text);
  if (uuid) return *uuid;
  Faults faults;
  std::string input;
  wire::append_json_string(text, input);
  add_uuid_fault(faults, R"(["path","task_id"])", input, uuid.error());
  return tl::unexpected(faults.response());
}

}  // namespace canopy::builders
