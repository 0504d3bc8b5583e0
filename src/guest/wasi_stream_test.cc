// Standard streams, and the vectors of reads and writes.

#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t huge = 0xffffffff;
constexpr std::uint64_t out = FakeGuest::out_at;

class WasiStream : public testing::Test {
 protected:
  FakeCaller caller;
  FakeGuest guest{caller};
};

TEST_F(WasiStream, StandardInputIsTheCallsInput) {
  caller.call().input = "hello world";
  EXPECT_EQ(guest.read(0, 5), "hello");
  EXPECT_EQ(guest.read(0, 100), " world");
  EXPECT_EQ(guest.read(0, 100), "");
}

TEST_F(WasiStream, StandardOutputIsTheReplyAndErrorTheLog) {
  EXPECT_EQ(guest.write(1, "out"), 3U);
  EXPECT_EQ(guest.write(2, "err"), 3U);
  EXPECT_EQ(caller.reply().output, "out");
  EXPECT_EQ(caller.log().text(), "err");
}

TEST_F(WasiStream, TheStreamsStayTheSameOnceThereAreDescriptors) {
  caller.call().input = "hello world";
  EXPECT_EQ(guest.read(0, 5), "hello");
  EXPECT_EQ(caller.wasi("fd_prestat_get", {3, out}), Errno::success);
  EXPECT_EQ(guest.read(0, 100), " world");
  EXPECT_TRUE(guest.write(1, "out"));
  EXPECT_TRUE(guest.write(2, "err"));
  EXPECT_EQ(caller.reply().output, "out");
  EXPECT_EQ(caller.log().text(), "err");
}

TEST_F(WasiStream, StreamsAreNoTerminalsAndCannotSeek) {
  for (const bool touched : {false, true}) {
    if (touched) EXPECT_EQ(caller.wasi("fd_prestat_get", {3, out}), Errno::success);
    for (const std::uint64_t fd : {0U, 1U, 2U}) {
      EXPECT_EQ(caller.wasi("fd_fdstat_get", {fd, out}), Errno::success);
      EXPECT_EQ(caller.at<WasiFdstat>(out).filetype, Filetype::unknown);
    }
  }
  for (const std::uint64_t fd : {0U, 1U, 2U}) {
    EXPECT_EQ(caller.wasi("fd_seek", {fd, 0, 0, out}), Errno::spipe);
    EXPECT_EQ(caller.wasi("fd_seek", {fd, 0, 1, out}), Errno::spipe);
    EXPECT_EQ(caller.wasi("fd_tell", {fd, out}), Errno::spipe);
    EXPECT_EQ(caller.wasi("fd_allocate", {fd, 0, 1}), Errno::spipe);
    EXPECT_EQ(caller.wasi("fd_advise", {fd, 0, 1, 0}), Errno::spipe);
    EXPECT_EQ(caller.wasi("fd_filestat_set_size", {fd, 0}), Errno::inval);
    EXPECT_EQ(caller.wasi("fd_readdir", {fd, 0, 100, 0, out}), Errno::notdir);
    EXPECT_EQ(caller.wasi("fd_prestat_get", {fd, out}), Errno::badf);
    EXPECT_EQ(caller.wasi("fd_filestat_get", {fd, out}), Errno::success);
  }
  EXPECT_EQ(caller.wasi("fd_read", {1, 0, 0, out}), Errno::badf);
  EXPECT_EQ(caller.wasi("fd_write", {0, 0, 0, out}), Errno::badf);
  EXPECT_EQ(caller.wasi("fd_pread", {0, 0, 0, 0, out}), Errno::spipe);
  EXPECT_EQ(caller.wasi("fd_pwrite", {1, 0, 0, 0, out}), Errno::spipe);
  EXPECT_EQ(caller.wasi("fd_sync", {1}), Errno::success);
  EXPECT_EQ(caller.wasi("fd_datasync", {2}), Errno::success);
}

TEST_F(WasiStream, OutputPastItsLimitEndsTheCall) {
  Function function;
  function.limits.output_bytes = 10;
  FakeCaller small(function);
  FakeGuest writer(small);
  EXPECT_EQ(writer.write(1, "12345"), 5U);
  small.put(FakeGuest::vector_at, WasiIovec{0, 6});
  small.run("fd_write", {1, FakeGuest::vector_at, 1, out});
  EXPECT_EQ(small.after, wasm::After::fail);
  ASSERT_TRUE(small.error);
  EXPECT_EQ(small.error->code, Code::limit);
  EXPECT_EQ(
      small.error->message,
      "the function wrote more than its output limit of 10B; raise 'output' in its manifest, or write less");
  EXPECT_EQ(small.reply().output, "12345");
}

