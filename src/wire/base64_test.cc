#include "wire/base64.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

std::string read(std::string_view text) {
  const auto bytes = read_base64(text);
  return bytes ? *bytes : "error: " + bytes.error().message;
}

// What Python 3.12 makes of the same texts.
TEST(Base64, IsReadAsPythonReadsIt) {
  EXPECT_EQ(read("gARLBC4=\n"), std::string("\x80\x04K\x04."));
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("!!!!"), "");
  EXPECT_EQ(read("Y W\r\nJ%j"), "abc");
  EXPECT_EQ(read("YWJj=YWJj"), "abcabc") << "a '=' where nothing is to be padded";
  EXPECT_EQ(read("YWI=YWI="), "ab") << "what follows the end";
  EXPECT_EQ(read("YQ=="), "a");
  EXPECT_EQ(read("YQ=\n="), "a");
  EXPECT_EQ(read("YQ=Y"), "error: Incorrect padding");
  EXPECT_EQ(read("="), "");
}

TEST(Base64, IsRefusedInPythonsWords) {
  EXPECT_EQ(read("payload"), "error: Incorrect padding");
  EXPECT_EQ(read("YQ="), "error: Incorrect padding");
  EXPECT_EQ(read("YQ"), "error: Incorrect padding");
  EXPECT_EQ(read("abcde"),
            "error: Invalid base64-encoded string: number of data characters (5) cannot be 1 more than a "
            "multiple of 4");
}

TEST(Base64, IsWrittenInLines) {
  EXPECT_EQ(write_base64("\x80\x04K\x04."), "gARLBC4=\n");
  EXPECT_EQ(write_base64(""), "");
  EXPECT_EQ(write_base64("a"), "YQ==\n");
  EXPECT_EQ(write_base64("ab"), "YWI=\n");
  EXPECT_EQ(write_base64("abc"), "YWJj\n");
  const std::string text = write_base64(std::string(58, '\xff'));
  EXPECT_EQ(text, std::string(76, '/') + "\n/w==\n");
}

TEST(Base64, ComesBackAsItWas) {
  std::string bytes;
  for (int i = 0; i < 700; ++i) {
    EXPECT_EQ(read(write_base64(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

}  // namespace
}  // namespace canopy::wire
