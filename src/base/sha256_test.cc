#include "base/sha256.h"

#include <string>

#include <gtest/gtest.h>

namespace canopy {
namespace {

// From FIPS 180-2, and of no bytes.
constexpr std::string_view of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, MatchesTheStandard) {
  EXPECT_EQ(sha256_hex("abc"), of_abc);
  EXPECT_EQ(sha256_hex(""), of_nothing);
}

TEST(Sha256, PiecesAreAsTheWhole) {
  Sha256 hash;
  hash.update("a");
  hash.update("");
  hash.update("bc");
  EXPECT_EQ(hash.finish_hex(), of_abc);
  EXPECT_EQ(hash.finish_hex(), of_nothing);  // It began anew.
}

TEST(Sha256, KnowsItsForm) {
  EXPECT_TRUE(is_sha256_hex(of_abc));
  EXPECT_FALSE(is_sha256_hex(of_abc.substr(1)));
  EXPECT_FALSE(is_sha256_hex(std::string(of_abc) + "0"));
  EXPECT_FALSE(is_sha256_hex("BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_FALSE(is_sha256_hex("../816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

}  // namespace
}  // namespace canopy
