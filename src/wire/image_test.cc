#include "wire/image.h"

#include <map>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "wire/tar.h"

namespace canopy::wire {
namespace {

std::string archive_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string archive;
  for (const auto& [path, content] : files) {
    TarEntry entry;
    entry.path = path;
    append_tar(entry, content, archive);
  }
  append_tar_end(archive);
  return archive;
}

std::string refusal(std::string_view archive) {
  const auto image = read_image(archive);
  return image ? "" : image.error().message;
}

std::string blob(const std::string& content) { return "blobs/sha256/" + sha256_hex(content); }

std::string named(const std::string& content, const std::string& more = "") {
  return R"({"digest":"sha256:)" + sha256_hex(content) + "\"" + more + "}";
}

TEST(Image, OfOneProgramIsReadAgain) {
  const std::string archive = write_image({.name = "hello", .program = "binary", .env = {"A=1"}});
  const auto image = read_image(archive);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->command, std::vector<std::string>{"/function"});
  EXPECT_EQ(image->env, std::vector<std::string>{"A=1"});
  ASSERT_EQ(image->layers.size(), 1U);
  const ImageLayer& layer = image->layers.front();
  EXPECT_FALSE(layer.compressed);
  TarReader reader(read_from(std::string_view(archive).substr(layer.at, layer.size_bytes)));
  const auto program = reader.next();
  ASSERT_TRUE(program && *program);
  EXPECT_EQ((*program)->path, "function");
  EXPECT_EQ((*program)->mode, 0755U);
}

TEST(Image, InAnOciLayoutIsRead) {
  const std::string layer = "\x1f\x8b compressed";
  const std::string config =
      R"({"os":"linux","config":{"Entrypoint":["/a"],"Cmd":["b","c"],"WorkingDir":"/w","User":"7:8"}})";
  const std::string manifest = R"({"config":)" + named(config) + R"(,"layers":[)" + named(layer) + "]}";
  const std::string index =
      R"({"manifests":[)" + named("x", R"(,"platform":{"os":"linux","architecture":"other"})") + "," +
      named(manifest,
            R"(,"platform":{"os":"linux","architecture":")" + std::string(image_architecture()) + "\"}") +
      "]}";
  const auto image = read_image(archive_of({{"oci-layout", "{}"},
                                            {"index.json", R"({"manifests":[)" + named(index) + "]}"},
                                            {blob(index), index},
                                            {blob(manifest), manifest},
                                            {blob(config), config},
                                            {blob(layer), layer}}));
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->command, (std::vector<std::string>{"/a", "b", "c"}));
  EXPECT_EQ(image->folder, "/w");
  EXPECT_EQ(image->user, "7:8");
  ASSERT_EQ(image->layers.size(), 1U);
  EXPECT_TRUE(image->layers.front().compressed);
}

TEST(Image, WithoutADescriptionIsARootFileSystem) {
  const std::string archive = archive_of({{"bin/server", "x"}, {"etc/hosts", "y"}});
  const auto image = read_image(archive);
  ASSERT_TRUE(image);
  EXPECT_TRUE(image->command.empty());
  ASSERT_EQ(image->layers.size(), 1U);
  EXPECT_EQ(image->layers.front().size_bytes, archive.size());
}

TEST(Image, WhatLiesDeepDescribesNothing) {
  const std::string manifest = R"([{"Config":"config.json","Layers":["a/b/c/d"]}])";
  EXPECT_NE(refusal(archive_of({{"manifest.json", manifest}, {"config.json", "{}"}, {"a/b/c/d", "x"}}))
                .find("speaks of 'a/b/c/d', which is not in it"),
            std::string::npos);
}

TEST(Image, LayersThatAreLinksAreFound) {
  std::string archive =
      archive_of({{"config.json", "{}"},
                  {"a/layer.tar", "content"},
                  {"manifest.json", R"([{"Config":"config.json","Layers":["b/layer.tar"]}])"}});
  TarEntry link;
  link.kind = TarEntry::Kind::symlink;
  link.path = "b/layer.tar";
  link.target = "../a/layer.tar";
  std::string front;
  append_tar(link, "", front);
  const auto image = read_image(front + archive);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->layers.at(0).size_bytes, 7U);
}

TEST(Image, WhatIsNoneIsRefusedInAWord) {
  const std::map<std::string, std::string> cases = {
      {"{", "not JSON"},
      {"[]", "lists no image"},
      {"[{},{}]", "save one alone"},
      {R"([{"Config":"nowhere"}])", "not in it"},
      {R"([{"Config":"config.json","Layers":["nowhere"]}])", "not in it"},
      {R"([{"Config":"config.json","Layers":[7]}])", "no list of words"},
      {R"([{"Config":"other.json","Layers":[]}])", "made for"},
  };
  for (const auto& [manifest, words] : cases) {
    const std::string archive = archive_of({{"manifest.json", manifest},
                                            {"config.json", "{}"},
                                            {"other.json", R"({"os":"plan9","architecture":"mips"})"}});
    EXPECT_NE(refusal(archive).find(words), std::string::npos) << manifest << ": " << refusal(archive);
  }
  EXPECT_NE(refusal("\x1f\x8b and so on").find("gunzip"), std::string::npos);
  EXPECT_NE(
      refusal(archive_of({{"index.json", R"({"manifests":[{"digest":"sha256:../../x"}]})"}})).find("digest"),
      std::string::npos);
}

TEST(Image, TooManyLayersAreRefused) {
  std::string layers;
  for (std::size_t i = 0; i <= image_layers_max; ++i) layers += (i == 0 ? "" : ",") + std::string(R"("l")");
  const std::string archive = archive_of(
      {{"manifest.json", R"([{"Config":"c","Layers":[)" + layers + "]}]"}, {"c", "{}"}, {"l", "x"}});
  EXPECT_NE(refusal(archive).find("layers"), std::string::npos);
}

}  // namespace
}  // namespace canopy::wire
