// Any bytes as catalog.db: it is refused, or it opens and works. It never crashes, hangs or is written to
// when refused.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/check.h"
#include "store/catalog.h"
#include "store/data_folder.h"
#include "store/sample.h"
#include "store/temp_folder.h"

namespace {

namespace fs = std::filesystem;
using canopy::store::deploy;
using canopy::store::sample_function;

void write(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void use(canopy::store::Catalog& catalog) {
  const auto snapshot = catalog.snapshot();
  for (const auto& [name, function] : snapshot->functions) {
    if (const auto versions = catalog.versions(name)) CANOPY_CHECK(!versions->empty());
    if (const auto back = catalog.rollback(name, 0)) CANOPY_CHECK((*back)->version < function->version);
    const bool removed = catalog.remove(name).has_value();
    CANOPY_CHECK(removed != catalog.snapshot()->functions.contains(name));
  }
  if (const auto put = deploy(catalog, sample_function("fuzz/new"))) CANOPY_CHECK(put->function->version > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(canopy::store::parse_format(bytes));

  const canopy::FakeClock clock;
  const auto temp = canopy::store::TempFolder::make();
  CANOPY_CHECK(temp.has_value());
  write(temp->path() / "catalog.db", bytes);
  // With the format file that goes with the number of the schema, so that older ones are migrated; format 0
  // has none.
  const int schema = size > 63 ? data[63] : 0;
  const bool older = schema == 1 || schema == 2;
  const int format = older ? schema - 1 : canopy::store::format_newest;
  if (format > 0) write(temp->path() / "format", std::to_string(format) + "\n");
  if (const auto catalog = canopy::store::open_catalog(temp->path(), clock)) {
    use(**catalog);
  } else {
    CANOPY_CHECK(older || content(temp->path() / "catalog.db") == bytes);
  }
  return 0;
}
