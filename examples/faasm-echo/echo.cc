// Answers what it was sent, as a function for Faasm is written: nothing here knows Canopy.

#include <cstdint>
#include <vector>

#include <faasm/faasm.h>

int main(int argc, char* argv[]) {
  const long size = faasmGetInputSize();
  if (size == 0) {
    const char* const nothing = "Nothing to echo";
    faasmSetOutput(nothing, 15);
    return 0;
  }
  std::vector<uint8_t> input(static_cast<std::size_t>(size));
  faasmGetInput(input.data(), size);
  faasmSetOutput(input.data(), size);
  return 0;
}
