#include "balance/proof.h"

#include <set>

#include <gtest/gtest.h>

namespace canopy::balance {
namespace {

TEST(Proof, EachIsForOneThingAlone) {
  const std::string token = make_token();
  const Nonces nonces{.gateway = make_nonce(), .worker = make_nonce()};
  const Nonces swapped{.gateway = nonces.worker, .worker = nonces.gateway};
  const Sha256Digest key = line_key(token, nonces);
  const std::set<Sha256Digest> all = {joining_proof(token, nonces, "a"),
                                      joining_proof(token, nonces, "b"),
                                      joining_proof(make_token(), nonces, "a"),
                                      joining_proof(token, swapped, "a"),
                                      welcome_proof(token, nonces),
                                      welcome_proof(token, swapped),
                                      key,
                                      line_proof(key, nonces.gateway, 0),
                                      line_proof(key, nonces.gateway, 1),
                                      line_proof(key, nonces.worker, 0)};
  EXPECT_EQ(all.size(), 10U);
  EXPECT_EQ(joining_proof(token, nonces, "a"), joining_proof(token, nonces, "a"));
}

TEST(Token, IsReadWithoutWhatSurroundsIt) {
  const std::string token = make_token();
  EXPECT_EQ(token.size(), 64U);
  EXPECT_NE(token, make_token());
  EXPECT_EQ(read_token("  " + token + "\r\n").value(), token);
}

TEST(Token, OneThatCanBeGuessedIsNone) {
  for (const std::string& wrong : {std::string(), std::string(" \n"), std::string("secret"),
                                   std::string(15, 'x'), std::string(2000, 'x')}) {
    const auto read = read_token(wrong);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::invalid);
  }
}

}  // namespace
}  // namespace canopy::balance
