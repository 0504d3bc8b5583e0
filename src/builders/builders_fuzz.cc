// What comes of any path and body: a door with an id, fields that are text, or an answer.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "builders/body.h"
#include "builders/request.h"
#include "builders/uuid.h"

namespace {

template <class Read>
void judge(const canopy::net::HttpRequest& request, const Read& read) {
  const auto got = read(request);
  if (got) {
    CANOPY_CHECK(canopy::find_invalid_utf8(got->payload) == std::string_view::npos);
    return;
  }
  CANOPY_CHECK(got.error().status == 422 || got.error().status == 400);
  CANOPY_CHECK(canopy::find_invalid_utf8(got.error().body) == std::string_view::npos);
}

}  // namespace

// The first line is the method, the second the path, the third the type, the rest the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = [&text] {
    const std::string_view taken = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(taken.size() + 1, text.size()));
    return taken;
  };
  net::HttpRequest request;
  request.method = line();
  request.path = line();
  request.headers = {{"Content-Type", line()}};
  request.body = text;

  const builders::Asked asked = builders::read_request(request.method, request.path);
  CANOPY_CHECK(asked.door == builders::Door::nowhere || builders::is_ours(request.path));
  CANOPY_CHECK(asked.door != builders::Door::slash_behind || asked.path.size() < request.path.size());
  judge(request, builders::read_registration);
  judge(request, builders::read_execution);
  for (const std::string& id : {asked.task, request.body}) {
    const auto uuid = builders::parse_uuid(id);
    CANOPY_CHECK(!uuid || builders::parse_uuid(to_text(*uuid)) == *uuid);
    CANOPY_CHECK(uuid || !uuid.error().empty());
    CANOPY_CHECK(!is_uuid_text(id) || (uuid && to_text(*uuid) == id));
  }
  return 0;
}
