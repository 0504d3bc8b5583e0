// Makes a picture small: PGM or PPM (P5, P6) in, the same out, at most 64 points wide and high. Each point of
// the result is the mean of those it stands for.

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <canopy.h>

namespace {

constexpr std::size_t side_max = 64;
constexpr std::size_t points_max = 64 * 1024 * 1024;

struct Picture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::size_t channels = 1;
  std::vector<std::uint8_t> points;
};

std::string read_input() {
  std::string input(canopy_input_size(), '\0');
  canopy_input_read(input.data(), static_cast<std::uint32_t>(input.size()), 0);
  return input;
}

// A number of the header; comments run from '#' to the end of the line.
std::optional<std::size_t> read_number(const std::string& text, std::size_t& at) {
  while (at < text.size() && (std::isspace(static_cast<unsigned char>(text[at])) || text[at] == '#')) {
    if (text[at] == '#') at = std::min(text.find('\n', at), text.size() - 1);
    ++at;
  }
  std::size_t number = 0;
  const std::size_t begin = at;
  while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) && number < points_max) {
    number = number * 10 + static_cast<std::size_t>(text[at++] - '0');
  }
  return at == begin ? std::nullopt : std::optional(number);
}

std::optional<Picture> read_picture(const std::string& text) {
  if (!text.starts_with("P5") && !text.starts_with("P6")) return std::nullopt;
  std::size_t at = 2;
  const auto width = read_number(text, at);
  const auto height = read_number(text, at);
  const auto brightest = read_number(text, at);
  if (!width || !height || !brightest || *width == 0 || *height == 0 || *brightest != 255)
    return std::nullopt;
  ++at;  // One blank ends the header.
  Picture picture{*width, *height, text[1] == '6' ? 3U : 1U, {}};
  if (picture.width > points_max / picture.height) return std::nullopt;
  const std::size_t size = picture.width * picture.height * picture.channels;
  if (at > text.size() || size > text.size() - at) return std::nullopt;
  picture.points.assign(text.begin() + static_cast<std::ptrdiff_t>(at),
                        text.begin() + static_cast<std::ptrdiff_t>(at + size));
  return picture;
}

Picture shrink(const Picture& from) {
  const std::size_t longest = std::max(from.width, from.height);
  if (longest <= side_max) return from;
  Picture to{std::max<std::size_t>(from.width * side_max / longest, 1),
             std::max<std::size_t>(from.height * side_max / longest, 1),
             from.channels,
             {}};
  for (std::size_t y = 0; y < to.height; ++y) {
    const std::size_t top = y * from.height / to.height;
    const std::size_t bottom = (y + 1) * from.height / to.height;
    for (std::size_t x = 0; x < to.width; ++x) {
      const std::size_t left = x * from.width / to.width;
      const std::size_t right = (x + 1) * from.width / to.width;
      for (std::size_t channel = 0; channel < from.channels; ++channel) {
        std::size_t sum = 0;
        for (std::size_t row = top; row < bottom; ++row) {
          for (std::size_t column = left; column < right; ++column) {
            sum += from.points[(row * from.width + column) * from.channels + channel];
          }
        }
        const std::size_t count = (bottom - top) * (right - left);
        to.points.push_back(static_cast<std::uint8_t>((sum + count / 2) / count));
      }
    }
  }
  return to;
}

}  // namespace

CANOPY_HANDLER(thumbnail) {
  const auto picture = read_picture(read_input());
  if (!picture) {
    canopy_status_set(415);
    canopy_print("send a picture as binary PGM or PPM (P5 or P6, 255 levels)\n");
    return 0;
  }
  const Picture small = shrink(*picture);
  canopy_set_header("Content-Type",
                    small.channels == 3 ? "image/x-portable-pixmap" : "image/x-portable-graymap");
  const std::string head = "P" + std::string(small.channels == 3 ? "6" : "5") + "\n" +
                           std::to_string(small.width) + " " + std::to_string(small.height) + "\n255\n";
  canopy_output_write(head.data(), static_cast<std::uint32_t>(head.size()));
  canopy_output_write(small.points.data(), static_cast<std::uint32_t>(small.points.size()));
  return 0;
}
