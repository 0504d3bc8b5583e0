#include "store/sha256.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "store/temp_folder.h"

namespace canopy::store {
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

TEST(Sha256, OfAFileIsOfItsContent) {
  const TempFolder temp = *TempFolder::make();
  const std::string content(1'000'000, 'x');
  std::ofstream(temp.path() / "file", std::ios::binary) << content;
  EXPECT_EQ(*sha256_hex_of_file(temp.path() / "file"), sha256_hex(content));
}

TEST(Sha256, OfAFileFailsWhereThereIsNone) {
  const TempFolder temp = *TempFolder::make();
  std::filesystem::create_symlink("/etc/passwd", temp.path() / "link");
  EXPECT_EQ(sha256_hex_of_file(temp.path() / "missing").error().code, Code::not_found);
  EXPECT_EQ(sha256_hex_of_file(temp.path() / "link").error().code, Code::unavailable);
  EXPECT_EQ(sha256_hex_of_file(temp.path()).error().code, Code::unavailable);
}

TEST(Sha256, KnowsItsForm) {
  EXPECT_TRUE(is_sha256_hex(of_abc));
  EXPECT_FALSE(is_sha256_hex(of_abc.substr(1)));
  EXPECT_FALSE(is_sha256_hex(std::string(of_abc) + "0"));
  EXPECT_FALSE(is_sha256_hex("BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_FALSE(is_sha256_hex("../816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

}  // namespace
}  // namespace canopy::store
