#include "base/pidfd.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace canopy {

pid_t process_of(const Descriptor& handle) {
  const std::string path = "/proc/self/fdinfo/" + std::to_string(handle.get());
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 512> text{};
  const ssize_t got = file ? read(file.get(), text.data(), text.size()) : 0;
  const std::string_view all(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  constexpr std::string_view word = "\nPid:\t";
  const std::size_t at = all.find(word);
  pid_t process = 0;
  if (at != all.npos) std::from_chars(all.data() + at + word.size(), all.data() + all.size(), process);
  return std::max(process, 0);
}

}  // namespace canopy
