#include "balance/code_piece.h"

#include <algorithm>
#include <fstream>

#include "wire/join_frames.h"

namespace canopy::balance {
namespace {

constexpr std::uint64_t code_offset_max = std::uint64_t{1} << 40U;  // Beyond any code.

}  // namespace

Result<std::string> read_code_piece(const std::filesystem::path& path, std::uint64_t offset) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(std::min<std::uint64_t>(offset, code_offset_max)));
  std::string piece(wire::code_piece_bytes_max, '\0');
  file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
  piece.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  if (piece.empty()) return fail(Code::not_found, "there is no more code in " + path.filename().string());
  return piece;
}

}  // namespace canopy::balance
