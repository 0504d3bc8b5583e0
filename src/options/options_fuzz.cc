#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "options/options.h"

// The text of a settings file; what is before a NUL is one flag more.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = bytes.find('\0');
  const std::string text(nul == std::string_view::npos ? bytes : bytes.substr(nul + 1));
  OptionInput input;
  input.arguments = {"--config=f"};
  if (nul != std::string_view::npos) input.arguments.push_back(bytes.substr(0, nul));
  input.read_file = [&](const std::string&) { return Result<std::string>(text); };
  const auto parsed = parse_options(input);
  if (!parsed) {
    CANOPY_CHECK(parsed.error().code == Code::invalid || parsed.error().code == Code::too_large);
    CANOPY_CHECK(!parsed.error().message.empty());
    return 0;
  }
  CANOPY_CHECK(check_options(parsed->options).has_value());
  (void)describe_changes(*parsed);
  return 0;
}
