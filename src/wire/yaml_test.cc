#include "wire/yaml.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

Error refusal(std::string_view text, YamlLimits limits = {}) {
  const auto node = parse_yaml(text, "f.yaml", limits);
  EXPECT_FALSE(node) << text;
  return node ? Error{} : node.error();
}

void expect_refusal(std::string_view text, std::string_view words) {
  const Error error = refusal(text);
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_NE(error.message.find(words), std::string::npos)
      << "'" << error.message << "' lacks '" << words << "'";
}

TEST(Yaml, ReadsMapsListsAndScalarsWithTheirPlaces) {
  const auto root = parse_yaml("# hello\nname: demo\nlist:\n  - one\n  - {a: 1}\n", "f.yaml");
  ASSERT_TRUE(root) << root.error().message;
  ASSERT_EQ(root->kind, YamlNode::Kind::map);
  ASSERT_EQ(root->entries.size(), 2U);
  EXPECT_EQ(root->find("name")->text, "demo");
  EXPECT_EQ(root->find("name")->place.line, 2U);
  EXPECT_EQ(root->find("name")->place.column, 7U);
  EXPECT_EQ(root->entries[1].place.line, 3U);
  const YamlNode* list = root->find("list");
  ASSERT_EQ(list->items.size(), 2U);
  EXPECT_EQ(list->items[0].text, "one");
  EXPECT_EQ(list->items[0].place.column, 5U);
  EXPECT_EQ(list->items[1].find("a")->text, "1");
  EXPECT_EQ(root->find("absent"), nullptr);
}

TEST(Yaml, ReadsJson) {
  const auto root = parse_yaml(
      "{\n\t\"name\": \"a\\/b\\u00e4\",\n\t\"env\": {\"A\": \"\", \"B\": null}, \"l\": [1, 2]\n}\n", "f");
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(root->find("name")->text, "a/b\xC3\xA4");
  EXPECT_EQ(root->find("env")->find("A")->kind, YamlNode::Kind::scalar);
  EXPECT_EQ(root->find("env")->find("B")->kind, YamlNode::Kind::null);
  EXPECT_EQ(root->find("l")->items.size(), 2U);
}

TEST(Yaml, JoinsTheSurrogatesOfJson) {
  const auto root =
      parse_yaml(R"({"a": "x\ud83d\ude00y", "b": "\\ud83d\\ude00", "c": "\"\uD83D\uDE00"})", "f");
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(root->find("a")->text, "x\xF0\x9F\x98\x80y");
  EXPECT_EQ(root->find("b")->text, "\\ud83d\\ude00");
  EXPECT_EQ(root->find("c")->text, "\"\xF0\x9F\x98\x80");
  for (const std::string_view half : {R"({"a": "\ud83d"})", R"({"a": "\ud83dx"})", R"({"a": "\ude00\ud83d"})",
                                      R"({"a": "\ud83d\u0041"})", R"({"a": "\u)", R"({"a": "\)"}) {
    expect_refusal(half, "f.yaml:1:");
  }
}

TEST(Yaml, KnowsNothingFromEmptyText) {
  for (const std::string_view text : {"a:", "a: ~", "a: null", "a: Null", "a: # x"}) {
    EXPECT_EQ(parse_yaml(text, "f")->find("a")->kind, YamlNode::Kind::null) << text;
  }
  for (const std::string_view text : {"a: ''", "a: \"null\"", "a: '~'"}) {
    EXPECT_EQ(parse_yaml(text, "f")->find("a")->kind, YamlNode::Kind::scalar) << text;
  }
  EXPECT_EQ(parse_yaml("", "f")->kind, YamlNode::Kind::null);
  EXPECT_EQ(parse_yaml("# only a comment\n", "f")->kind, YamlNode::Kind::null);
  EXPECT_EQ(parse_yaml("---\n", "f")->kind, YamlNode::Kind::null);
}

