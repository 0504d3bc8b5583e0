#include "container/voice.h"

#include <algorithm>
#include <utility>

#include "base/units.h"

namespace canopy::container {
namespace {

constexpr std::size_t unheard_bytes_max = 64 * KiB;
constexpr std::size_t inbox_bytes_max = MiB;
constexpr std::size_t last_bytes_max = 2 * KiB;

}  // namespace

void Voice::attach(std::shared_ptr<Ear> ear) {
  const std::lock_guard lock(mutex_);
  if (!unheard_.empty()) ear->inbox.emplace_back(CallLog::Stream::err, std::exchange(unheard_, {}));
  ears_.push_back(std::move(ear));
}

void Voice::detach(const std::shared_ptr<Ear>& ear, Started& started) {
  const std::lock_guard lock(mutex_);
  static_cast<void>(
      started.read_output([this](bool is_error, std::string_view bytes) { take(is_error, bytes); }));
  std::erase(ears_, ear);
  flush(*ear);
  ear->log = nullptr;
}

Progress Voice::read(Started& started) {
  const std::lock_guard lock(mutex_);
  return started.read_output([this](bool is_error, std::string_view bytes) { take(is_error, bytes); });
}

void Voice::take(bool is_error, std::string_view bytes) {
  last_ += bytes;
  if (last_.size() > 2 * last_bytes_max) last_.erase(0, last_.size() - last_bytes_max);
  if (ears_.empty()) {
    unheard_ += bytes.substr(0, unheard_bytes_max - std::min(unheard_.size(), unheard_bytes_max));
    return;
  }
  const std::shared_ptr<Ear>& ear = ears_.back();
  const std::size_t room = inbox_bytes_max - std::min(ear->inbox_bytes, inbox_bytes_max);
  const auto stream = is_error ? CallLog::Stream::err : CallLog::Stream::out;
  if (ear->inbox.empty() || ear->inbox.back().first != stream) ear->inbox.emplace_back(stream, "");
  ear->inbox.back().second += bytes.substr(0, room);
  ear->inbox_bytes += std::min(bytes.size(), room);
  ear->dropped_bytes += bytes.size() - std::min(bytes.size(), room);
  if (std::exchange(ear->is_told, true)) return;
  // Who detaches has it all at once; for those who run on, it goes by their core.
  ear->core.post([this, weak = std::weak_ptr(ear)] {
    const auto told = weak.lock();
    if (told == nullptr || told->log == nullptr) return;
    const std::lock_guard lock(mutex_);
    flush(*told);
  });
}

void Voice::flush(Ear& ear) {
  ear.is_told = false;
  const auto inbox = std::exchange(ear.inbox, {});
  ear.inbox_bytes = 0;
  const std::uint64_t dropped_bytes = std::exchange(ear.dropped_bytes, 0);
  if (ear.log == nullptr) return;
  for (const auto& [stream, bytes] : inbox) ear.log->write(stream, bytes);
  if (dropped_bytes > 0) ear.log->add_dropped(dropped_bytes);
}

std::string Voice::last_words() const {
  const std::lock_guard lock(mutex_);
  std::string words = last_.size() > last_bytes_max ? last_.substr(last_.size() - last_bytes_max) : last_;
  for (char& c : words) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) c = '?';
  }
  while (words.ends_with('\n')) words.pop_back();
  return words;
}

}  // namespace canopy::container
