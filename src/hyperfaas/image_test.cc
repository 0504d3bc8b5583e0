#include "hyperfaas/image.h"

#include <string>

#include <gtest/gtest.h>

namespace canopy::hyperfaas {
namespace {

std::string found(std::string_view tag) {
  std::string text;
  for (const FunctionName& name : functions_of_image(tag)) text += (text.empty() ? "" : " ") + to_text(name);
  return text;
}

TEST(Image, OfHyperfaasIsAFunctionOfItsNamespace) {
  EXPECT_EQ(found("hyperfaas-echo:latest"), "hyperfaas/echo default/hyperfaas-echo hyperfaas/hyperfaas-echo");
  EXPECT_EQ(found("hyperfaas-bfs-json"),
            "hyperfaas/bfs-json default/hyperfaas-bfs-json hyperfaas/hyperfaas-bfs-json");
}

TEST(Image, OfAnotherNameIsTheFunctionOfThatName) {
  EXPECT_EQ(found("web"), "default/web hyperfaas/web");
  EXPECT_EQ(found("demo/web:2"), "demo/web default/web hyperfaas/web");
  EXPECT_EQ(found("registry.example:5000/a/b/web@sha256:12"), "b/web default/web hyperfaas/web");
  EXPECT_EQ(found("localhost:5000/web"), "default/web hyperfaas/web") << "a registry is no namespace";
}

TEST(Image, OfNoNameIsNothing) {
  for (const std::string_view tag : {"", ":", "/", "hyperfaas-", "a b", "web/", "..", "@sha256:1"}) {
    EXPECT_EQ(found(tag), tag == "hyperfaas-" ? "default/hyperfaas- hyperfaas/hyperfaas-" : "") << tag;
  }
  EXPECT_EQ(found(std::string(image_tag_bytes_max + 1, 'x')), "");
}

}  // namespace
}  // namespace canopy::hyperfaas
