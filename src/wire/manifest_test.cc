#include "wire/manifest.h"

#include <array>
#include <utility>

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

constexpr std::string_view whole = R"(# of my function
name: demo/hello
runtime: wasm
memory: 128MiB
timeout: 2.5s
concurrency: 7
output: 1MiB
log: 64KiB
tmp: 0
open_files: 8
keep_warm: 4
env:
  GREETING: hello
  EMPTY: ""
  NUMBER: 007
)";

template <class T>
std::string refusal(const Result<T>& result, Code code = Code::invalid) {
  EXPECT_FALSE(result);
  if (result) return "";
  EXPECT_EQ(result.error().code, code);
  return result.error().message;
}

// The words that an upload of `text` is refused with.
std::string refused(std::string_view text) { return refusal(parse_manifest(text, "m.yaml")); }
std::string project_refused(std::string_view text) { return refusal(parse_project(text, "canopy.yaml")); }

TEST(Manifest, ReadsEveryKey) {
  const auto manifest = parse_manifest(whole, "m.yaml");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(to_text(*manifest->name), "demo/hello");
  EXPECT_EQ(manifest->runtime, "wasm");
  EXPECT_EQ(manifest->memory_bytes, 128 * MiB);
  EXPECT_EQ(manifest->timeout, std::chrono::milliseconds(2500));
  EXPECT_EQ(manifest->concurrency, 7U);
  EXPECT_EQ(manifest->output_bytes, MiB);
  EXPECT_EQ(manifest->log_bytes, 64 * KiB);
  EXPECT_EQ(manifest->tmp_bytes, 0U);
  EXPECT_EQ(manifest->open_files, 8U);
  EXPECT_EQ(manifest->keep_warm, 4U);
  const std::map<std::string, std::string> env = {{"EMPTY", ""}, {"GREETING", "hello"}, {"NUMBER", "007"}};
  EXPECT_EQ(manifest->env, env);
}

TEST(Manifest, KeepsHowManyAreKeptInAVariable) {
  Function function;
  apply(*parse_manifest("{keep_warm: 4, env: {A: b}}", "m"), function);
  EXPECT_EQ(function.env, (std::map<std::string, std::string>{{"A", "b"}, {"CANOPY_KEEP_WARM", "4"}}));
  apply(*parse_manifest("keep_warm: 0", "m"), function);
  EXPECT_EQ(function.env, (std::map<std::string, std::string>{{"A", "b"}}));
  EXPECT_NE(refused("keep_warm: 1001").find("keep_warm"), std::string::npos);
}

TEST(Manifest, ReadsJson) {
  const auto manifest = parse_manifest(R"({"name": "hello", "memory": "1GiB", "env": {"A": "b"}})", "m");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(to_text(*manifest->name), "default/hello");
  EXPECT_EQ(manifest->memory_bytes, GiB);
  EXPECT_EQ(manifest->env->at("A"), "b");
}

TEST(Manifest, MayBeEmpty) {
  for (const std::string_view text : {"", "# nothing\n", "{}"}) {
    const auto manifest = parse_manifest(text, "m");
    ASSERT_TRUE(manifest) << text;
    EXPECT_FALSE(manifest->name);
    EXPECT_FALSE(manifest->env);
  }
}

TEST(Manifest, SaysFileLineAndColumn) {
  EXPECT_EQ(refused("name: a\n\nmemory: 64 MB\n"), "m.yaml:3:9: memory: '64 MB' is not a size; write 64MiB");
  EXPECT_EQ(refused("timeout: 5\n"), "m.yaml:1:10: timeout: '5' is not a duration; write 5s");
  EXPECT_EQ(refused("{\"concurrency\": \"many\"}"), "m.yaml:1:17: concurrency: 'many' is not a whole number");
}

