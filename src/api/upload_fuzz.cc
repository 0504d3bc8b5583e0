// Whatever a body and a query hold: no crash, and what is taken keeps its promises.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/upload.h"
#include "base/check.h"

// The first line is the query, the second the type of the content, the rest the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using canopy::api::check_file_path;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take_line = [&rest] {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
  };
  canopy::net::HttpRequest request;
  request.query = take_line();
  request.headers.emplace_back("Content-Type", take_line());
  request.body = rest;
  const auto upload = canopy::api::read_upload(request, {"demo", "hello"});
  if (!upload) {
    CANOPY_CHECK(!upload.error().message.empty());
    return 0;
  }
  for (const auto& file : upload->files) CANOPY_CHECK(check_file_path(file.path).has_value());
  return 0;
}
