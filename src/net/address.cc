#include "net/address.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace canopy::net {
namespace {

namespace ip = boost::asio::ip;

struct Range4 {
  std::uint32_t first;
  unsigned bits;
};

constexpr std::uint32_t v4(unsigned a, unsigned b, unsigned c, unsigned d) {
  return a << 24U | b << 16U | c << 8U | d;
}

// RFC 6890 and those that followed it.
constexpr std::array<Range4, 16> not_public_4 = {{
    {v4(0, 0, 0, 0), 8},       {v4(10, 0, 0, 0), 8},     {v4(100, 64, 0, 0), 10},  {v4(127, 0, 0, 0), 8},
    {v4(169, 254, 0, 0), 16},  {v4(172, 16, 0, 0), 12},  {v4(192, 0, 0, 0), 24},   {v4(192, 0, 2, 0), 24},
    {v4(192, 88, 99, 0), 24},  {v4(192, 168, 0, 0), 16}, {v4(198, 18, 0, 0), 15},  {v4(198, 51, 100, 0), 24},
    {v4(203, 0, 113, 0), 24},  {v4(224, 0, 0, 0), 4},    {v4(240, 0, 0, 0), 4},    {v4(168, 63, 129, 16), 32},
}};

bool is_public_4(std::uint32_t address) {
  return std::ranges::none_of(not_public_4, [address](const Range4& range) {
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - range.bits);
    return (address & mask) == range.first;
  });
}

bool is_public_6(const ip::address_v6& address) {
  const auto bytes = address.to_bytes();
  const auto word = [&bytes](std::size_t at) {
    return v4(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
  };
  if (address.is_v4_mapped()) return is_public_4(word(12));
  if (word(0) == 0x0064ff9b) return word(4) == 0 && word(8) == 0 && is_public_4(word(12));  // NAT64.
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return is_public_4(word(2));                    // 6to4.
  if (word(0) == 0x20010000) return false;                                                  // Teredo.
  if (word(0) == 0x20010db8) return false;                                                  // For examples.
  if ((word(0) & 0xfffffe00U) == 0x20010000U) return false;  // 2001::/23, of protocols.
  return (bytes[0] & 0xe0U) == 0x20U;                        // 2000::/3 is all that is given out.
}

}  // namespace

bool is_public(const ip::address& address) {
  if (address.is_v4()) return is_public_4(address.to_v4().to_uint());
  const ip::address_v6 wide = address.to_v6();
  return wide.scope_id() == 0 && is_public_6(wide);
}

}  // namespace canopy::net
