#include "api/upload.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/log.h"
#include "wire/headers.h"
#include "wire/json_writer.h"
#include "wire/multipart.h"
#include "wire/percent.h"
#include "wire/values.h"

namespace canopy::api {
namespace {

constexpr std::size_t path_bytes_max = 1024;
constexpr std::size_t path_part_bytes_max = 255;
constexpr std::size_t settings_max = 200;

bool is_source(std::string_view type) {
  return type == "text/x-c" || type == "text/x-c++src" || type == "text/x-go" || type == "text/x-rust" ||
         type == "text/x-typescript" || type == "application/typescript";
}

// Source that runs as it is.
bool is_javascript(std::string_view type) {
  return type == "text/javascript" || type == "application/javascript" || type == "text/ecmascript" ||
         type == "application/x-javascript";
}

bool is_python(std::string_view type) {
  return type == "text/x-python" || type == "application/x-python" || type == "text/x-script.python" ||
         type == "application/x-pickle";
}

bool is_image(std::string_view type) { return type == "application/x-tar" || type == "application/tar"; }

// The runtime of what runs as it is; "" for none.
std::string_view runtime_of(std::string_view type) {
  return is_javascript(type) ? "js" : is_python(type) ? "python" : is_image(type) ? "container" : "";
}

tl::unexpected<Error> no_source(std::string_view type) {
  return fail(Code::refused,
              "the server does not compile source code (" + std::string(type) +
                  "); use `canopy deploy`, which compiles it where it is, or send the module "
                  "as application/wasm, JavaScript as text/javascript, Python as text/x-python, or a "
                  "container's image as application/x-tar");
}

Result<std::pair<std::string, std::string>> decode_setting(std::string_view parameter) {
  const std::size_t equals = parameter.find('=');
  std::string value(equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1));
  std::ranges::replace(value, '+', ' ');
  CANOPY_TRY(std::string key, wire::percent_decode(parameter.substr(0, equals)));
  CANOPY_TRY(std::string decoded, wire::percent_decode(value));
  return std::pair(std::move(key), std::move(decoded));
}

Result<void> read_parts(const net::HttpRequest& request, const FunctionName& name, Upload& upload) {
  CANOPY_TRY(const auto parts, wire::parse_multipart(request.header("Content-Type"), request.body));
  CANOPY_TRY(const wire::Part* const manifest, wire::find_part(parts, "manifest"));
  CANOPY_TRY(const wire::Part* const code, wire::find_part(parts, "code"));
  if (manifest != nullptr) {
    CANOPY_TRY(upload.manifest,
               wire::parse_manifest(manifest->body, manifest->filename.value_or("manifest")));
    if (upload.manifest.name && *upload.manifest.name != name) {
      return fail(Code::invalid, "the manifest is of " + to_text(*upload.manifest.name) +
                                     ", and the path says " + to_text(name) + "; make them the same");
    }
  }
  if (code == nullptr) {
    return fail(Code::refused, "the upload has no part 'code'; send the module in a part of that name");
  }
  if (const std::string type = wire::media_type(code->content_type); is_source(type)) {
    return no_source(type);
  } else if (!runtime_of(type).empty() && !upload.manifest.runtime) {
    upload.manifest.runtime = runtime_of(type);
  }
  upload.code = code->body;
  std::set<std::string, std::less<>> paths;
  for (const wire::Part& part : parts) {
    if (part.name == "manifest" || part.name == "code") continue;
    if (part.name != "file") {
      return fail(Code::invalid, "the upload has a part '" + log_safe(part.name, 80) +
                                     "'; known are manifest, code and file");
    }
    const std::string path = part.filename.value_or("");
    CANOPY_TRY_VOID(check_file_path(path));
    if (!paths.insert(path).second) {
      return fail(Code::invalid, "the upload has two files '" + log_safe(path) + "'; send each once");
    }
    upload.files.push_back({path, part.body});
  }
  for (const std::string& path : paths) {
    for (std::size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
      if (!paths.contains(path.substr(0, slash))) continue;
      return fail(Code::invalid, "'" + log_safe(path.substr(0, slash)) + "' cannot be a file, since '" +
                                     log_safe(path) + "' lies in it");
    }
  }
  return {};
}

// What `settings` says goes before what `manifest` says.
void lay_over(wire::Manifest settings, wire::Manifest& manifest) {
  const auto over = [](auto& from, auto& to) {
    if (from) to = std::move(from);
  };
  over(settings.runtime, manifest.runtime);
  over(settings.memory_bytes, manifest.memory_bytes);
  over(settings.timeout, manifest.timeout);
  over(settings.concurrency, manifest.concurrency);
  over(settings.output_bytes, manifest.output_bytes);
  over(settings.log_bytes, manifest.log_bytes);
  over(settings.tmp_bytes, manifest.tmp_bytes);
  over(settings.open_files, manifest.open_files);
  over(settings.fetch, manifest.fetch);
  over(settings.keep_warm, manifest.keep_warm);
  over(settings.container, manifest.container);
  over(settings.dispatch, manifest.dispatch);
  if (settings.env && manifest.env) {
    for (auto& [key, value] : *settings.env) manifest.env->insert_or_assign(key, std::move(value));
  } else {
    over(settings.env, manifest.env);
  }
}

}  // namespace

