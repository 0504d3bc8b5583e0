#include "store/call_log_marks.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "store/crc32c.h"
#include "store/disk.h"

namespace canopy::store {
namespace {

constexpr std::uint64_t magic = 0x314b52414d4c4143;  // "CALMARK1"

struct Header {
  std::uint64_t magic_number;
  std::uint64_t batch;
  std::uint32_t seal;
  std::uint32_t padding;
  std::uint64_t more_padding[5];
};
static_assert(sizeof(Header) == 64);

template <class Sealed>
std::uint32_t seal_of(const Sealed& sealed) {
  return crc32c({reinterpret_cast<const char*>(&sealed), offsetof(Sealed, seal)});
}

}  // namespace

struct CallMarks::Slot {
  std::uint64_t number;
  std::int64_t started;
  std::uint32_t attempt;
  std::uint32_t seal;
};

Result<std::unique_ptr<CallMarks>> CallMarks::open(const std::filesystem::path& file, std::size_t count_max) {
  const Descriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened) return tl::unexpected(disk_error("open", file, errno));
  CANOPY_TRY_VOID(check_plain_file(opened, file));
  struct stat facts{};
  if (fstat(opened.get(), &facts) != 0) return tl::unexpected(disk_error("look at", file, errno));
  auto marks = std::unique_ptr<CallMarks>(new CallMarks());
  const std::size_t wanted = sizeof(Header) + count_max * sizeof(Slot);
  const auto present = static_cast<std::size_t>(facts.st_size);
  marks->size_ = std::max(wanted, present);
  marks->count_max_ = count_max;
  // Room for all of it now: a mapped page without room on the disk would end the process when it is written.
  if (const int error = posix_fallocate(opened.get(), 0, static_cast<off_t>(marks->size_)); error != 0) {
    return tl::unexpected(disk_error("make room for", file, error));
  }
  void* const memory = mmap(nullptr, marks->size_, PROT_READ | PROT_WRITE, MAP_SHARED, opened.get(), 0);
  if (memory == MAP_FAILED) return tl::unexpected(disk_error("map", file, errno));
  marks->memory_ = memory;

  const auto& header = *static_cast<const Header*>(memory);
  if (header.magic_number == magic && header.seal == seal_of(header)) marks->left_batch_ = header.batch;
  const std::size_t slot_count = (marks->size_ - sizeof(Header)) / sizeof(Slot);
  for (std::size_t i = 0; i < slot_count; ++i) {
    const Slot& slot = marks->slots()[i];
    if (slot.number == 0 || slot.seal != seal_of(slot)) continue;
    marks->left_.push_back(
        {.number = slot.number, .attempt = slot.attempt, .started = WallTime(Duration(slot.started))});
  }
  return marks;
}

CallMarks::~CallMarks() {
  if (memory_ != nullptr) munmap(memory_, size_);
}

CallMarks::Slot* CallMarks::slots() const {
  return reinterpret_cast<Slot*>(static_cast<char*>(memory_) + sizeof(Header));
}

void CallMarks::begin() {
  std::memset(slots(), 0, size_ - sizeof(Header));
  free_.clear();
  for (std::size_t i = count_max_; i > 0; --i) free_.push_back(i - 1);
  left_.clear();
}

std::size_t CallMarks::put(const Mark& mark) {
  if (free_.empty()) return count_max_;
  const std::size_t place = free_.back();
  free_.pop_back();
  Slot slot{.number = mark.number,
            .started = mark.started.time_since_epoch().count(),
            .attempt = mark.attempt,
            .seal = 0};
  slot.seal = seal_of(slot);
  slots()[place] = slot;
  return place;
}

void CallMarks::erase(std::size_t place) {
  if (place >= count_max_) return;
  slots()[place] = {};
  free_.push_back(place);
}

void CallMarks::set_batch(std::uint64_t batch) {
  auto& header = *static_cast<Header*>(memory_);
  Header changed{};
  changed.magic_number = magic;
  changed.batch = batch;
  changed.seal = seal_of(changed);
  header = changed;
}

}  // namespace canopy::store