TEST(Manifest, SuggestsTheNearestKey) {
  EXPECT_EQ(refused("name: a\nmemroy: 64MiB\n"),
            "m.yaml:2:1: no key 'memroy' is known here; did you mean 'memory'?");
  EXPECT_EQ(refused("open-files: 3\n"),
            "m.yaml:1:1: no key 'open-files' is known here; did you mean 'open_files'?");
  EXPECT_EQ(refused("frobnicate: 3\n"), "m.yaml:1:1: no key 'frobnicate' is known here");
  EXPECT_EQ(refused("Name: a\n"), "m.yaml:1:1: no key 'Name' is known here; did you mean 'name'?");
}

TEST(Manifest, RefusesWhatHasNoMeaningInAnUpload) {
  for (const std::string_view key : {"code", "path", "functions"}) {
    EXPECT_NE(refused(std::string(key) + ": x\n").find("belongs into canopy.yaml"), std::string::npos) << key;
  }
}

TEST(Manifest, ChecksEveryRange) {
  struct Case {
    std::string_view text;
    std::string_view words;
  };
  constexpr std::array<Case, 15> cases = {{{"memory: 63KiB", "the least is 64KiB"},
                                           {"memory: 5GiB", "the most is 4GiB"},
                                           {"memory: -1", "is not a size"},
                                           {"timeout: 0s", "the least is 1ms"},
                                           {"timeout: 61m", "the most is 1h"},
                                           {"concurrency: 0", "the least is 1"},
                                           {"concurrency: 100001", "the most is 100000"},
                                           {"output: 2GiB", "the most is 1GiB"},
                                           {"log: 65MiB", "the most is 64MiB"},
                                           {"tmp: 5GiB", "the most is 4GiB"},
                                           {"open_files: 4097", "the most is 4096"},
                                           {"runtime: \"\"", "is not a runtime"},
                                           {"runtime: Wasm!", "is not a runtime"},
                                           {"name: ../x", "is not a name"},
                                           {"name: a/b/c", "is not a name"}}};
  for (const Case& c : cases) {
    EXPECT_NE(refused(c.text).find(c.words), std::string::npos) << refused(c.text);
  }
  EXPECT_TRUE(parse_manifest("memory: 64KiB\ntimeout: 1ms\nconcurrency: 1\n", "m"));
  EXPECT_TRUE(parse_manifest("memory: 4GiB\ntimeout: 1h\nconcurrency: 100000\n", "m"));
}

TEST(Manifest, RefusesShapesThatAreNotExpected) {
  EXPECT_EQ(refused("memory: [64MiB]\n"), "m.yaml:1:9: memory: one value was expected, and this is a list");
  EXPECT_EQ(refused("memory:\nname: a\n"), "m.yaml:1:1: memory: one value was expected, and this is nothing");
  EXPECT_NE(refused("- a\n").find("m.yaml:1:1: a manifest is a map"), std::string::npos);
  EXPECT_NE(refused("hello\n").find("this is a value"), std::string::npos);
  EXPECT_NE(refused("env: [A]\n").find("env: a map such as"), std::string::npos);
  EXPECT_NE(refused("name: &a x\n").find("anchor"), std::string::npos);
  EXPECT_EQ(refusal(parse_manifest(std::string(300 * KiB, '#'), "m"), Code::too_large),
            "m: 307200 bytes; at most 256KiB are read");
}

TEST(Manifest, ChecksTheEnvironment) {
  EXPECT_NE(refused("env:\n  1A: x\n").find("m.yaml:2:3: env: '1A' is not the name of a variable"),
            std::string::npos);
  EXPECT_NE(refused("env: {A-B: x}").find("is not the name"), std::string::npos);
  EXPECT_NE(refused("env: {\"\": x}").find("is not the name"), std::string::npos);
  EXPECT_NE(refused("env: {" + std::string(256, 'A') + ": x}").find("is not the name"), std::string::npos);
  EXPECT_NE(refused("env:\n  A:\n").find("'A' must be a text, and this is nothing; write \"\""),
            std::string::npos);
  EXPECT_NE(refused("env: {A: [x]}").find("this is a list"), std::string::npos);
  EXPECT_NE(refused("env: {A: \"\\0\"}").find("has a NUL in it"), std::string::npos);
  EXPECT_NE(refused("env: {A: x, A: y}").find("a second time"), std::string::npos);
  std::string many = "env:\n";
  for (int i = 0; i < 101; ++i) many += "  V" + std::to_string(i) + ": x\n";
  EXPECT_NE(refused(many).find("env: 101 variables; a function may have 100"), std::string::npos);
  EXPECT_NE(refused("env: {A: " + std::string(64 * KiB, 'x') + "}").find("a function may have 64KiB"),
            std::string::npos);
}