TEST_F(WasiStream, AFloodOfLogIsOnlyCounted) {
  caller.put(FakeGuest::vector_at, WasiIovec{0, 60'000});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(caller.wasi("fd_write", {2, FakeGuest::vector_at, 1, out}), Errno::success);
    EXPECT_EQ(caller.at<std::uint32_t>(out), 60'000U);
  }
  EXPECT_EQ(caller.log().text().size(), 4096U);
  EXPECT_EQ(caller.log().dropped_bytes(), 100U * 60'000 - 4096);
}

TEST_F(WasiStream, VectorsAreTakenInOrder) {
  caller.put_text(100, "onetwothree");
  caller.put(200, WasiIovec{100, 3});
  caller.put(208, WasiIovec{0, 0});
  caller.put(216, WasiIovec{103, 3});
  caller.put(224, WasiIovec{106, 5});
  EXPECT_EQ(caller.wasi("fd_write", {1, 200, 4, out}), Errno::success);
  EXPECT_EQ(caller.at<std::uint32_t>(out), 11U);
  EXPECT_EQ(caller.reply().output, "onetwothree");
}

TEST_F(WasiStream, VectorsMayOverlap) {
  caller.call().input = "abcdef";
  caller.put(200, WasiIovec{100, 4});
  caller.put(208, WasiIovec{102, 4});
  EXPECT_EQ(caller.wasi("fd_read", {0, 200, 2, out}), Errno::success);
  EXPECT_EQ(caller.text(100, 4), "abef");
  // Even the vectors themselves may be overwritten while they are used.
  caller.restart();
  caller.put(200, WasiIovec{208, 8});
  caller.put(208, WasiIovec{300, 8});
  EXPECT_NE(caller.wasi("fd_read", {0, 200, 2, out}), Errno::fault);
}

TEST_F(WasiStream, ManyWideVectorsAreBounded) {
  // 1024 times the whole memory: 64 MiB, all of it past the output's limit of 6 MiB.
  for (std::uint64_t i = 0; i < 1024; ++i) caller.put(i * 8, WasiIovec{0, 65536});
  caller.run("fd_write", {1, 0, 1024, out});
  EXPECT_EQ(caller.after, wasm::After::fail);
  EXPECT_EQ(caller.error->code, Code::limit);
  EXPECT_LE(caller.reply().output.size(), 6 * MiB);
  EXPECT_EQ(caller.wasi("fd_write", {2, 0, 1024, out}), Errno::success);
  EXPECT_EQ(caller.at<std::uint32_t>(out), 8U * 1024 * 1024) << "as many as one call moves";
}

TEST_F(WasiStream, BadVectorsMoveNothing) {
  caller.call().input = "input";
  for (const std::uint64_t fd : {0U, 1U}) {
    const std::string_view name = fd == 0 ? "fd_read" : "fd_write";
    EXPECT_EQ(caller.wasi(name, {fd, 0, 1025, out}), Errno::inval);
    EXPECT_EQ(caller.wasi(name, {fd, 0, 0x80000000, out}), Errno::inval);
    EXPECT_EQ(caller.wasi(name, {fd, 65530, 1, out}), Errno::fault);
    EXPECT_EQ(caller.wasi(name, {fd, huge, 1, out}), Errno::fault);
    caller.put(200, WasiIovec{0, 1});
    for (const WasiIovec bad : {WasiIovec{65536, 1}, WasiIovec{0, 65537}, WasiIovec{0xffffffff, 0xffffffff},
                                WasiIovec{1, 0xffffffff}}) {
      caller.put(208, bad);
      EXPECT_EQ(caller.wasi(name, {fd, 200, 2, out}), Errno::fault);
    }
    caller.put(200, WasiIovec{65536, 0});
    EXPECT_EQ(caller.wasi(name, {fd, 200, 1, 65534}), Errno::fault);
  }
  EXPECT_EQ(caller.reply().output, "");
  EXPECT_EQ(guest.read(0), "input");
}

TEST_F(WasiStream, AClosedStreamIsGone) {
  EXPECT_EQ(guest.close(1), Errno::success);
  EXPECT_EQ(guest.write(1, "x").error(), Errno::badf);
  EXPECT_EQ(guest.close(1), Errno::badf);
  EXPECT_EQ(caller.reply().output, "");
}

}  // namespace
}  // namespace canopy::guest
