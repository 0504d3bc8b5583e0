#pragma once
// The guest's linear memory, with every access checked: what does not lie inside is refused, whatever
// address and size the guest made up. Each byte is read once, since another thread of the guest may
// change it meanwhile.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/units.h"
#include "guest/vfs.h"
#include "guest/wasi.h"
#include "wasm/host.h"

namespace canopy::guest {

inline constexpr std::uint32_t iovecs_max = 1024;  // As IOV_MAX elsewhere.
// What one read or write moves: milliseconds. Guests go on after a short one, and others get their turn
// before.
inline constexpr std::uint32_t move_bytes_max = 8 * MiB;

class Memory {
 public:
  explicit Memory(std::span<std::byte> bytes) : bytes_(bytes) {}

  // fault: not all of it lies inside.
  Io<std::span<std::byte>> part(std::uint64_t at, std::uint64_t size) const {
    bool inside = false;
    const auto found = wasm::part(bytes_, at, size, inside);
    if (!inside) return io_error(Errno::fault);
    return found;
  }

  template <class T>
  Io<T> get(std::uint64_t at) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto from = part(at, sizeof(T));
    if (!from) return io_error(Errno::fault);
    T value;
    std::memcpy(&value, from->data(), sizeof(T));
    return value;
  }

  template <class T>
  Errno put(std::uint64_t at, const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto to = part(at, sizeof(T));
    if (!to) return Errno::fault;
    std::memcpy(to->data(), &value, sizeof(T));
    return Errno::success;
  }

  // A copy of the text there. fault; nametoolong: more than `size_max`.
  Io<std::string> text(std::uint32_t at, std::uint32_t size, std::size_t size_max) const {
    const auto from = part(at, size);
    if (!from) return io_error(Errno::fault);
    if (size > size_max) return io_error(Errno::nametoolong);
    return std::string(reinterpret_cast<const char*>(from->data()), from->size());
  }

  // Calls `move(piece)` for each vector in turn, until one moves less than its piece or move_bytes_max are
  // moved. Returns the sum.
  //   inval  more than iovecs_max vectors
  //   fault  the list, or a piece, lies outside; nothing was moved
  // and the error of `move`, where nothing was moved before it.
  template <class Move>
  Io<std::uint32_t> each(std::uint32_t vectors, std::uint32_t count, Move&& move) const;

 private:
  std::span<std::byte> bytes_;
};

template <class Move>
Io<std::uint32_t> Memory::each(std::uint32_t vectors, std::uint32_t count, Move&& move) const {
  if (count > iovecs_max) return io_error(Errno::inval);
  if (!part(vectors, std::uint64_t{count} * sizeof(WasiIovec))) return io_error(Errno::fault);
  const auto piece_at = [&](std::uint32_t index) -> Io<std::span<std::byte>> {
    const auto vector = get<WasiIovec>(std::uint64_t{vectors} + std::uint64_t{index} * sizeof(WasiIovec));
    if (!vector) return io_error(vector.error());
    return part(vector->buffer, vector->size);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    if (const auto piece = piece_at(i); !piece) return io_error(piece.error());
  }
  std::uint32_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto piece = piece_at(i);
    if (!piece) return total > 0 ? Io<std::uint32_t>(total) : io_error(piece.error());
    // Vectors may overlap, so the sum could be far more than the memory.
    const std::size_t room = move_bytes_max - total;
    const auto wanted = piece->size() > room ? piece->first(room) : *piece;
    const Io<std::size_t> moved = move(wanted);
    if (!moved) return total > 0 ? Io<std::uint32_t>(total) : io_error(moved.error());
    total += static_cast<std::uint32_t>(*moved);
    if (*moved < piece->size()) break;
  }
  return total;
}

}  // namespace canopy::guest
