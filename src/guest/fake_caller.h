#pragma once
// An engine for tests: a caller over plain bytes, with a clock that stands still, which calls imports by
// name with the arguments given.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "guest/host.h"
#include "guest/wasi.h"
#include "wasm/host.h"

namespace canopy::guest {

class FakeCaller final : public wasm::Caller {
 public:
  explicit FakeCaller(Function function = {}, GuestOptions options = {}, std::size_t memory_bytes = 65536)
      : function_(std::move(function)), host_(make_host(std::move(options))), bytes_(memory_bytes) {
    call_.function = &function_;
    call_.log = &log_;
    call_.queued = clock_.now();
    restart();
  }

  // Drops what the call has, and starts anew.
  void restart() {
    state_.reset();
    state_ = host_.make_state(function_, call_);
  }

  std::span<std::byte> memory() override { return bytes_; }
  wasm::GuestState& state() override { return *state_; }
  Call& call() override { return call_; }
  Reply& reply() override { return reply_; }
  const Clock& clock() const override { return clock_; }
  bool preparing() const override { return is_preparing; }
  void exit(int code) override { exit_code = code; }
  void fail(Error reason) override { error = std::move(reason); }
  void suspend(Time until, wasm::HostFunction then) override {
    wake_at = until;
    resume = then;
  }

  const wasm::Host& host() const { return host_; }
  const wasm::Import& import(std::string_view name) const {
    for (const wasm::Import& each : host_.imports) {
      if (each.name == name) return each;
    }
    check_failed("import", __FILE__, __LINE__);
  }

  // Calls an import; its result is result(), and how it ended is `after`.
  FakeCaller& run(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    const wasm::Import& found = import(name);
    CANOPY_CHECK(found.parameters.size() == arguments.size());
    std::vector<wasm::Value> values(std::max<std::size_t>(1, arguments.size()));
    std::size_t index = 0;
    for (const std::uint64_t argument : arguments) {
      values[index].i64 = 0x5a5a5a5a5a5a5a5a;  // What an i32 does not cover is anything.
      if (found.parameters[index] == 'I') {
        values[index].i64 = static_cast<std::int64_t>(argument);
      } else {
        values[index].i32 = static_cast<std::int32_t>(argument);
      }
      ++index;
    }
    after = found.function(*this, values.data());
    value = values[0];
    return *this;
  }
  std::int32_t result() const { return value.i32; }

  // Of WASI: the errno.
  Errno wasi(std::string_view name, std::initializer_list<std::uint64_t> arguments) {
    run(name, arguments);
    return static_cast<Errno>(value.i32);
  }

  template <class T>
  T at(std::size_t address) const {
    T copy;
    CANOPY_CHECK(address + sizeof(T) <= bytes_.size());
    std::memcpy(&copy, bytes_.data() + address, sizeof(T));
    return copy;
  }
  template <class T>
  void put(std::size_t address, const T& object) {
    CANOPY_CHECK(address + sizeof(T) <= bytes_.size());
    std::memcpy(bytes_.data() + address, &object, sizeof(T));
  }
  void put_text(std::size_t address, std::string_view text) {
    CANOPY_CHECK(address + text.size() <= bytes_.size());
    if (!text.empty()) std::memcpy(bytes_.data() + address, text.data(), text.size());
  }
  std::string text(std::size_t address, std::size_t size) const {
    CANOPY_CHECK(address + size <= bytes_.size());
    return {reinterpret_cast<const char*>(bytes_.data()) + address, size};
  }

  Function& function() { return function_; }
  FakeClock& fake_clock() { return clock_; }
  CallLog& log() { return log_; }
  std::vector<std::byte>& bytes() { return bytes_; }

  bool is_preparing = false;
  wasm::After after = wasm::After::go_on;
  wasm::Value value{};
  std::optional<int> exit_code;
  std::optional<Error> error;
  std::optional<Time> wake_at;
  wasm::HostFunction resume = nullptr;

 private:
  Function function_;
  FakeClock clock_;
  CallLog log_{4096};
  Call call_;
  Reply reply_;
  wasm::Host host_;
  std::vector<std::byte> bytes_;
  std::unique_ptr<wasm::GuestState> state_;
};

// Shorthand of tests: paths and data are put into the memory below 16 KiB, answers come above.
class FakeGuest {
 public:
  static constexpr std::uint64_t path_at = 1024, path_2_at = 8192, out_at = 16384, vector_at = 16512,
                                 data_at = 20480;

  explicit FakeGuest(FakeCaller& caller) : caller_(caller) {}

  // The descriptor, or the errno.
  Io<std::uint32_t> open(std::string_view path, std::uint32_t open_flags = 0, Rights base = rights::all,
                         std::uint32_t fd_flags = 0, std::uint32_t folder = 3, bool follow = true) {
    caller_.put_text(path_at, path);
    const Errno error = caller_.wasi("path_open", {folder, follow ? 1U : 0U, path_at, path.size(), open_flags,
                                                   base, rights::all, fd_flags, out_at});
    if (error != Errno::success) return io_error(error);
    return caller_.at<std::uint32_t>(out_at);
  }
  Io<std::uint32_t> open_read(std::string_view path) { return open(path, 0, rights::all & ~writes); }
  Io<std::uint32_t> create(std::string_view path) { return open(path, oflags::creat); }

