// The process's own standard streams as a guest's, with pipes in their place.

#include "guest/host_io.h"

#include <cerrno>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

// A pipe in place of one of the process's descriptors, as long as it lives.
class Redirected {
 public:
  explicit Redirected(int number) : number_(number), kept_(dup(number)) {
    EXPECT_EQ(pipe(ends_), 0);
    EXPECT_EQ(dup2(ends_[number == 0 ? 0 : 1], number), number);
  }
  ~Redirected() {
    dup2(kept_, number_);
    close(kept_);
    close(ends_[0]);
    close(ends_[1]);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

  void put(const std::string& text) const {
    EXPECT_EQ(write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string take() const {
    char buffer[100];
    const ssize_t got = read(ends_[0], buffer, sizeof buffer);
    return {buffer, static_cast<std::size_t>(got < 0 ? 0 : got)};
  }

 private:
  const int number_;
  const int kept_;
  int ends_[2] = {-1, -1};
};

GuestOptions own_streams() {
  GuestOptions options;
  options.local.emplace().own_streams = true;
  return options;
}

TEST(OwnStreams, InputIsHandedOnAsItComes) {
  const Redirected input(0);
  FakeCaller caller({}, own_streams());
  caller.call().input = "not this";
  input.put("abcd");
  caller.put(200, WasiIovec{100, 4});
  caller.put(208, WasiIovec{300, 1024});
  EXPECT_EQ(caller.wasi("fd_read", {0, 200, 2, 400}), Errno::success);
  EXPECT_EQ(caller.at<std::uint32_t>(400), 4U);
  EXPECT_EQ(caller.text(100, 4), "abcd");
}

TEST(OwnStreams, OutputIsNoReply) {
  FakeCaller caller({}, own_streams());
  FakeGuest guest(caller);
  std::string seen;
  {
    const Redirected output(1);
    EXPECT_EQ(guest.write(1, "printed"), 7U);
    seen = output.take();
  }
  EXPECT_EQ(seen, "printed");
  EXPECT_EQ(caller.reply().output, "");
}

TEST(OwnStreams, PipesAreNoTerminalsAndCannotSeek) {
  const Redirected input(0);
  FakeCaller caller({}, own_streams());
  EXPECT_EQ(caller.wasi("fd_fdstat_get", {0, 400}), Errno::success);
  EXPECT_EQ(caller.at<WasiFdstat>(400).filetype, Filetype::unknown);
  EXPECT_EQ(caller.wasi("fd_seek", {0, 0, 0, 400}), Errno::spipe);
}

TEST(Errors, AreTheSameInTheGuestsNumbers) {
  EXPECT_EQ(errno_of(0), Errno::success);
  EXPECT_EQ(errno_of(ENOENT), Errno::noent);
  EXPECT_EQ(errno_of(EXDEV), Errno::xdev);
  EXPECT_EQ(errno_of(ENOSPC), Errno::nospc);
  EXPECT_EQ(errno_of(EREMOTEIO), Errno::io);
}

}  // namespace
}  // namespace canopy::guest