TEST(ParseEnv, ReadsAFlag) {
  EXPECT_EQ(*parse_env("A=b=c"), std::pair(std::string("A"), std::string("b=c")));
  EXPECT_EQ(parse_env("A=")->second, "");
  EXPECT_EQ(refusal(parse_env("A")), "'A' is not a variable; write NAME=value");
  EXPECT_NE(refusal(parse_env("=x")).find("is not the name of a variable"), std::string::npos);
  EXPECT_NE(refusal(parse_env("a b=x")).find("is not the name of a variable"), std::string::npos);
}

TEST(CheckEnv, ChecksNamesToo) {
  EXPECT_TRUE(check_env({{"A", "b"}, {"_c", ""}}));
  EXPECT_FALSE(check_env({{"a.b", ""}}));
}

TEST(Apply, SetsWhatWasSaidAndNothingElse) {
  Function function;
  function.name = {"old", "name"};
  function.env = {{"OLD", "1"}};
  function.limits.timeout = std::chrono::seconds(3);
  apply(*parse_manifest("memory: 1MiB", "m"), function);
  EXPECT_EQ(function.limits.memory_bytes, MiB);
  EXPECT_EQ(function.limits.timeout, std::chrono::seconds(3));
  EXPECT_EQ(to_text(function.name), "old/name");
  EXPECT_EQ(function.env.size(), 1U);
  apply(*parse_manifest(whole, "m"), function);
  EXPECT_EQ(to_text(function.name), "demo/hello");
  EXPECT_EQ(function.limits.memory_bytes, 128 * MiB);
  EXPECT_EQ(function.limits.concurrency, 7U);
  EXPECT_EQ(function.limits.output_bytes, MiB);
  EXPECT_EQ(function.limits.log_bytes, 64 * KiB);
  EXPECT_EQ(function.limits.tmp_bytes, 0U);
  EXPECT_EQ(function.limits.open_files, 8U);
  EXPECT_FALSE(function.env.contains("OLD"));
  EXPECT_EQ(function.limits.table_elements, Limits().table_elements);
}

TEST(ToJson, IsReadAgain) {
  const std::string json = to_json(*parse_manifest(whole, "m"));
  EXPECT_EQ(json,
            R"({"name":"demo/hello","runtime":"wasm","memory":"128MiB","timeout":"2500ms","concurrency":7,)"
            R"("output":"1MiB","log":"64KiB","tmp":"0B","open_files":8,)"
            R"("env":{"EMPTY":"","GREETING":"hello","NUMBER":"007"},"keep_warm":4})");
  const auto again = parse_manifest(json, "m");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(to_json(*again), json);
  EXPECT_EQ(to_json(Manifest()), "{}");
  Manifest odd;
  odd.env.emplace()["A"] = "\x7F\t\"\\\n\xF0\x9F\x98\x80 '#: ";
  EXPECT_EQ(parse_manifest(to_json(odd), "m")->env, odd.env);
}

TEST(Project, ReadsOneFunction) {
  const auto project = parse_project("name: hello\npath: src\nmemory: 1MiB\n", "canopy.yaml");
  ASSERT_TRUE(project) << project.error().message;
  ASSERT_EQ(project->size(), 1U);
  EXPECT_EQ((*project)[0].path, "src");
  EXPECT_TRUE(parse_project("name: hello\n", "canopy.yaml"));  // Its code comes from the command line.
}

