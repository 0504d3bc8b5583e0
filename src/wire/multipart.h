#pragma once
// multipart/form-data (RFC 7578), read from a whole body: how code and its manifest come in one upload.
//
// Life: the bodies of the parts point into the body they were read from.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace canopy::wire {

struct Part {
  std::string name;
  std::optional<std::string> filename;
  std::string content_type;  // "text/plain" where the part says nothing, as the standard has it.
  std::string_view body;
  std::size_t offset = 0;  // Of the part in the whole body.
};

struct MultipartLimits {
  std::size_t parts_max = 1000;
  std::size_t head_bytes_max = 8 * KiB;  // Of one part.
};

// `content_type` is the request's header, with the boundary. The messages name the part, by number and by
// name where it is known, and the byte at which it stands.
//   invalid    not multipart/form-data; a boundary that is missing or none; a part without a name, with a
//              head that is malformed or in an encoding other than plain; a body without its last boundary
//   too_large  more parts, or a longer head, than `limits` allow
Result<std::vector<Part>> parse_multipart(std::string_view content_type, std::string_view body,
                                          MultipartLimits limits = {});

// The part of that name; nullptr where there is none.
//   invalid  there are two
Result<const Part*> find_part(const std::vector<Part>& parts, std::string_view name);

}  // namespace canopy::wire
