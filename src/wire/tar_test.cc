#include "wire/tar.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

using Kind = TarEntry::Kind;

TarEntry entry(std::string path, Kind kind = Kind::file, std::string target = {}) {
  TarEntry made;
  made.kind = kind;
  made.path = std::move(path);
  made.target = std::move(target);
  return made;
}

std::string content_of(TarReader& reader) {
  std::string content(1000, '\0');
  const auto got = reader.read(content.data(), content.size());
  content.resize(got ? *got : 0);
  return content;
}

std::string refusal(std::string_view archive) {
  TarReader reader(read_from(archive));
  for (;;) {
    const auto next = reader.next();
    if (!next) return next.error().message;
    if (!*next) return "";
  }
}

TEST(Tar, IsReadAsItWasWritten) {
  std::string archive;
  TarEntry program = entry("bin/program");
  program.mode = 0755;
  program.user = 7;
  program.group = 8;
  append_tar(program, "content", archive);
  append_tar(entry("bin", Kind::folder), "", archive);
  append_tar(entry("link", Kind::symlink, "../bin"), "", archive);
  append_tar(entry("same", Kind::hardlink, "bin/program"), "", archive);
  append_tar_end(archive);

  TarReader reader(read_from(archive));
  const auto first = reader.next();
  ASSERT_TRUE(first && *first) << first.error().message;
  EXPECT_EQ((*first)->path, "bin/program");
  EXPECT_EQ((*first)->mode, 0755U);
  EXPECT_EQ((*first)->user, 7U);
  EXPECT_EQ((*first)->group, 8U);
  EXPECT_EQ(reader.position(), 512U);
  EXPECT_EQ(content_of(reader), "content");
  EXPECT_EQ((**reader.next()).kind, Kind::folder);
  EXPECT_EQ((**reader.next()).target, "../bin");
  EXPECT_EQ((**reader.next()).target, "bin/program");
  EXPECT_FALSE(*reader.next());
}

TEST(Tar, ContentThatIsNotReadIsPassedOver) {
  std::string archive;
  append_tar(entry("a"), std::string(1300, 'a'), archive);
  append_tar(entry("b"), "b", archive);
  append_tar_end(archive);
  TarReader reader(read_from(archive));
  EXPECT_EQ((**reader.next()).size_bytes, 1300U);
  EXPECT_EQ((**reader.next()).path, "b");
  EXPECT_EQ(content_of(reader), "b");
}

TEST(Tar, LongNamesAreKept) {
  const std::string path = std::string(200, 'a') + "/" + std::string(200, 'b');
  const std::string target(300, 't');
  std::string archive;
  append_tar(entry(path, Kind::symlink, target), "", archive);
  TarReader reader(read_from(archive));
  const auto read = reader.next();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->path, path);
  EXPECT_EQ((*read)->target, target);
}

TEST(Tar, PathsBecomePlain) {
  EXPECT_EQ(*plain_path("./a//b/./c/"), "a/b/c");
  EXPECT_EQ(*plain_path("/etc/passwd"), "etc/passwd");
  EXPECT_EQ(*plain_path("./"), "");
  EXPECT_EQ(*plain_path("..a/b.."), "..a/b..");
}

TEST(Tar, PathsThatLeaveAreRefused) {
  for (const char* const path : {"..", "../x", "a/../../x", "/../x", "a/.."})
    EXPECT_FALSE(plain_path(path)) << path;
  std::string archive;
  append_tar(entry("a/../../etc/passwd"), "x", archive);
  EXPECT_NE(refusal(archive).find("'..'"), std::string::npos);
  archive.clear();
  append_tar(entry("a", Kind::hardlink, "../../etc/passwd"), "", archive);
  EXPECT_NE(refusal(archive).find("'..'"), std::string::npos);
  EXPECT_FALSE(plain_path(std::string(300, 'a')));
}

TEST(Tar, WhatIsBrokenOffIsRefused) {
  std::string archive;
  append_tar(entry("a"), std::string(2000, 'a'), archive);
  EXPECT_EQ(refusal(archive), "");
  EXPECT_NE(refusal(std::string_view(archive).substr(0, 1000)).find("broken off"), std::string::npos);
  EXPECT_NE(refusal(std::string_view(archive).substr(0, 100)).find("broken off"), std::string::npos);
}

TEST(Tar, OtherBytesAreRefused) {
  EXPECT_NE(refusal(std::string(2048, 'x')), "");
  std::string archive;
  append_tar(entry("a"), "x", archive);
  archive[3] = 'y';  // The sum is wrong then.
  EXPECT_NE(refusal(archive), "");
}

TEST(Tar, DevicesAreSeenAsSuch) {
  std::string archive;
  append_tar(entry("dev/sda"), "", archive);
  archive[156] = '4';
  // Its sum: 4 more than it was.
  unsigned sum = 0;
  for (std::size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(archive[i]);
  char digits[8];
  snprintf(digits, sizeof digits, "%06o", sum);
  archive.replace(148, 6, digits, 6);
  TarReader reader(read_from(archive));
  const auto read = reader.next();
  ASSERT_TRUE(read && *read) << read.error().message;
  EXPECT_EQ((*read)->kind, Kind::device);
}

}  // namespace
}  // namespace canopy::wire
