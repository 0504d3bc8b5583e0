#include "hyperfaas/database.h"

#include <utility>

#include "base/units.h"
#include "hyperfaas/server.h"
#include "net/http_client.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"

namespace canopy::hyperfaas {
namespace {

constexpr std::uint64_t read_bytes_max = MiB;
constexpr std::size_t id_bytes_max = 1024;
constexpr std::size_t depth_max = 32;
constexpr Duration patience = std::chrono::seconds(5);

net::HttpResponse text_response(int status, std::string text) {
  net::HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  return response;
}

// As Go's http.Error() does.
net::HttpResponse failure(int status, std::string_view words) {
  net::HttpResponse response = text_response(status, std::string(words) + "\n");
  response.headers.push_back({"X-Content-Type-Options", "nosniff"});
  return response;
}

net::HttpResponse failure(const Error& error) { return failure(http_status(error.code), error.message); }

// A number that such a field can hold; nothing where it is something else.
std::optional<std::int64_t> whole_number(const auto& value) {
  if (const std::int64_t* const number = value.if_int64()) return *number;
  return std::nullopt;
}

template <class Number>
bool take(const auto& object, std::string_view key, Number& to) {
  const auto* const value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return true;
  const auto number = whole_number(*value);
  if (!number || !std::in_range<Number>(*number)) return false;
  to = static_cast<Number>(*number);
  return true;
}

bool take_config(const auto& object, wire::LeafConfig& config) {
  const auto* const value = object.if_contains("config");
  if (value == nullptr || value->is_null()) return true;
  const auto* const given = value->if_object();
  return given != nullptr && take(*given, "mem_limit", config.memory_bytes) &&
         take(*given, "cpu_quota", config.cpu_quota_us) && take(*given, "cpu_period", config.cpu_period_us) &&
         take(*given, "timeout", config.idle_seconds) &&
         take(*given, "max_concurrency", config.max_concurrency);
}

}  // namespace

Result<Registration> read_registration(std::string_view json) {
  CANOPY_TRY(const auto value,
             wire::parse_json(json, {.bytes_max = read_bytes_max, .depth_max = depth_max, .strict = true}));
  const auto* const object = value.if_object();
  Registration read;
  const auto* const tag = object == nullptr ? nullptr : object->if_contains("image_tag");
  const bool has_tag = tag == nullptr || tag->is_null() || tag->is_string();
  if (object == nullptr || !has_tag || !take_config(*object, read.config)) {
    return fail(Code::invalid, "the body is not {\"image_tag\":…,\"config\":{…}}");
  }
  if (tag != nullptr && tag->is_string())
    read.image_tag.assign(tag->get_string().data(), tag->get_string().size());
  return read;
}

std::string to_json(const Registration& registration) {
  const wire::LeafConfig& config = registration.config;
  wire::JsonWriter json;
  json.begin_object();
  json.member("image_tag", registration.image_tag);
  json.key("config");
  json.begin_object();
  json.member("mem_limit", config.memory_bytes);
  json.member("cpu_quota", config.cpu_quota_us);
  json.member("cpu_period", config.cpu_period_us);
  json.member("timeout", config.idle_seconds);
  json.member("max_concurrency", config.max_concurrency);
  json.end_object();
  json.end_object();
  return json.take_text();
}

Error unknown_function() { return {Code::not_found, "function id not found"}; }

Result<Registration> ask_database(const std::string& url, const std::string& id) {
  net::HttpClientRequest request;
  request.url = url;
  request.body = id;
  request.timeout = patience;
  request.response_bytes_max = read_bytes_max;
  const auto answered = net::send(request);
  if (!answered) {
    return fail(Code::unavailable,
                "the database " + url + " was asked about the function: " + answered.error().message);
  }
  if (answered->status == 404) return tl::unexpected(unknown_function());
  const auto registration = read_registration(answered->body);
  if (answered->status == 200 && registration) return registration;
  return fail(Code::unavailable, "the database " + url + " was asked about the function, and answered " +
                                     std::to_string(answered->status) + " with what is no function");
}

DatabaseServer::DatabaseServer(const Options& options)
    : open_(options.hyperfaas == "on"), address_(options.hyperfaas_database) {}

std::uint64_t DatabaseServer::body_bytes_max(const net::HttpRequest& /*head*/) const {
  return read_bytes_max;
}

net::Task<net::HttpResponse> DatabaseServer::serve(const api::Here& here, net::HttpExchange& exchange,
                                                   const std::optional<Error>& refusal) {
  const net::HttpRequest& request = exchange.request();
  if (refusal && !open_) co_return failure(*refusal);
  if (request.method == "POST") co_return co_await add(here, request);
  if (request.method == "GET") co_return find(here, request);
  co_return failure(405, "Method Not Allowed");
}

net::Task<net::HttpResponse> DatabaseServer::add(const api::Here& here, const net::HttpRequest& request) {
  auto registration = read_registration(request.body);
  if (!registration) co_return failure(400, "Invalid JSON");
  const policy::Subject& subject = open_ ? everybody_ : here.who->subject;
  const auto reaches = images_for(here, open_);
  const auto id = co_await create(here, subject, reaches, to_text(random_uuid()), *std::move(registration));
  if (!id) co_return failure(id.error());
  wire::JsonWriter json;
  json.begin_object();
  json.member("function_id", *id);
  json.end_object();
  co_return text_response(201, json.take_text() + "\n");
}

net::HttpResponse DatabaseServer::find(const api::Here& here, const net::HttpRequest& request) const {
  const policy::Subject& subject = open_ ? everybody_ : here.who->subject;
  const auto snapshot = here.platform.catalog.snapshot();
  const auto function =
      request.body.size() > id_bytes_max ? nullptr : find_registered(*snapshot, subject, request.body);
  const auto registration = function == nullptr ? std::nullopt : registration_of(*function);
  if (!registration) return failure(404, "Not Found");
  return text_response(200, to_json(*registration) + "\n");
}

}  // namespace canopy::hyperfaas
