#include "cli/signals.h"

#include <cerrno>
#include <csignal>

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"

namespace canopy::cli {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A client that leaves must not end the server.
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): it cannot fail for this signal.
  descriptor_ = signalfd(-1, &set, SFD_CLOEXEC);
  CANOPY_CHECK(descriptor_ >= 0);
}

StopSignals::~StopSignals() { close(descriptor_); }

int StopSignals::wait() {
  signalfd_siginfo info{};
  while (read(descriptor_, &info, sizeof info) < 0 && errno == EINTR) {
  }
  return static_cast<int>(info.ssi_signo);
}

void StopSignals::quit_at_next() {
  // What the signals do by default is to end the program. One thread that takes them is enough.
  const sigset_t set = stop_signals();
  std::signal(SIGINT, SIG_DFL);   // NOLINT(cert-err33-c)
  std::signal(SIGTERM, SIG_DFL);  // NOLINT(cert-err33-c)
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace canopy::cli
