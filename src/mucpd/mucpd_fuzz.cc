// What comes of any path: a door with the names it needs; and names of Canopy's that lead back to them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "mucpd/job_id.h"
#include "mucpd/names.h"
#include "mucpd/request.h"

// The first line is the method, the rest the path.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string_view path = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  const mucpd::Asked asked = mucpd::read_request(text.substr(0, line), path);
  const bool leads_somewhere = asked.door != mucpd::Door::nowhere && asked.door != mucpd::Door::no_text;
  CANOPY_CHECK(leads_somewhere == !(asked.user.empty() && asked.job.empty()));
  CANOPY_CHECK(!leads_somewhere || mucpd::is_ours(path));

  // Of anything, whether or not a path has it.
  for (const std::string_view name : {std::string_view(asked.user), std::string_view(asked.function), text}) {
    const FunctionName made = mucpd::function_of(name, name);
    CANOPY_CHECK(is_name_part(made.space) && is_name_part(made.name));
    CANOPY_CHECK(made.name != mucpd::marker_of(name).name);
    CANOPY_CHECK(made.name.starts_with("x.h") || mucpd::unescape(made.name) == name);
  }
  for (const std::string_view job : {std::string_view(asked.job), text}) {
    const auto id = mucpd::parse_job_id(job);
    CANOPY_CHECK(!id || mucpd::job_text(*id).size() == job.size());
    CANOPY_CHECK(!id || mucpd::is_object_id(job));
  }
  return 0;
}
