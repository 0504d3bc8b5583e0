// Answers with a greeting. The handler runs once per call, in an instance of its own that starts from a
// picture of the memory taken at deployment.

#include <string>

#include <canopy.h>

namespace {

std::string read_input() {
  std::string input(canopy_input_size(), '\0');
  canopy_input_read(input.data(), static_cast<uint32_t>(input.size()), 0);
  while (!input.empty() && input.back() == '\n') input.pop_back();
  return input;
}

}  // namespace

CANOPY_HANDLER(handle) {
  const std::string name = read_input();
  canopy_log(CANOPY_INFO, "greeting somebody");  // Goes to the call's log.
  canopy_set_header("Content-Type", "text/plain; charset=utf-8");
  canopy_print(("Hello, " + (name.empty() ? "world" : name) + "!\n").c_str());
  return 0;
}
