#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const auto image = wire::read_image({reinterpret_cast<const char*>(data), size});
  if (!image) {
    CANOPY_CHECK(image.error().code == Code::refused);
    return 0;
  }
  CANOPY_CHECK(image->layers.size() <= wire::image_layers_max);
  for (const wire::ImageLayer& layer : image->layers) {
    CANOPY_CHECK(layer.at <= size && layer.size_bytes <= size - layer.at);
  }
  return 0;
}
