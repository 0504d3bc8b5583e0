#pragma once
// YAML, and JSON as the part of it that it is, read into a small tree that knows where each thing stands.
//
// For files that people write and strangers send: anchors, aliases and tags are refused (they are how a few
// bytes become gigabytes), keys are plain words and stand once, and size, depth and number of nodes are
// bounded.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace canopy::wire {

struct YamlPlace {
  std::size_t line = 1;
  std::size_t column = 1;
};

struct YamlEntry;

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, list, map };

  Kind kind = Kind::null;
  YamlPlace place;
  std::string text;                // Of a scalar, as it was written.
  std::vector<YamlNode> items;     // Of a list.
  std::vector<YamlEntry> entries;  // Of a map, in order.

  const YamlNode* find(std::string_view key) const;  // nullptr where it is absent.
};

struct YamlEntry {
  std::string key;
  YamlPlace place;  // Of the key.
  YamlNode value;
};

struct YamlLimits {
  std::size_t bytes_max = 256 * KiB;
  std::size_t depth_max = 16;
  std::size_t nodes_max = 5'000;
};

// Reads one document; `file` is what messages call it: "canopy.yaml:3:9: …". Nothing but comments is a null.
//   invalid    not YAML, or of it what is not allowed here; the message has file, line and column
//   too_large  more bytes, depth or nodes than `limits` allow
Result<YamlNode> parse_yaml(std::string_view text, std::string_view file, YamlLimits limits = {});

// "canopy.yaml:3:9: <problem>"
tl::unexpected<Error> yaml_error(std::string_view file, YamlPlace place, std::string_view problem,
                                 Code code = Code::invalid);

// "a list", "nothing": what stands there instead of what was expected.
std::string_view describe(const YamlNode& node);

}  // namespace canopy::wire
