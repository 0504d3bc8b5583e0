#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/percent.h"
#include "wire/route.h"

// The first line is the method, the rest the target with its query.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string_view method = text.substr(0, line);
  const std::string_view target = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  const std::size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);

  const auto route = wire::parse_route(method, path);
  if (route) {
    const auto& [space, name] = route->function;
    CANOPY_CHECK(space.empty() || is_name_part(space));
    CANOPY_CHECK(name.empty() || is_name_part(name));
    const bool call = route->target == wire::Target::call || route->target == wire::Target::async_call;
    CANOPY_CHECK(call == route->rest.starts_with('/') || route->target == wire::Target::wrong_method ||
                 route->target == wire::Target::options);
    CANOPY_CHECK(route->rest.empty() || route->rest == "/" || path.ends_with(route->rest));
  } else {
    CANOPY_CHECK(route.error().code == Code::invalid || route.error().code == Code::not_found);
    CANOPY_CHECK(route.error().message.size() < 2000);
  }
  if (question != std::string_view::npos) {
    (void)wire::query_value(target.substr(question + 1), "wait");
  }
  CANOPY_CHECK(*wire::percent_decode(wire::percent_encode(text)) == text);
  return 0;
}