TEST(Yaml, RefusesAnchorsAliasesAndTags) {
  expect_refusal("a: &x 1\nb: *x\n", "f.yaml:1:4: the anchor &x is not allowed");
  expect_refusal("a: &x [1]\n", "anchor");
  expect_refusal("&x a: 1\n", "anchor");
  expect_refusal("a: *x\n", "f.yaml:1:");
  expect_refusal("a: !!binary abcd\n", "the tag tag:yaml.org,2002:binary is not allowed");
  expect_refusal("a: !mine {}\n", "the tag");
  // The one that takes nine lines to become a billion words.
  expect_refusal("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n", "anchor");
  // Merge keys are aliases in disguise; alone they are a key like any other.
  EXPECT_TRUE(parse_yaml("<<: x\n", "f"));
}

TEST(Yaml, RefusesKeysThatAreNotPlainOrStandTwice) {
  expect_refusal("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' stands here a second time");
  expect_refusal("{a: 1, a: 2}", "a second time");
  expect_refusal("? [a]\n: 1\n", "a key must be a plain word, not a list");
  expect_refusal("? {a: b}\n: 1\n", "a key must be a plain word, not a map");
  expect_refusal(": 1\n", "f.yaml:1:");
  EXPECT_TRUE(parse_yaml("a: {x: 1}\nb: {x: 1}\n", "f"));  // Each map has its own.
}

TEST(Yaml, SaysWhereItIsNotYaml) {
  expect_refusal("a: [1, 2\n", "f.yaml:");
  expect_refusal("a: 1\n b: 2\n", "f.yaml:2:");
  expect_refusal("a: \"open\n", "f.yaml:1:4: this text is never closed");
  expect_refusal("a: 'open''\n", "f.yaml:1:4: this text is never closed");
  expect_refusal("a: \"open\\\"\n", "f.yaml:1:4: this text is never closed");
  expect_refusal("a: \"open", "not YAML");
  EXPECT_EQ(parse_yaml("\xC3\xA4: 'it''s'\nb: \"\\\"\"\n", "f")->entries[0].value.text, "it's");
  expect_refusal("{\"a\": 1", "not YAML");
  expect_refusal("{\"a\": [" + std::string(10'000, ' ') + "1, {\"b\": 2}", "end of sequence flow not found");
  expect_refusal("a\n---\nb\n", "a second document");
  expect_refusal("a: @x\n", "f.yaml:1:4: not YAML");
}

TEST(Yaml, RefusesBytesThatAreNotText) {
  expect_refusal("a: 1\nbc: \xFF\n", "f.yaml:2:5: this is not UTF-8");
  expect_refusal(std::string_view("a: \0", 4), "f.yaml:1:4: there is a control character");
  expect_refusal("a: \x1B[31m", "f.yaml:1:4: there is a control character");
  EXPECT_TRUE(
      parse_yaml("\xEF\xBB\xBF"
                 "a: caf\xC3\xA9\r\n",
                 "f"));
}

TEST(Yaml, BoundsSizeDepthAndNodes) {
  EXPECT_EQ(refusal(std::string(257 * KiB, ' ')).code, Code::too_large);
  const Error deep = refusal(std::string(17, '[') + std::string(17, ']'));
  EXPECT_EQ(deep.code, Code::too_large);
  EXPECT_NE(deep.message.find("f.yaml:1:17: nested deeper than 16"), std::string::npos) << deep.message;
  EXPECT_TRUE(parse_yaml(std::string(16, '[') + std::string(16, ']'), "f"));
  EXPECT_EQ(refusal(std::string(100'000, '[')).code, Code::too_large);
  EXPECT_EQ(refusal(std::string(100'000, '{')).code, Code::too_large);
  const Error many = refusal("[1, 2, 3, 4]", {.nodes_max = 4});
  EXPECT_EQ(many.code, Code::too_large);
  EXPECT_NE(many.message.find("more than 4 values"), std::string::npos);
  EXPECT_TRUE(parse_yaml("[1, 2, 3]", "f", {.nodes_max = 4}));
}

TEST(Yaml, DescribesWhatStandsThere) {
  const auto root = parse_yaml("{a: , b: 1, c: [], d: {}}", "f");
  ASSERT_TRUE(root) << root.error().message;
  EXPECT_EQ(describe(*root->find("a")), "nothing");
  EXPECT_EQ(describe(*root->find("b")), "a value");
  EXPECT_EQ(describe(*root->find("c")), "a list");
  EXPECT_EQ(describe(*root->find("d")), "a map");
}

}  // namespace
}  // namespace canopy::wire
