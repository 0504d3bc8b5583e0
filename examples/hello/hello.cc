// Greets whoever the input names. A reactor: it was initialised when it was deployed, and each call starts
// from a picture of its memory taken then.

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

CANOPY_HANDLER(hello) {
  const std::string name = read_input();
  canopy_set_header("Content-Type", "text/plain; charset=utf-8");
  canopy_print(("Hello, " + (name.empty() ? "world" : name) + "!\n").c_str());
  return 0;
}
