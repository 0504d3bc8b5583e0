#include "wire/multipart.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

constexpr std::string_view type = "multipart/form-data; boundary=XX";

// A body of lines, each ended as the wire wants it.
std::string lines(std::initializer_list<std::string_view> all) {
  std::string text;
  for (const std::string_view line : all) text += std::string(line) + "\r\n";
  return text;
}

std::string part(std::string_view name, std::string_view content) {
  return "--XX\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n\r\n" +
         std::string(content) + "\r\n";
}

Error refusal(std::string_view content_type, std::string_view body, MultipartLimits limits = {}) {
  const auto parts = parse_multipart(content_type, body, limits);
  EXPECT_FALSE(parts) << body;
  return parts ? Error{} : parts.error();
}

void expect_refusal(const Error& error, Code code, std::string_view words) {
  EXPECT_EQ(error.code, code);
  EXPECT_NE(error.message.find(words), std::string::npos)
      << "'" << error.message << "' lacks '" << words << "'";
}

TEST(Multipart, ReadsPartsInOrder) {
  const std::string body =
      lines({"--XX", "Content-Disposition: form-data; name=\"manifest\"", "", "name: a/b", "--XX",
             "content-disposition: Form-Data; name=code; filename=\"f.wasm\"",
             "Content-Type: application/wasm", "", "one", "two", "--XX--"});
  const auto parts = parse_multipart(type, body);
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].name, "manifest");
  EXPECT_FALSE((*parts)[0].filename);
  EXPECT_EQ((*parts)[0].content_type, "text/plain");
  EXPECT_EQ((*parts)[0].body, "name: a/b");
  EXPECT_EQ((*parts)[0].offset, 6U);
  EXPECT_EQ((*parts)[1].name, "code");
  EXPECT_EQ((*parts)[1].filename, "f.wasm");
  EXPECT_EQ((*parts)[1].content_type, "application/wasm");
  EXPECT_EQ((*parts)[1].body, "one\r\ntwo");
}

TEST(Multipart, KeepsBytesAsTheyAre) {
  const std::string bytes("\0\r\n--X\r\n--XXY\r\n-\n--XX\n\xFF", 23);
  const std::string body = part("code", bytes) + "--XX--";
  const auto parts = parse_multipart(type, body);
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ((*parts)[0].body, bytes);
}

TEST(Multipart, ReadsEmptyParts) {
  const std::string body = part("a", "") + part("b", "x") + "--XX--\r\n";
  const auto parts = parse_multipart(type, body);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2U);
  EXPECT_EQ((*parts)[0].body, "");
  // The line end of the empty line is all there is before the next boundary.
  const auto tight = parse_multipart(type, "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n--XX--");
  ASSERT_TRUE(tight) << tight.error().message;
  EXPECT_EQ((*tight)[0].body, "");
}

TEST(Multipart, IgnoresWhatStandsAroundTheParts) {
  const std::string body = "hello\r\n" + part("a", "x") + "--XX--  \r\nbye --XX";
  const auto parts = parse_multipart(type, body);
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->size(), 1U);
}

TEST(Multipart, ReadsNoPartsAtAll) {
  const auto parts = parse_multipart(type, "--XX--");
  ASSERT_TRUE(parts);
  EXPECT_TRUE(parts->empty());
}

TEST(Multipart, AllowsSpacesAfterABoundary) {
  const auto parts =
      parse_multipart(type, "--XX \t\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--XX--\r\n");
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ((*parts)[0].body, "x");
}

TEST(Multipart, ReadsAQuotedBoundary) {
  const std::string body =
      "--a b'()+_,-./:=?c\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--a b'()+_,-./:=?c--";
  const auto parts = parse_multipart("multipart/form-data; boundary=\"a b'()+_,-./:=?c\"", body);
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ((*parts)[0].body, "x");
}

TEST(Multipart, RefusesAnotherTypeOrBoundary) {
  expect_refusal(refusal("application/json", "x"), Code::invalid, "not multipart/form-data");
  expect_refusal(refusal("multipart/mixed; boundary=XX", "x"), Code::invalid, "not multipart/form-data");
  expect_refusal(refusal("multipart/form-data", "x"), Code::invalid, "must say its boundary");
  for (const std::string& boundary : {std::string("\"\""), std::string(71, 'a'), std::string("\"a \""),
                                      std::string("a\xC3\xA4"), std::string("a@b")}) {
    expect_refusal(refusal("multipart/form-data; boundary=" + boundary, "x"), Code::invalid,
                   "is not a boundary");
  }
  EXPECT_TRUE(parse_multipart("multipart/form-data; boundary=" + std::string(70, 'a'),
                              "--" + std::string(70, 'a') + "--"));
}