  Io<std::uint32_t> write(std::uint32_t fd, std::string_view data) {
    caller_.put_text(data_at, data);
    caller_.put(vector_at, WasiIovec{data_at, static_cast<std::uint32_t>(data.size())});
    const Errno error = caller_.wasi("fd_write", {fd, vector_at, 1, out_at});
    if (error != Errno::success) return io_error(error);
    return caller_.at<std::uint32_t>(out_at);
  }
  Io<std::string> read(std::uint32_t fd, std::uint32_t size = 4096) {
    caller_.put(vector_at, WasiIovec{data_at, size});
    const Errno error = caller_.wasi("fd_read", {fd, vector_at, 1, out_at});
    if (error != Errno::success) return io_error(error);
    return caller_.text(data_at, caller_.at<std::uint32_t>(out_at));
  }
  Io<std::uint64_t> seek(std::uint32_t fd, std::int64_t offset, Whence whence) {
    const Errno error = caller_.wasi(
        "fd_seek", {fd, static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(whence), out_at});
    if (error != Errno::success) return io_error(error);
    return caller_.at<std::uint64_t>(out_at);
  }
  Errno close(std::uint32_t fd) { return caller_.wasi("fd_close", {fd}); }

  // A file with this content; success, or what went wrong.
  Errno make(std::string_view path, std::string_view content = {}) {
    const auto fd = create(path);
    if (!fd) return fd.error();
    const auto put = write(*fd, content);
    return put ? close(*fd) : put.error();
  }
  // Its first 4 KiB.
  Io<std::string> content(std::string_view path) {
    const auto fd = open_read(path);
    if (!fd) return io_error(fd.error());
    auto text = read(*fd);
    close(*fd);
    return text;
  }

  // A path_* function of a folder and one path.
  Errno on_path(std::string_view function, std::string_view path, std::uint32_t folder = 3) {
    caller_.put_text(path_at, path);
    return caller_.wasi(function, {folder, path_at, path.size()});
  }
  Errno make_folder(std::string_view path) { return on_path("path_create_directory", path); }
  Errno unlink(std::string_view path) { return on_path("path_unlink_file", path); }
  Errno remove_folder(std::string_view path) { return on_path("path_remove_directory", path); }
  Errno rename(std::string_view from, std::string_view to) {
    put_both(from, to);
    return caller_.wasi("path_rename", {3, path_at, from.size(), 3, path_2_at, to.size()});
  }
  Errno link(std::string_view from, std::string_view to, bool follow = false) {
    put_both(from, to);
    return caller_.wasi("path_link", {3, follow ? 1U : 0U, path_at, from.size(), 3, path_2_at, to.size()});
  }
  Errno symlink(std::string_view target, std::string_view path) {
    put_both(target, path);
    return caller_.wasi("path_symlink", {path_at, target.size(), 3, path_2_at, path.size()});
  }
  Io<WasiFilestat> stat(std::string_view path, bool follow = true) {
    caller_.put_text(path_at, path);
    const Errno error =
        caller_.wasi("path_filestat_get", {3, follow ? 1U : 0U, path_at, path.size(), out_at});
    if (error != Errno::success) return io_error(error);
    return caller_.at<WasiFilestat>(out_at);
  }
  Io<WasiFilestat> stat(std::uint32_t fd) {
    const Errno error = caller_.wasi("fd_filestat_get", {fd, out_at});
    if (error != Errno::success) return io_error(error);
    return caller_.at<WasiFilestat>(out_at);
  }

  struct Listed {
    std::vector<std::string> names;
    std::uint64_t cookie = 0;  // Of the last one that is whole.
    std::uint32_t used = 0;
  };
  Io<Listed> list(std::uint32_t fd, std::uint32_t buffer_size = 16384, std::uint64_t cookie = 0) {
    const Errno error = caller_.wasi("fd_readdir", {fd, data_at, buffer_size, cookie, out_at});
    if (error != Errno::success) return io_error(error);
    Listed listed{.names = {}, .cookie = cookie, .used = caller_.at<std::uint32_t>(out_at)};
    for (std::uint64_t at = data_at; at + sizeof(WasiDirent) <= data_at + listed.used;) {
      const auto head = caller_.at<WasiDirent>(at);
      at += sizeof head;
      if (at + head.name_size > data_at + listed.used) break;
      listed.names.push_back(caller_.text(at, head.name_size));
      listed.cookie = head.next;
      at += head.name_size;
    }
    return listed;
  }

 private:
  static constexpr Rights writes = rights::fd_write | rights::fd_allocate | rights::fd_filestat_set_size;
  void put_both(std::string_view a, std::string_view b) {
    caller_.put_text(path_at, a);
    caller_.put_text(path_2_at, b);
  }

  FakeCaller& caller_;
};

}  // namespace canopy::guest
