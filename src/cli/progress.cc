#include "cli/progress.h"

#include <utility>

namespace canopy::cli {
namespace {

constexpr Duration period = std::chrono::milliseconds(250);

}  // namespace

Progress::Progress(Terminal& terminal, std::string what, Duration delay)
    : terminal_(terminal), what_(std::move(what)), delay_(delay) {
  if (!terminal_.err_is_terminal()) return;
  thread_ = std::jthread([this](const std::stop_token& stopped) { draw(stopped); });
}

void Progress::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Progress::draw(const std::stop_token& stopped) {
  const Time began = system_clock().now();
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stopped, delay_, [] { return false; });
  bool drawn = false;
  while (!stopped.stop_requested()) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(system_clock().now() - began);
    terminal_.err() << "\r\x1b[K" << what_ << "… " << seconds.count() << " s" << std::flush;
    drawn = true;
    wake_.wait_for(lock, stopped, period, [] { return false; });
  }
  if (drawn) terminal_.err() << "\r\x1b[K" << std::flush;
}

}  // namespace canopy::cli
