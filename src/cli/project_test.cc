#include "cli/project.h"

#include <gtest/gtest.h>

#include "cli/shell.h"
#include "cli/upload.h"
#include "wire/multipart.h"

namespace canopy::cli {
namespace {

std::string message(const auto& result) { return result ? "no error" : result.error().message; }

TEST(Project, AFileWithoutAManifestIsNamedAfterItself) {
  Shell shell;
  const auto source = shell.file("hello.cc", "");
  const auto project = find_project(source, "");
  ASSERT_TRUE(project) << message(project);
  EXPECT_EQ(to_text(project->name), "default/hello");
  EXPECT_EQ(project->source, source);
  EXPECT_EQ(to_text(find_project(source, "a/b")->name), "a/b");
}

TEST(Project, AFolderIsNamedAfterItself) {
  Shell shell;
  shell.file("greeter/main.c", "");
  EXPECT_EQ(to_text(find_project(shell.path("greeter"), "")->name), "default/greeter");
  EXPECT_EQ(to_text(find_project(shell.path("greeter/"), "")->name), "default/greeter");
  EXPECT_EQ(to_text(find_project(shell.path("greeter/."), "")->name), "default/greeter");
}

TEST(Project, AManifestSaysItAll) {
  Shell shell;
  shell.file("f/canopy.yaml", "name: demo/x\nmemory: 8MiB\npath: src.c\n");
  const auto project = find_project(shell.path("f"), "");
  ASSERT_TRUE(project) << message(project);
  EXPECT_EQ(to_text(project->name), "demo/x");
  EXPECT_EQ(project->manifest.memory_bytes, 8 * MiB);
  EXPECT_EQ(project->source, shell.folder() / "f/src.c");
  EXPECT_EQ(to_text(find_project(shell.path("f/canopy.yaml"), "")->name), "demo/x");
  EXPECT_EQ(to_text(find_project(shell.path("f"), "other/name")->name), "other/name");
}

TEST(Project, AFileUsesTheManifestBesideItIfThatMeansIt) {
  Shell shell;
  shell.file(
      "canopy.yaml",
      "functions:\n  - name: demo/a\n    path: a.c\n    memory: 8MiB\n  - name: demo/b\n    path: b.c\n");
  for (const std::string name : {"a.c", "b.c", "c.c"}) shell.file(name, "");
  EXPECT_EQ(to_text(find_project(shell.path("a.c"), "")->name), "demo/a");
  EXPECT_EQ(find_project(shell.path("a.c"), "")->manifest.memory_bytes, 8 * MiB);
  EXPECT_EQ(to_text(find_project(shell.path("c.c"), "")->name), "default/c");
}

TEST(Project, OfSeveralFunctionsANameChooses) {
  Shell shell;
  shell.file("canopy.yaml", "functions:\n  - name: demo/a\n    path: a.c\n  - name: demo/b\n    path: b.c\n");
  EXPECT_EQ(to_text(find_project(shell.folder(), "demo/b")->name), "demo/b");
  const auto several = find_project(shell.folder(), "");
  ASSERT_FALSE(several);
  EXPECT_NE(several.error().message.find("has 2 functions (demo/a, demo/b); choose one with --name"),
            std::string::npos);
  EXPECT_EQ(find_project(shell.folder(), "demo/c").error().code, Code::not_found);
}

TEST(Project, AManifestSaysTheRuntimeOfABuildToo) {
  Shell shell;
  shell.file("f/canopy.yaml", "runtime: container\n");
  shell.file("f/hello.py", "def handle(): return 1\n");
  EXPECT_EQ(runtime_said_of(shell.path("f")), "container");
  EXPECT_EQ(runtime_said_of(shell.path("f/")), "container");
  EXPECT_EQ(runtime_said_of(shell.path("f/hello.py")), "container");
  EXPECT_EQ(runtime_said_of(shell.path("none")), "");
  EXPECT_EQ(runtime_said_of(shell.file("alone.c", "")), "");
  shell.file("g/canopy.yaml",
             "functions:\n  - name: demo/a\n    path: a.go\n    runtime: container\n  - name: demo/b\n    "
             "path: b.go\n");
  EXPECT_EQ(runtime_said_of(shell.file("g/a.go", "")), "container");
  EXPECT_EQ(runtime_said_of(shell.file("g/b.go", "")), "");
  EXPECT_EQ(runtime_said_of(shell.path("g")), "") << "no function is made from the folder itself";
  shell.file("h/canopy.yaml", "runtme: container\n");
  EXPECT_EQ(runtime_said_of(shell.path("h")).error().code, Code::invalid);

  const Ended built = shell.run({"build", shell.path("f"), "-o", shell.path("out")});
  EXPECT_EQ(built.status, 1) << "Python makes no image, and no function of another kind is made instead";
  EXPECT_FALSE(std::filesystem::exists(shell.path("out")));
}

TEST(Project, WhatIsWrongIsSaid) {
  Shell shell;
  EXPECT_EQ(find_project(shell.path("none"), "").error().code, Code::not_found);
  shell.file("bad name!.c", "");
  EXPECT_NE(message(find_project(shell.path("bad name!.c"), "")).find("--name=ns/fn"), std::string::npos);
  EXPECT_EQ(find_project(shell.path("bad name!.c"), "../x").error().code, Code::invalid);
  shell.file("f/canopy.yaml", "memry: 1MiB\n");
  EXPECT_NE(message(find_project(shell.path("f"), "")).find("canopy.yaml:1:1"), std::string::npos);
  EXPECT_EQ(read_projects(shell.path("none.yaml")).error().code, Code::not_found);
}

TEST(Project, FlagsWinOverTheManifest) {
  wire::Manifest manifest;
  manifest.memory_bytes = MiB;
  manifest.env = {{{"A", "1"}, {"B", "2"}}};
  Flags flags;
  flags.memory_bytes = 2 * MiB;
  flags.env = {"B=3", "C="};
  ASSERT_TRUE(apply_flags(flags, manifest));
  EXPECT_EQ(manifest.memory_bytes, 2 * MiB);
  EXPECT_EQ(manifest.timeout, std::nullopt);
  EXPECT_EQ(*manifest.env, (std::map<std::string, std::string>{{"A", "1"}, {"B", "3"}, {"C", ""}}));
  flags.env = {"no variable"};
  EXPECT_TRUE(message(apply_flags(flags, manifest)).starts_with("--env: "));
}

TEST(ProjectFiles, AreFilesOrWholeFolders) {
  Shell shell;
  shell.file("words.txt", "w");
  shell.file("data/a", "1");
  shell.file("data/deep/b", "2");
  const auto one = read_file_flags({shell.path("words.txt") + ":/lists/words.txt"});
  ASSERT_TRUE(one) << message(one);
  ASSERT_EQ(one->size(), 1U);
  EXPECT_EQ(one->front().path, "lists/words.txt");
  const auto folder = read_file_flags({shell.path("data") + ":d"});
  ASSERT_TRUE(folder) << message(folder);
  std::vector<std::string> paths;
  for (const ProjectFile& file : *folder) paths.push_back(file.path);
  std::ranges::sort(paths);
  EXPECT_EQ(paths, (std::vector<std::string>{"d/a", "d/deep/b"}));
}

TEST(ProjectFiles, StayInside) {
  Shell shell;
  const std::string file = shell.file("f", "").string();
  for (const std::string guest : {":..", ":../x", ":a/../../x", ":"}) {
    EXPECT_EQ(read_file_flags({file + guest}).error().code, Code::invalid) << guest;
  }
  EXPECT_EQ(read_file_flags({shell.path("none") + ":x"}).error().code, Code::not_found);
}

TEST(Upload, IsWhatTheServerReads) {
  Upload upload{.name = *parse_function_name("demo/x"), .manifest = {}, .module = {}, .files = {}};
  upload.manifest.memory_bytes = MiB;
  upload.module = std::string("\0asm\r\n--boundary\r\n", 17);
  upload.files = {{"a \"quoted\\\" name.txt", "content"}, {"empty", ""}};
  const std::string body = write_multipart(upload, "limit-0123456789");
  const auto parts = wire::parse_multipart("multipart/form-data; boundary=limit-0123456789", body);
  ASSERT_TRUE(parts) << message(parts);
  ASSERT_EQ(parts->size(), 4U);
  EXPECT_EQ(parts->at(0).name, "manifest");
  EXPECT_EQ(wire::parse_manifest(parts->at(0).body, "manifest")->memory_bytes, MiB);
  EXPECT_EQ(parts->at(1).name, "code");
  EXPECT_EQ(parts->at(1).body, upload.module);
  EXPECT_EQ(parts->at(2).filename, "a \"quoted\\\" name.txt");
  EXPECT_EQ(parts->at(2).body, "content");
  EXPECT_EQ(parts->at(3).body, "");
}

}  // namespace
}  // namespace canopy::cli
