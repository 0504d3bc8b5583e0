#include <set>

#include <gtest/gtest.h>

#include "crypto/api_key.h"
#include "crypto/box.h"
#include "crypto/keyed_hash.h"
#include "crypto/password.h"

namespace canopy::crypto {
namespace {

TEST(KeyedHash, IsTheSameForTheSameBytesAndNobodyElses) {
  const KeyedHash mine;
  const KeyedHash other;
  EXPECT_EQ(mine("abc"), mine("abc"));
  EXPECT_NE(mine("abc"), mine("abd"));
  EXPECT_NE(mine("abc"), other("abc"));
}

TEST(SameBytes, ComparesSizeAndContent) {
  EXPECT_TRUE(same_bytes("", ""));
  EXPECT_TRUE(same_bytes("abc", "abc"));
  EXPECT_FALSE(same_bytes("abc", "abd"));
  EXPECT_FALSE(same_bytes("abc", "abcd"));
  EXPECT_TRUE(same_digest(digest_of_secret("a"), digest_of_secret("a")));
  EXPECT_FALSE(same_digest(digest_of_secret("a"), digest_of_secret("b")));
}

TEST(ApiKey, ComesApartAgain) {
  const NewApiKey key = make_api_key();
  ASSERT_EQ(key.text.size(), api_key_size);
  const auto parts = parse_api_key(key.text);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->id, key.id);
  EXPECT_TRUE(is_api_key_id(key.id));
  EXPECT_EQ(digest_of_secret(parts->secret), key.digest);
}

TEST(ApiKey, IsAnotherEachTime) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(make_api_key().text.substr(0, 20));
  EXPECT_EQ(seen.size(), 1000);
}

TEST(ApiKey, WhatIsNoneIsRefused) {
  const std::string good = make_api_key().text;
  std::string upper = good;
  upper[30] = 'A';
  std::string odd = good;
  odd[20] = '-';
  std::string prefix = good;
  prefix[0] = 'C';
  const std::string null(api_key_size, '\0');
  for (const std::string& bad : {std::string(), good.substr(1), good + "0", upper, odd, prefix, null}) {
    EXPECT_FALSE(parse_api_key(bad)) << bad;
  }
  EXPECT_FALSE(is_api_key_id("0123"));
  EXPECT_FALSE(is_api_key_id("0123456789abcdeg"));
}

TEST(Password, IsKnownAgain) {
  const auto hash = hash_password("correct horse");
  ASSERT_TRUE(hash) << hash.error().message;
  EXPECT_TRUE(hash->starts_with("$argon2id$")) << *hash;
  EXPECT_EQ(hash->find("correct"), std::string::npos);
  EXPECT_TRUE(check_password("correct horse", *hash));
  EXPECT_FALSE(check_password("correct horsf", *hash));
  EXPECT_FALSE(check_password("", *hash));
  EXPECT_FALSE(check_password("correct horse", ""));
  EXPECT_FALSE(check_password("correct horse", "$argon2id$damaged"));
}

TEST(Password, IsNeitherShortNorEndless) {
  const auto refused = hash_password("1234567");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid);
  EXPECT_EQ(refused.error().message, "a password has 8 to 200 characters; this one has 7");
  EXPECT_EQ(hash_password(std::string(201, 'x')).error().code, Code::invalid);
  const std::string endless(password_bytes_max + 1, 'x');
  EXPECT_FALSE(check_password(endless, ""));
}

TEST(Password, IsCountedInCharactersRatherThanBytes) {
  std::string letters;  // Each has three bytes.
  for (int i = 0; i < 200; ++i) letters += "\u20ac";
  EXPECT_TRUE(hash_password(letters));
  EXPECT_EQ(hash_password(letters + "x").error().code, Code::invalid);
  EXPECT_EQ(hash_password(letters.substr(0, std::size_t{7} * 3)).error().code, Code::invalid);
  EXPECT_EQ(hash_password("no UTF-8: \xff\xfe").error().message,
            "the password is no UTF-8; send it as UTF-8");
}

TEST(Box, OpensWithItsKeyAtItsPlaceOnly) {
  const BoxKey key = make_box_key();
  const std::string sealed = seal(key, "a/b", "the text");
  EXPECT_EQ(sealed.find("the text"), std::string::npos);
  EXPECT_NE(seal(key, "a/b", "the text"), sealed);
  EXPECT_EQ(open(key, "a/b", sealed), "the text");
  EXPECT_FALSE(open(key, "a/c", sealed));
  EXPECT_FALSE(open(make_box_key(), "a/b", sealed));
  EXPECT_EQ(open(key, "", seal(key, "", "")), "");
}

TEST(Box, AChangedBitDoesNotOpen) {
  const BoxKey key = make_box_key();
  const std::string sealed = seal(key, "place", "text");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(open(key, "place", changed)) << i;
    EXPECT_FALSE(open(key, "place", sealed.substr(0, i))) << i;
  }
}

TEST(BoxKey, IsReadBackFromItsHex) {
  const BoxKey key = make_box_key();
  EXPECT_EQ(parse_box_key(to_hex(key)), key);
  EXPECT_FALSE(parse_box_key(""));
  EXPECT_FALSE(parse_box_key(to_hex(key) + "00"));
  EXPECT_FALSE(parse_box_key(std::string(64, 'g')));
}

}  // namespace
}  // namespace canopy::crypto
