#include "wire/requirements.h"

#include <gtest/gtest.h>

namespace canopy::wire {
namespace {

std::string plain(std::string_view text) {
  const auto read = plain_requirements(text);
  return read ? *read : "refused: " + read.error().message;
}

TEST(Requirements, ArePackagesByTheirNames) {
  EXPECT_EQ(plain(""), "");
  EXPECT_EQ(plain("requests\n"), "requests\n");
  EXPECT_EQ(
      plain("\xEF\xBB\xBFnumpy >= 1.2, < 2\r\n\r\n  # caf\xC3\xA9\r\nb[extra,more]==1.0.*  # why\nc#d\n"),
      "refused: line 5 of requirements.txt, 'c#d': it has a character that no name, version or marker has; "
      "write a line such as: requests==2.31.0");
  EXPECT_EQ(plain("numpy >= 1.2, < 2\r\n\r\n  # caf\xC3\xA9\r\nb[extra,more]==1.0.*  # why"),
            "numpy >= 1.2, < 2\nb[extra,more]==1.0.*\n");
  EXPECT_EQ(plain("a; python_version < '3.9' and (sys_platform == \"linux\")\n--pre\n"),
            "a; python_version < '3.9' and (sys_platform == \"linux\")\n--pre\n");
  EXPECT_EQ(plain("a==1 \\\n    --hash=sha256:00ff \\\n\t--hash=sha256:11\nb"),
            "a==1 --hash=sha256:00ff --hash=sha256:11\nb\n");
}

TEST(Requirements, AreNeitherAddressesNorPathsNorFilesNorOptions) {
  for (const char* const bad : {"-r http://10.0.0.1/x",
                                "--requirement=/etc/passwd",
                                "-c other.txt",
                                "-e .",
                                "-i https://x",
                                "--find-links=/",
                                "--index-url https://x/simple",
                                "--no-binary=:all:",
                                "a @ http://10.0.0.1/a.whl",
                                "a@http:x",
                                "./a",
                                "/a.whl",
                                "git+https://x/y",
                                "a --no-binary=a",
                                "a --hash=",
                                "a --hash=sha256:",
                                "a --hash=sha256:0/1",
                                "a --hash=md5:0 --pre",
                                "${PIP_INDEX_URL}",
                                "a==${HOME}",
                                "\x01",
                                "a\x0c-r http://x",
                                "a\xE2\x80\xA8-r x",
                                "\xFF\xFE-\0r",
                                "+AC0-r",
                                "\\",
                                "a\\\n-r x/y",
                                "-\\\nr x",
                                "'a'",
                                "a:b"}) {
    EXPECT_TRUE(plain(bad).starts_with("refused: line ")) << bad << ": " << plain(bad);
  }
}

TEST(Requirements, SayNothingInTheirComments) {
  EXPECT_EQ(plain("# -*- coding: utf-7 -*-\n# \x0c-r http://x\n#\xE2\x80\xA8-r x\n#a\\\nb\n"), "b\n");
}

}  // namespace
}  // namespace canopy::wire
