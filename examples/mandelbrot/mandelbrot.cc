// Draws the Mandelbrot set as PGM. The input is "WIDTH HEIGHT", or "WIDTH HEIGHT X Y SCALE" for a part of it.
// canopy: flags -O3

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

constexpr int steps_max = 255;

int steps(double x, double y) {
  double a = 0;
  double b = 0;
  for (int n = 0; n < steps_max; ++n) {
    const double next = a * a - b * b + x;
    b = 2 * a * b + y;
    a = next;
    if (a * a + b * b > 4) return n;
  }
  return steps_max;
}

}  // namespace

int main() {
  int width = 320;
  int height = 240;
  double x = -0.5;
  double y = 0;
  double scale = 3;
  const int given = std::scanf("%d %d %lf %lf %lf", &width, &height, &x, &y, &scale);
  if ((given != EOF && given != 2 && given != 5) || width < 1 || height < 1 || width > 4096 ||
      height > 4096) {
    std::fprintf(stderr, "mandelbrot: the input is WIDTH HEIGHT [X Y SCALE], each side at most 4096\n");
    return 1;
  }
  std::vector<std::uint8_t> row(static_cast<std::size_t>(width));
  std::printf("P5\n%d %d\n255\n", width, height);
  for (int i = 0; i < height; ++i) {
    for (int j = 0; j < width; ++j) {
      const double point = scale / width;
      const int n = steps(x + (j - width / 2.0) * point, y + (i - height / 2.0) * point);
      row[static_cast<std::size_t>(j)] = static_cast<std::uint8_t>(steps_max - n);
    }
    std::fwrite(row.data(), 1, row.size(), stdout);
  }
}