Result<void> check_file_path(std::string_view path) {
  const auto bad = [path](std::string_view why) {
    return fail(Code::invalid, "'" + log_safe(path, 200) + "' is not a path a file can have: " +
                                   std::string(why) + "; give one such as data/words.txt");
  };
  if (path.empty()) return bad("it is empty (a part 'file' needs a filename)");
  if (path.size() > path_bytes_max) return bad("it is longer than " + size_text(path_bytes_max));
  if (path.front() == '/') return bad("it begins with '/'");
  if (std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return bad("it holds a control character");
  }
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, slash - at);
    if (part.empty() || part == "." || part == "..") return bad("it holds an empty part, '.' or '..'");
    if (part.size() > path_part_bytes_max) return bad("a part of it is longer than 255 bytes");
    at = slash + 1;
  }
  const std::string_view top = path.substr(0, path.find('/'));
  if (top == "tmp") return bad("each call has a /tmp of its own, which would hide it");
  if (path == "etc") return bad("it would hide the folder /etc");
  return {};
}

Result<wire::Manifest> read_settings(std::string_view query, bool* dry_run) {
  std::map<std::string, std::string> settings;
  std::map<std::string, std::string> env;
  std::size_t count = 0;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (parameter.empty()) continue;
    if (++count > settings_max) {
      return fail(Code::invalid, "the query has more than " + std::to_string(settings_max) + " parameters");
    }
    CANOPY_TRY(auto setting, decode_setting(parameter));
    if (setting.first == "env") {
      CANOPY_TRY(auto variable, wire::parse_env(setting.second));
      env.insert_or_assign(std::move(variable.first), std::move(variable.second));
    } else if (setting.first == "name") {
      return fail(Code::invalid, "the query says 'name', but the path names the function; leave it out");
    } else if (settings.contains(setting.first)) {
      return fail(Code::invalid, "the query says '" + log_safe(setting.first, 80) + "' twice");
    } else {
      settings.insert(std::move(setting));
    }
  }
  const auto asked = dry_run == nullptr ? decltype(settings)::node_type() : settings.extract("dry_run");
  if (asked) {
    const auto flag = wire::read_bool(asked.mapped());
    if (!flag) return fail(Code::invalid, "the query's 'dry_run': " + flag.error().message);
    *dry_run = *flag;
  }
  wire::JsonWriter json;
  json.begin_object();
  for (const auto& [key, value] : settings) json.member(key, value);
  json.end_object();
  CANOPY_TRY(wire::Manifest manifest, wire::parse_manifest(json.text(), "query"));
  CANOPY_TRY_VOID(wire::check_env(env));
  if (!env.empty()) manifest.env = std::move(env);
  return manifest;
}

Result<Upload> read_upload(const net::HttpRequest& request, const FunctionName& name) {
  Upload upload;
  const std::string type = wire::media_type(request.header("Content-Type"));
  if (is_source(type)) return no_source(type);
  if (type == "multipart/form-data") {
    CANOPY_TRY_VOID(read_parts(request, name, upload));
  } else if (type == "application/wasm" || !runtime_of(type).empty()) {
    upload.code = request.body;
    if (!runtime_of(type).empty()) upload.manifest.runtime = runtime_of(type);
  } else {
    return fail(
        Code::refused,
        "a function is sent as application/wasm, text/javascript, text/x-python, application/x-tar or "
        "multipart/form-data, not as " +
            (type.empty() ? "nothing (no Content-Type)" : log_safe(type, 80)));
  }
  CANOPY_TRY(wire::Manifest settings, read_settings(request.query, &upload.dry_run));
  lay_over(std::move(settings), upload.manifest);
  return upload;
}

}  // namespace canopy::api