TEST(Multipart, RefusesABodyWithoutItsBoundaries) {
  expect_refusal(refusal(type, ""), Code::invalid, "its boundary is not in it");
  expect_refusal(refusal(type, "--YY\r\n"), Code::invalid, "its boundary is not in it");
  expect_refusal(refusal(type, "--XX\nContent-Disposition: form-data; name=a\n\nx\n--XX--"), Code::invalid,
                 "its boundary is not in it");
  expect_refusal(refusal(type, part("code", "abc")), Code::invalid,
                 "part 1 ('code'), at byte 58: the body ends without its last boundary");
  // Wherever the upload is cut, it is refused.
  const std::string whole = part("a", "x") + part("b", "yy") + "--XX--";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_multipart(type, std::string_view(whole).substr(0, size))) << size;
  }
  EXPECT_TRUE(parse_multipart(type, whole));
}

TEST(Multipart, RefusesMalformedHeads) {
  const auto head = [](std::string_view text) {
    return "--XX\r\n" + std::string(text) + "\r\n\r\nx\r\n--XX--";
  };
  expect_refusal(refusal(type, head("X-Other: 1")), Code::invalid, "it has no Content-Disposition");
  expect_refusal(refusal(type, head("nonsense")), Code::invalid,
                 "part 1, at byte 6: 'nonsense' is not a header");
  expect_refusal(refusal(type, head(": x")), Code::invalid, "is not a header");
  expect_refusal(refusal(type, head("A: b\r\n folded")), Code::invalid, "' folded' is not a header");
  expect_refusal(refusal(type, head(std::string("A: b\0c", 6))), Code::invalid, "control characters");
  expect_refusal(refusal(type, head("A: b\nc")), Code::invalid, "control characters");
  expect_refusal(refusal(type, head("Content-Disposition: form-data")), Code::invalid, "form-data; name=");
  expect_refusal(refusal(type, head("Content-Disposition: form-data; name=\"\"")), Code::invalid,
                 "should be");
  expect_refusal(refusal(type, head("Content-Disposition: attachment; name=a")), Code::invalid, "should be");
  const std::string good = "Content-Disposition: form-data; name=a\r\n";
  expect_refusal(refusal(type, head(good + "Content-Disposition: form-data; name=b")), Code::invalid,
                 "part 1 ('a'), at byte 46: it has two of Content-Disposition");
  expect_refusal(refusal(type, head(good + "Content-Type: a/b\r\nContent-Type: a/c")), Code::invalid,
                 "two of");
  expect_refusal(refusal(type, head(good + "Content-Transfer-Encoding: base64")), Code::invalid,
                 "its encoding 'base64' is not read");
  EXPECT_TRUE(parse_multipart(type, head(good + "Content-Transfer-Encoding: Binary")));
}

TEST(Multipart, BoundsPartsAndHeads) {
  std::string body;
  for (int i = 0; i < 3; ++i) body += part("p" + std::to_string(i), "x");
  body += "--XX--";
  EXPECT_TRUE(parse_multipart(type, body, {.parts_max = 3}));
  expect_refusal(refusal(type, body, {.parts_max = 2}), Code::too_large, "more than 2 parts");

  const std::string long_head =
      "--XX\r\nContent-Disposition: form-data; name=a\r\nA: " + std::string(300, 'b') + "\r\n\r\nx\r\n--XX--";
  EXPECT_TRUE(parse_multipart(type, long_head));
  expect_refusal(refusal(type, long_head, {.head_bytes_max = 200}), Code::too_large, "longer than 200 bytes");
  expect_refusal(refusal(type, "--XX\r\nA: b"), Code::invalid, "the body ends inside its head");
}

TEST(FindPart, FindsTheOneOfThatName) {
  const std::string body = part("a", "1") + part("b", "2") + part("b", "3") + "--XX--";
  const auto parts = parse_multipart(type, body);
  ASSERT_TRUE(parts);
  ASSERT_TRUE(find_part(*parts, "a"));
  EXPECT_EQ((*find_part(*parts, "a"))->body, "1");
  EXPECT_EQ(*find_part(*parts, "c"), nullptr);
  const auto twice = find_part(*parts, "b");
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("two parts are called 'b'"), std::string::npos);
}

}  // namespace
}  // namespace canopy::wire
