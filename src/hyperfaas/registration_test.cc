#include "hyperfaas/registration.h"

#include <string>

#include <gtest/gtest.h>

#include "wire/container.h"

namespace canopy::hyperfaas {
namespace {

const wire::LeafConfig config{.memory_bytes = 64 << 20,
                              .cpu_period_us = 100'000,
                              .cpu_quota_us = 50'000,
                              .idle_seconds = 7,
                              .max_concurrency = 3};

Function image_of(const std::string& runtime) {
  Function image;
  image.name = {"hyperfaas", "echo"};
  image.version = 4;
  image.runtime = runtime;
  return image;
}

TEST(Registration, ComesBackFromTheFunctionThatItIs) {
  const Registration registration{.image_tag = "hyperfaas-echo:latest", .config = config};
  const Function unbound = make_unbound({"hyperfaas", "id"}, registration);
  EXPECT_EQ(registration_of(unbound), registration);
  EXPECT_FALSE(is_bound(unbound));
  const Function image = image_of("wasm");
  const Function bound = make_bound({"hyperfaas", "id"}, registration, image, Options());
  EXPECT_EQ(registration_of(bound), registration);
  EXPECT_TRUE(is_bound_to(bound, image));
  EXPECT_EQ(bound.limits.memory_bytes, 64U << 20);
}

TEST(Registration, WhatCannotBeIsRefused) {
  const auto with = [](auto change) {
    Registration registration{.image_tag = "hyperfaas-echo", .config = config};
    change(registration);
    return check(registration).has_value();
  };
  EXPECT_TRUE(with([](Registration&) {}));
  EXPECT_TRUE(with([](Registration& one) { one.config = {}; }));
  EXPECT_FALSE(with([](Registration& one) { one.image_tag.clear(); }));
  EXPECT_FALSE(with([](Registration& one) { one.image_tag = "a b"; }));
  EXPECT_FALSE(with([](Registration& one) { one.config.memory_bytes = -1; }));
  EXPECT_FALSE(with([](Registration& one) { one.config.cpu_period_us = 60'000'001; }));
  EXPECT_FALSE(with([](Registration& one) { one.config.cpu_quota_us = std::int64_t{1} << 62U; }));
  EXPECT_FALSE(with([](Registration& one) { one.config.idle_seconds = -1; }));
}

TEST(Registration, NumbersThatSomebodyWroteByHandDoNoHarm) {
  Function function = make_unbound({"hyperfaas", "id"}, {.image_tag = "hyperfaas-echo", .config = config});
  for (const std::string text :
       {R"({"cpu_period":9223372036854775807,"cpu_quota":9223372036854775807})",
        R"({"memory":-9223372036854775808})", R"({"timeout":4294967295})", "[[", ""}) {
    function.env["HYPERFAAS_CONFIG"] = text;
    const auto read = registration_of(function);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->config, wire::LeafConfig()) << text;
    make_bound({"hyperfaas", "id"}, *read, image_of("container"), Options());
  }
}

}  // namespace
}  // namespace canopy::hyperfaas
