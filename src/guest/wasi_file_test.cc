// The fd_* functions on files of /tmp, folders, and numbers that are nothing.

#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t huge = 0xffffffff;
constexpr std::uint64_t out = FakeGuest::out_at;

class WasiFile : public testing::Test {
 protected:
  std::uint32_t made(std::string_view path, std::string_view content = {}) {
    const auto fd = guest.create(path);
    EXPECT_TRUE(fd);
    if (!fd) return 99;
    if (!content.empty()) {
      EXPECT_EQ(guest.write(*fd, content), content.size());
    }
    return *fd;
  }

  FakeCaller caller;
  FakeGuest guest{caller};
};

TEST_F(WasiFile, KnowsWhatIsNoDescriptor) {
  for (const std::uint64_t fd : {std::uint64_t{5}, std::uint64_t{0x7fffffff}, huge}) {
    EXPECT_EQ(caller.wasi("fd_advise", {fd, 0, 0, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_allocate", {fd, 0, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_close", {fd}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_datasync", {fd}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_sync", {fd}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_fdstat_get", {fd, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_fdstat_set_flags", {fd, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_fdstat_set_rights", {fd, 0, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_filestat_get", {fd, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_filestat_set_size", {fd, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_filestat_set_times", {fd, 0, 0, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_pread", {fd, 0, 0, 0, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_pwrite", {fd, 0, 0, 0, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_read", {fd, 0, 0, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_write", {fd, 0, 0, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_prestat_get", {fd, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_prestat_dir_name", {fd, 0, 10}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_readdir", {fd, 0, 0, 0, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_renumber", {fd, 1}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_renumber", {1, fd}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_seek", {fd, 0, 0, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_tell", {fd, out}), Errno::badf);
  }
}

TEST_F(WasiFile, ThePreopensAreTheRoot) {
  for (const auto& [fd, name] : {std::pair{3U, std::string("/")}, std::pair{4U, std::string(".")}}) {
    ASSERT_EQ(caller.wasi("fd_prestat_get", {fd, out}), Errno::success);
    const auto found = caller.at<WasiPrestat>(out);
    EXPECT_EQ(found.tag, 0);
    EXPECT_EQ(found.name_size, name.size());
    EXPECT_EQ(caller.wasi("fd_prestat_dir_name", {fd, 0, 100}), Errno::success);
    EXPECT_EQ(caller.text(0, name.size()), name);
    EXPECT_EQ(caller.wasi("fd_prestat_dir_name", {fd, 0, 0}), Errno::nametoolong);
    EXPECT_EQ(caller.wasi("fd_prestat_dir_name", {fd, huge, 100}), Errno::fault);
    EXPECT_EQ(caller.wasi("fd_prestat_get", {fd, 65530}), Errno::fault);
    const auto stat = guest.stat(fd);
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->filetype, Filetype::directory);
    EXPECT_EQ(stat->inode, 1U);
  }
  EXPECT_EQ(caller.wasi("fd_prestat_get", {5, out}), Errno::badf);
}

TEST_F(WasiFile, APreopenMayBeClosedOnce) {
  EXPECT_EQ(guest.close(3), Errno::success);
  EXPECT_EQ(guest.close(3), Errno::badf);
  EXPECT_EQ(caller.wasi("fd_prestat_get", {3, out}), Errno::badf);
  EXPECT_EQ(guest.open("etc/hosts").error(), Errno::badf);
  EXPECT_EQ(guest.open("etc/hosts", 0, rights::fd_read, 0, 4), 3U);
}

TEST_F(WasiFile, RenumberMovesAFileOntoAStream) {
  const auto fd = made("tmp/out");
  EXPECT_EQ(caller.wasi("fd_renumber", {fd, 1}), Errno::success);
  EXPECT_EQ(guest.write(1, "to the file"), 11U);
  EXPECT_EQ(caller.reply().output, "");
  EXPECT_EQ(guest.close(fd), Errno::badf);
  EXPECT_EQ(guest.stat("tmp/out")->size, 11U);
  EXPECT_EQ(caller.wasi("fd_renumber", {1, 1}), Errno::success);
  EXPECT_EQ(guest.write(1, "!"), 1U);
}

TEST_F(WasiFile, SeeksAndTells) {
  const auto fd = made("tmp/f", std::string(100, 'x'));
  EXPECT_EQ(caller.wasi("fd_tell", {fd, out}), Errno::success);
  EXPECT_EQ(caller.at<std::uint64_t>(out), 100U);
  EXPECT_EQ(guest.seek(fd, -50, Whence::cur), 50U);
  EXPECT_EQ(guest.seek(fd, 0, Whence::set), 0U);
  EXPECT_EQ(guest.seek(fd, -1, Whence::end), 99U);
  EXPECT_EQ(guest.seek(fd, 1000, Whence::end), 1100U);
  EXPECT_EQ(guest.read(fd), "");
  EXPECT_EQ(guest.seek(fd, -2000, Whence::cur).error(), Errno::inval);
  EXPECT_EQ(guest.seek(fd, -1, Whence::set).error(), Errno::inval);
  EXPECT_EQ(guest.seek(fd, INT64_MAX, Whence::end).error(), Errno::overflow);
  EXPECT_EQ(guest.seek(fd, INT64_MIN, Whence::set).error(), Errno::inval);
  EXPECT_EQ(guest.seek(fd, 0, static_cast<Whence>(3)).error(), Errno::inval);
  EXPECT_EQ(guest.seek(fd, 0, static_cast<Whence>(256)).error(), Errno::inval);
  EXPECT_EQ(guest.seek(fd, INT64_MAX, Whence::set), static_cast<std::uint64_t>(INT64_MAX));
  EXPECT_EQ(guest.read(fd), "");
  EXPECT_EQ(guest.write(fd, "x").error(), Errno::fbig);
}

TEST_F(WasiFile, AHoleReadsAsZeros) {
  const auto fd = made("tmp/f", "ab");
  EXPECT_EQ(guest.seek(fd, 10'000, Whence::set), 10'000U);
  EXPECT_EQ(guest.write(fd, "cd"), 2U);
  EXPECT_EQ(guest.stat("tmp/f")->size, 10'002U);
  EXPECT_EQ(guest.seek(fd, 0, Whence::set), 0U);
  const auto content = guest.read(fd, 20'000);
  ASSERT_TRUE(content);
  EXPECT_EQ(*content, "ab" + std::string(9998, '\0') + "cd");
}

TEST_F(WasiFile, AppendedDataGoesToTheEnd) {
  const auto fd = guest.open("tmp/f", oflags::creat, rights::all, fdflags::append);
  ASSERT_TRUE(fd);
  EXPECT_TRUE(guest.write(*fd, "one"));
  EXPECT_EQ(guest.seek(*fd, 0, Whence::set), 0U);
  EXPECT_TRUE(guest.write(*fd, "two"));
  EXPECT_EQ(guest.stat("tmp/f")->size, 6U);
  EXPECT_EQ(caller.wasi("fd_fdstat_set_flags", {*fd, 0}), Errno::success);
  EXPECT_EQ(guest.seek(*fd, 0, Whence::set), 0U);
  EXPECT_TRUE(guest.write(*fd, "TWO"));
  EXPECT_EQ(guest.seek(*fd, 0, Whence::set), 0U);
  EXPECT_EQ(guest.read(*fd), "TWOtwo");
}

TEST_F(WasiFile, PositionedReadsAndWritesDoNotMove) {
  const auto fd = made("tmp/f", "0123456789");
  caller.put_text(100, "AB");
  caller.put(200, WasiIovec{100, 2});
  EXPECT_EQ(caller.wasi("fd_pwrite", {fd, 200, 1, 4, out}), Errno::success);
  EXPECT_EQ(caller.at<std::uint32_t>(out), 2U);
  caller.put(200, WasiIovec{300, 100});
  EXPECT_EQ(caller.wasi("fd_pread", {fd, 200, 1, 3, out}), Errno::success);
  EXPECT_EQ(caller.at<std::uint32_t>(out), 7U);
  EXPECT_EQ(caller.text(300, 7), "3AB6789");
  EXPECT_EQ(caller.wasi("fd_tell", {fd, out}), Errno::success);
  EXPECT_EQ(caller.at<std::uint64_t>(out), 10U);
  EXPECT_EQ(caller.wasi("fd_pread", {fd, 200, 1, ~std::uint64_t{0}, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("fd_pwrite", {fd, 200, 1, ~std::uint64_t{0}, out}), Errno::inval);
  EXPECT_EQ(caller.wasi("fd_pread", {fd, 200, 1, INT64_MAX, out}), Errno::success);
  EXPECT_EQ(caller.at<std::uint32_t>(out), 0U);
}

TEST_F(WasiFile, TheSizeIsSet) {
  const auto fd = made("tmp/f", "0123456789");
  EXPECT_EQ(caller.wasi("fd_filestat_set_size", {fd, 4}), Errno::success);
  EXPECT_EQ(caller.wasi("fd_filestat_set_size", {fd, 6}), Errno::success);
  EXPECT_EQ(guest.seek(fd, 0, Whence::set), 0U);
  EXPECT_EQ(guest.read(fd), std::string("0123\0\0", 6));
  EXPECT_EQ(caller.wasi("fd_filestat_set_size", {fd, ~std::uint64_t{0}}), Errno::fbig);
  EXPECT_EQ(guest.stat(fd)->size, 6U);
}

TEST_F(WasiFile, AllocatingGrowsButNeverShrinks) {
  const auto fd = made("tmp/f");
  EXPECT_EQ(caller.wasi("fd_allocate", {fd, 0, 100}), Errno::success);
  EXPECT_EQ(guest.stat(fd)->size, 100U);
  EXPECT_EQ(caller.wasi("fd_allocate", {fd, 10, 10}), Errno::success);
  EXPECT_EQ(guest.stat(fd)->size, 100U);
  EXPECT_EQ(caller.wasi("fd_allocate", {fd, 90, 20}), Errno::success);
  EXPECT_EQ(guest.stat(fd)->size, 110U);
  EXPECT_EQ(caller.wasi("fd_allocate", {fd, 0, 0}), Errno::inval);
  EXPECT_EQ(caller.wasi("fd_allocate", {fd, ~std::uint64_t{0}, 2}), Errno::fbig);
  EXPECT_EQ(caller.wasi("fd_allocate", {fd, 0, 17 * MiB}), Errno::fbig);
  EXPECT_EQ(caller.wasi("fd_allocate", {fd, 0, 16 * MiB}), Errno::nospc);
}

TEST_F(WasiFile, AdviceIsCheckedAndIgnored) {
  const auto fd = made("tmp/f");
  EXPECT_EQ(caller.wasi("fd_advise", {fd, 0, 100, 5}), Errno::success);
  EXPECT_EQ(caller.wasi("fd_advise", {fd, 0, 100, 6}), Errno::inval);
  EXPECT_EQ(caller.wasi("fd_advise", {fd, ~std::uint64_t{0}, 100, 0}), Errno::inval);
  EXPECT_EQ(guest.stat(fd)->size, 0U);
}

TEST_F(WasiFile, TimesAreSetAsAsked) {
  caller.fake_clock().advance(std::chrono::seconds(4));
  const auto fd = made("tmp/f");
  EXPECT_EQ(guest.stat(fd)->modified, 5'000'000'000U);
  EXPECT_EQ(caller.wasi("fd_filestat_set_times", {fd, 11, 22, fstflags::atim | fstflags::mtim}),
            Errno::success);
  EXPECT_EQ(guest.stat(fd)->accessed, 11U);
  EXPECT_EQ(guest.stat(fd)->modified, 22U);
  EXPECT_EQ(caller.wasi("fd_filestat_set_times", {fd, 33, 44, fstflags::mtim}), Errno::success);
  EXPECT_EQ(guest.stat(fd)->accessed, 11U);
  EXPECT_EQ(guest.stat(fd)->modified, 44U);
  caller.fake_clock().advance(std::chrono::seconds(1));
  EXPECT_EQ(caller.wasi("fd_filestat_set_times", {fd, 0, 0, fstflags::atim_now | fstflags::mtim_now}),
            Errno::success);
  EXPECT_EQ(guest.stat(fd)->accessed, 6'000'000'000U);
  EXPECT_EQ(guest.stat(fd)->modified, 6'000'000'000U);
  for (const std::uint64_t bad : {3U, 12U, 16U, 256U}) {
    EXPECT_EQ(caller.wasi("fd_filestat_set_times", {fd, 1, 1, bad}), Errno::inval) << bad;
  }
}

TEST_F(WasiFile, FlagsAreKeptIfKnown) {
  const auto fd = made("tmp/f");
  EXPECT_EQ(caller.wasi("fd_fdstat_set_flags", {fd, fdflags::append | fdflags::nonblock}), Errno::success);
  EXPECT_EQ(caller.wasi("fd_fdstat_get", {fd, out}), Errno::success);
  EXPECT_EQ(caller.at<WasiFdstat>(out).flags, fdflags::append | fdflags::nonblock);
  for (const std::uint64_t bad : {std::uint64_t{32}, std::uint64_t{0x10000}, huge}) {
    EXPECT_EQ(caller.wasi("fd_fdstat_set_flags", {fd, bad}), Errno::inval);
  }
  EXPECT_EQ(caller.wasi("fd_fdstat_get", {fd, 65520}), Errno::fault);
}

TEST_F(WasiFile, RightsAreGivenUpForGood) {
  const auto fd = guest.open("tmp/f", oflags::creat,
                             rights::fd_read | rights::fd_write | rights::fd_seek | rights::fd_tell);
  ASSERT_TRUE(fd);
  EXPECT_EQ(caller.wasi("fd_fdstat_set_rights", {*fd, rights::fd_seek | rights::fd_tell, 0}), Errno::success);
  EXPECT_EQ(guest.read(*fd).error(), Errno::badf);
  EXPECT_EQ(guest.write(*fd, "x").error(), Errno::badf);
  EXPECT_EQ(guest.seek(*fd, 1, Whence::set), 1U);
  EXPECT_EQ(caller.wasi("fd_fdstat_set_rights", {*fd, rights::fd_read, 0}), Errno::notcapable);
  EXPECT_EQ(caller.wasi("fd_fdstat_set_rights", {*fd, 0, rights::fd_read}), Errno::notcapable);
  EXPECT_EQ(caller.wasi("fd_fdstat_set_rights", {*fd, 0, 0}), Errno::success);
  EXPECT_EQ(guest.seek(*fd, 1, Whence::set).error(), Errno::notcapable);
  EXPECT_EQ(caller.wasi("fd_fdstat_set_flags", {*fd, 0}), Errno::notcapable);
  EXPECT_EQ(guest.stat(*fd).error(), Errno::notcapable);
}

TEST_F(WasiFile, AFolderIsNoFile) {
  const auto fd = guest.open("tmp", oflags::directory, rights::all);
  ASSERT_TRUE(fd);
  EXPECT_EQ(guest.read(*fd).error(), Errno::isdir);
  EXPECT_EQ(guest.write(*fd, "x").error(), Errno::badf);
  EXPECT_EQ(caller.wasi("fd_pread", {*fd, 0, 0, 0, out}), Errno::isdir);
  EXPECT_EQ(caller.wasi("fd_pwrite", {*fd, 0, 0, 0, out}), Errno::badf);
  EXPECT_EQ(guest.seek(*fd, 0, Whence::set).error(), Errno::isdir);
  EXPECT_EQ(caller.wasi("fd_tell", {*fd, out}), Errno::isdir);
  EXPECT_EQ(caller.wasi("fd_allocate", {*fd, 0, 1}), Errno::isdir);
  EXPECT_EQ(caller.wasi("fd_filestat_set_size", {*fd, 1}), Errno::isdir);
  EXPECT_EQ(caller.wasi("fd_fdstat_get", {*fd, out}), Errno::success);
  EXPECT_EQ(caller.at<WasiFdstat>(out).base & (rights::fd_seek | rights::fd_filestat_set_size), 0U);
}

TEST_F(WasiFile, AFileIsNoFolder) {
  const auto fd = made("tmp/f");
  EXPECT_EQ(caller.wasi("fd_readdir", {fd, 0, 100, 0, out}), Errno::notdir);
  EXPECT_EQ(guest.open("x", oflags::creat, rights::all, 0, fd).error(), Errno::notdir);
  EXPECT_EQ(guest.on_path("path_create_directory", "x", fd), Errno::notdir);
}

TEST_F(WasiFile, OpenDescriptorsHaveALimit) {
  std::uint32_t last = 0;
  for (int i = 0; i < 100; ++i) {
    const auto fd = guest.open_read("etc/hosts");
    if (!fd) {
      EXPECT_EQ(fd.error(), Errno::mfile);
      break;
    }
    last = *fd;
  }
  EXPECT_EQ(last, 63U);
  EXPECT_EQ(guest.create("tmp/new").error(), Errno::mfile);
  EXPECT_EQ(guest.stat("tmp/new").error(), Errno::noent);
  EXPECT_EQ(guest.close(last), Errno::success);
  EXPECT_EQ(guest.create("tmp/new"), last);
}

TEST_F(WasiFile, AnUnlinkedFileLivesUntilItIsClosed) {
  const auto fd = made("tmp/f", "content");
  EXPECT_EQ(guest.unlink("tmp/f"), Errno::success);
  EXPECT_EQ(guest.stat("tmp/f").error(), Errno::noent);
  EXPECT_EQ(guest.seek(fd, 0, Whence::set), 0U);
  EXPECT_EQ(guest.read(fd), "content");
  EXPECT_EQ(guest.stat(fd)->links, 0U);
  EXPECT_EQ(guest.close(fd), Errno::success);
}

TEST_F(WasiFile, NothingOfACallIsLeftForTheNext) {
  made("tmp/secret", "content");
  caller.restart();
  EXPECT_EQ(guest.stat("tmp/secret").error(), Errno::noent);
  EXPECT_EQ(guest.stat(5).error(), Errno::badf);
}

}  // namespace
}  // namespace canopy::guest