TEST(Project, ReadsMany) {
  const auto project = parse_project(
      "functions:\n  - name: demo/a\n    code: a.wasm\n  - name: demo/b\n    path: ./b\n    timeout: 1s\n",
      "canopy.yaml");
  ASSERT_TRUE(project) << project.error().message;
  ASSERT_EQ(project->size(), 2U);
  EXPECT_EQ(to_text(*(*project)[0].name), "demo/a");
  EXPECT_EQ((*project)[0].code, "a.wasm");
  EXPECT_EQ((*project)[1].path, "./b");
  EXPECT_EQ((*project)[1].timeout, std::chrono::seconds(1));
}

TEST(Project, RefusesListsThatAreWrong) {
  EXPECT_NE(project_refused("functions:\n  - code: a\n").find("canopy.yaml:2:5: this function has no name"),
            std::string::npos);
  EXPECT_NE(project_refused("functions:\n  - name: a\n")
                .find("canopy.yaml:2:5: the function 'default/a' says neither"),
            std::string::npos);
  EXPECT_NE(project_refused("functions:\n  - name: a\n    code: x\n    path: y\n")
                .find("canopy.yaml:4:11: 'code' and 'path'"),
            std::string::npos);
  EXPECT_NE(project_refused("functions:\n- {name: a, code: x}\n- {name: default/a, code: y}\n")
                .find("canopy.yaml:3:10: name: a function 'default/a' is in the list already"),
            std::string::npos);
  EXPECT_NE(project_refused("functions: []\n").find("a list of functions was expected"), std::string::npos);
  EXPECT_NE(project_refused("functions: x\n").find("a list of functions was expected"), std::string::npos);
  EXPECT_NE(
      project_refused("memory: 1MiB\nfunctions: []\n").find("canopy.yaml:1:1: beside 'functions' nothing"),
      std::string::npos);
  EXPECT_NE(project_refused("functions: [x]\n").find("a manifest is a map"), std::string::npos);
  EXPECT_NE(project_refused("functions: [{functions: []}]\n").find("no key 'functions' is known here"),
            std::string::npos);
  EXPECT_NE(project_refused("code: a\npath: b\n").find("exclude each other"), std::string::npos);
  EXPECT_NE(project_refused("code: \"\"\n").find("is not a path"), std::string::npos);
  EXPECT_NE(project_refused("").find("this is nothing"), std::string::npos);
}

TEST(Manifest, SaysWhichWayCallsGo) {
  const auto manifest = parse_manifest("dispatch: pull\n", "m");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->dispatch, Dispatch::pull);
  EXPECT_EQ(to_json(*manifest), R"({"dispatch":"pull"})");
  Function function;
  EXPECT_EQ(own_dispatch(function.env), std::nullopt);
  apply(*manifest, function);
  EXPECT_EQ(own_dispatch(function.env), Dispatch::pull);
  const auto wrong = parse_manifest("memory: 1MiB\ndispatch: sideways\n", "m");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::invalid);
  EXPECT_NE(wrong.error().message.find("m:2:11: dispatch: 'sideways' is no way"), std::string::npos)
      << wrong.error().message;
  EXPECT_NE(wrong.error().message.find("local, push or pull"), std::string::npos) << wrong.error().message;
}

TEST(Manifest, KeepsWhatItSaysOfContainersInTheEnvironment) {
  const auto manifest = parse_manifest("runtime: container\ncontainer: {concurrency: 1, cpu: 0.5}\n", "m");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->container->concurrency, 1U);
  const auto again = parse_manifest(to_json(*manifest), "m");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again->container, *manifest->container);
  Function function;
  apply(*again, function);
  EXPECT_EQ(*container_settings(function.env), *manifest->container);
  const auto wrong = parse_manifest("container: {concurrency: 0}\n", "m");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("m:1:"), std::string::npos) << wrong.error().message;
}

}  // namespace
}  // namespace canopy::wire
