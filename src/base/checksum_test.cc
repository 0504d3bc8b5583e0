#include "base/checksum.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace canopy {
namespace {

std::string sample(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * i % 251);
  return bytes;
}

TEST(Checksum, FindsEveryFlippedBit) {
  std::string bytes = sample(200);
  const std::uint64_t sound = checksum(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    char& byte = bytes[bit / 8];
    const char whole = byte;
    byte = static_cast<char>(whole ^ 1 << bit % 8);
    EXPECT_NE(checksum(bytes), sound) << "bit " << bit;
    byte = whole;
  }
  EXPECT_EQ(checksum(bytes), sound);
}

TEST(Checksum, FindsWhatIsCutOrZeroedOrMoved) {
  const std::string bytes = sample(500);
  std::set<std::uint64_t> sums;
  for (std::size_t size = 0; size <= bytes.size(); ++size) sums.insert(checksum(bytes.substr(0, size)));
  EXPECT_EQ(sums.size(), bytes.size() + 1);
  for (std::size_t size = 0; size < 100; ++size) sums.insert(checksum(std::string(size, '\0')));
  EXPECT_EQ(sums.size(), bytes.size() + 99);  // Both begin empty, and then with one zero.
  EXPECT_NE(checksum(bytes.substr(32, 32) + bytes.substr(0, 32)), checksum(bytes.substr(0, 64)));
}

TEST(Checksum, IsTheSameHoweverItIsCut) {
  const std::string bytes = sample(300);
  for (std::size_t piece = 1; piece < 70; ++piece) {
    Checksum sum;
    for (std::size_t at = 0; at < bytes.size(); at += piece) sum.update(bytes.substr(at, piece));
    EXPECT_EQ(sum.value(), checksum(bytes)) << "in pieces of " << piece;
  }
}

// Compiled code outlives the program, and so does its checksum.
TEST(Checksum, StaysWhatItWas) {
  EXPECT_EQ(checksum(""), 0x2c6353e0f1cefa18U);
  EXPECT_EQ(checksum(sample(100)), 0x268f6431c6544e21U);
}

}  // namespace
}  // namespace canopy
