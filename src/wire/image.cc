#include "wire/image.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <boost/json/value.hpp>

#include "base/log.h"
#include "base/sha256.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"
#include "wire/tar.h"

namespace canopy::wire {
namespace {

namespace json = boost::json;

constexpr std::size_t files_max = 100'000;
constexpr auto folders_max = 2;          // Above a file that describes an image, or is a layer.
constexpr std::size_t words_max = 1000;  // Of a command or an environment.
constexpr std::size_t word_bytes_max = 64 * KiB;
constexpr std::size_t description_bytes_max = 4 * MiB;

tl::unexpected<Error> bad(std::string what) {
  return fail(Code::refused, "the image cannot be read: " + std::move(what));
}

struct File {
  std::uint64_t at = 0;
  std::uint64_t size_bytes = 0;
  std::string target;  // Of a link.
};

std::string text_of(const json::string& text) { return {text.data(), text.size()}; }

const json::value* member(const json::value& value, std::string_view key) {
  const json::object* const object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

std::string text_member(const json::value& value, std::string_view key) {
  const json::value* const found = member(value, key);
  return found != nullptr && found->is_string() ? text_of(found->get_string()) : std::string();
}

Result<std::vector<std::string>> words_of(const json::value* value, std::string_view what) {
  std::vector<std::string> words;
  if (value == nullptr || value->is_null()) return words;
  const json::array* const array = value->if_array();
  if (array == nullptr) return bad(std::string(what) + " is no list of words");
  if (array->size() > words_max) {
    return bad(std::string(what) + " has more than " + std::to_string(words_max) + " words");
  }
  std::size_t bytes = 0;
  for (const json::value& item : *array) {
    if (!item.is_string()) return bad(std::string(what) + " is no list of words");
    words.push_back(text_of(item.get_string()));
    bytes += words.back().size();
    if (bytes > word_bytes_max || words.back().find('\0') != std::string::npos) {
      return bad(std::string(what) + " is too long, or has a NUL");
    }
  }
  return words;
}

class ImageReader {
 public:
  explicit ImageReader(std::string_view archive) : archive_(archive) {}

  Result<Image> read() {
    CANOPY_TRY_VOID(list_files());
    if (files_.contains("manifest.json")) return read_saved();
    if (files_.contains("index.json")) return read_layout();
    Image image;
    image.layers.push_back({.at = 0, .size_bytes = archive_.size(), .compressed = false});
    return image;
  }

 private:
  Result<void> list_files() {
    if (is_gzip(archive_)) return bad("it is compressed; unpack it with `gunzip` first");
    TarReader reader(read_from(archive_));
    for (;;) {
      CANOPY_TRY(const auto entry, reader.next());
      if (!entry) return {};
      const bool is_link = entry->kind == TarEntry::Kind::symlink || entry->kind == TarEntry::Kind::hardlink;
      if (entry->kind != TarEntry::Kind::file && !is_link) continue;
      // Only what describes an image is looked for by name, and that lies at the top or two folders below.
      const bool is_deep = std::ranges::count(entry->path, '/') > folders_max;
      if (is_deep || files_.size() == files_max) continue;
      std::string target;
      if (is_link) target = plain_target(entry->path, entry->target, entry->kind).value_or("");
      files_[entry->path] = {.at = reader.position(), .size_bytes = entry->size_bytes, .target = target};
    }
  }

  // Where a link leads, as a path of the archive; old versions of `docker save` link layers that are the
  // same.
  static Result<std::string> plain_target(const std::string& path, const std::string& target,
                                          TarEntry::Kind kind) {
    if (kind == TarEntry::Kind::hardlink) return target;
    std::string folder = path.substr(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    std::string_view rest = target;
    while (rest.starts_with("../")) {
      if (folder.empty()) return bad("a link leaves it");
      folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/'));
      rest.remove_prefix(3);
    }
    return plain_path(folder + '/' + std::string(rest));
  }

  Result<File> find(const std::string& path) const {
    auto found = files_.find(path);
    if (found != files_.end() && !found->second.target.empty()) found = files_.find(found->second.target);
    if (found == files_.end() || !found->second.target.empty()) {
      return bad("it speaks of '" + log_safe(path, 200) + "', which is not in it");
    }
    return found->second;
  }

  Result<json::value> read_json(const std::string& path) const {
    CANOPY_TRY(const File file, find(path));
    const auto text = archive_.substr(file.at, file.size_bytes);
    auto value = parse_json(text, {.bytes_max = description_bytes_max, .strict = true});
    if (!value) return bad("'" + log_safe(path, 200) + "': " + value.error().message);
    return value;
  }

  static bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

  Result<void> add_layer(const std::string& path, Image& image) const {
    if (image.layers.size() == image_layers_max) {
      return bad("it has more than " + std::to_string(image_layers_max) + " layers");
    }
    CANOPY_TRY(const File file, find(path));
    const auto bytes = archive_.substr(file.at, file.size_bytes);
    if (bytes.starts_with("\x28\xb5\x2f\xfd")) {
      return bad("a layer of it is compressed with zstd; save it with plain or gzip layers");
    }
    image.layers.push_back({.at = file.at, .size_bytes = file.size_bytes, .compressed = is_gzip(bytes)});
    return {};
  }

  Result<void> read_config(const std::string& path, Image& image) const {
    CANOPY_TRY(const json::value config, read_json(path));
    const std::string system = text_member(config, "os");
    const std::string machine = text_member(config, "architecture");
    if ((!system.empty() && system != "linux") || (!machine.empty() && machine != image_architecture())) {
      return bad("it is made for " + log_safe(system + "/" + machine, 80) + ", and this is linux/" +
                 std::string(image_architecture()));
    }
    const json::value* const inner = member(config, "config");
    if (inner == nullptr) return {};
    CANOPY_TRY(image.command, words_of(member(*inner, "Entrypoint"), "its Entrypoint"));
    CANOPY_TRY(const auto more, words_of(member(*inner, "Cmd"), "its Cmd"));
    image.command.insert(image.command.end(), more.begin(), more.end());
    CANOPY_TRY(image.env, words_of(member(*inner, "Env"), "its Env"));
    image.folder = text_member(*inner, "WorkingDir");
    image.user = text_member(*inner, "User");
    return {};
  }

  // What `docker save` writes.
  Result<Image> read_saved() const {
    CANOPY_TRY(const json::value manifest, read_json("manifest.json"));
    const json::array* const images = manifest.if_array();
    if (images == nullptr || images->empty()) return bad("its manifest.json lists no image");
    if (images->size() > 1) {
      return bad("there are " + std::to_string(images->size()) + " images in it; save one alone");
    }
    Image image;
    CANOPY_TRY_VOID(read_config(text_member(images->front(), "Config"), image));
    CANOPY_TRY(const auto layers, words_of(member(images->front(), "Layers"), "its list of layers"));
    for (const std::string& layer : layers) CANOPY_TRY_VOID(add_layer(layer, image));
    return image;
  }

  static Result<std::string> blob_path(const json::value& description) {
    const std::string digest = text_member(description, "digest");
    if (!digest.starts_with("sha256:") || !is_sha256_hex(std::string_view(digest).substr(7))) {
      return bad("a digest in it is none: '" + log_safe(digest, 80) + "'");
    }
    return "blobs/sha256/" + digest.substr(7);
  }

  // Of several manifests the one for this machine.
  static Result<const json::value*> choose(const json::value& index) {
    const json::value* const list = member(index, "manifests");
    if (list == nullptr || !list->is_array() || list->get_array().empty()) return bad("it lists no image");
    const json::array& all = list->get_array();
    if (all.size() == 1) return &all.front();
    for (const json::value& one : all) {
      const json::value* const platform = member(one, "platform");
      if (platform == nullptr) continue;
      if (text_member(*platform, "os") == "linux" &&
          text_member(*platform, "architecture") == image_architecture()) {
        return &one;
      }
    }
    return bad("none of the " + std::to_string(all.size()) + " images in it is for linux/" +
               std::string(image_architecture()));
  }

  Result<Image> read_layout() const {
    CANOPY_TRY(json::value description, read_json("index.json"));
    for (int depth = 0; member(description, "manifests") != nullptr; ++depth) {
      if (depth == 3) return bad("its lists of images are nested too deep");
      CANOPY_TRY(const json::value* const chosen, choose(description));
      CANOPY_TRY(const std::string path, blob_path(*chosen));
      CANOPY_TRY(description, read_json(path));
    }
    const json::value* const config = member(description, "config");
    const json::value* const layers = member(description, "layers");
    if (config == nullptr || layers == nullptr || !layers->is_array()) {
      return bad("its manifest has no config or no layers");
    }
    Image image;
    CANOPY_TRY(const std::string config_path, blob_path(*config));
    CANOPY_TRY_VOID(read_config(config_path, image));
    for (const json::value& layer : layers->get_array()) {
      CANOPY_TRY(const std::string path, blob_path(layer));
      CANOPY_TRY_VOID(add_layer(path, image));
    }
    return image;
  }

  const std::string_view archive_;
  std::map<std::string, File> files_;
};

}  // namespace

std::string_view image_architecture() {
#if defined(__aarch64__)
  return "arm64";
#else
  return "amd64";
#endif
}

Result<Image> read_image(std::string_view archive) { return ImageReader(archive).read(); }

std::string write_image(const NewImage& image) {
  std::string layer;
  TarEntry program;
  program.path = "function";
  program.mode = 0755;
  append_tar(program, image.program, layer);
  append_tar_end(layer);

  JsonWriter config;
  config.begin_object();
  config.member("architecture", image_architecture());
  config.member("os", "linux");
  config.key("config");
  config.begin_object();
  config.key("Entrypoint");
  config.begin_array();
  config.value("/function");
  config.end_array();
  config.key("Env");
  config.begin_array();
  for (const std::string& variable : image.env) config.value(variable);
  config.end_array();
  config.end_object();
  config.key("rootfs");
  config.begin_object();
  config.member("type", "layers");
  config.key("diff_ids");
  config.begin_array();
  config.value("sha256:" + sha256_hex(layer));
  config.end_array();
  config.end_object();
  config.end_object();

  JsonWriter manifest;
  manifest.begin_array();
  manifest.begin_object();
  manifest.member("Config", "config.json");
  manifest.key("RepoTags");
  manifest.begin_array();
  manifest.value(image.name + ":latest");
  manifest.end_array();
  manifest.key("Layers");
  manifest.begin_array();
  manifest.value("layer.tar");
  manifest.end_array();
  manifest.end_object();
  manifest.end_array();

  std::string archive;
  const auto add = [&archive](std::string_view path, std::string_view content) {
    TarEntry entry;
    entry.path = path;
    append_tar(entry, content, archive);
  };
  add("manifest.json", manifest.text());
  add("config.json", config.text());
  add("layer.tar", layer);
  append_tar_end(archive);
  return archive;
}

}  // namespace canopy::wire
