#pragma once
// The 46 functions of WASI preview 1, one member each, in the order of its description. Arguments are what
// the guest passed: addresses, sizes and numbers of which nothing is known.
//
// Beside what POSIX has for each: badf for what is no open descriptor, fault for an address outside of the
// memory, inval for an unknown flag, ilseq for a path that is not UTF-8, notcapable for a right that the
// descriptor lacks. Sockets do not exist.
//
// Clocks have a resolution of 1 us. The monotonic clock counts from a second before the call came in; the
// CPU clocks tell the same, an upper bound of what was used.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "guest/calls.h"

namespace canopy::guest {

class Wasi : public Calls {
 public:
  using Calls::Calls;
  using u32 = std::uint32_t;
  using u64 = std::uint64_t;
  using Answer = Step<Errno>;

  Answer args_get(u32 pointers, u32 buffer);
  Answer args_sizes_get(u32 count_out, u32 size_out);
  Answer environ_get(u32 pointers, u32 buffer);
  Answer environ_sizes_get(u32 count_out, u32 size_out);
  Errno clock_res_get(u32 clock, u32 out);
  Answer clock_time_get(u32 clock, u64 precision, u32 out);

  Errno fd_advise(u32 fd, u64 offset, u64 size, u32 advice);
  Answer fd_allocate(u32 fd, u64 offset, u64 size);
  Errno fd_close(u32 fd);
  Errno fd_datasync(u32 fd);
  Errno fd_fdstat_get(u32 fd, u32 out);
  Errno fd_fdstat_set_flags(u32 fd, u32 flags);
  Errno fd_fdstat_set_rights(u32 fd, u64 base, u64 inheriting);
  Errno fd_filestat_get(u32 fd, u32 out);
  Answer fd_filestat_set_size(u32 fd, u64 size);
  Answer fd_filestat_set_times(u32 fd, u64 accessed, u64 modified, u32 flags);
  Errno fd_pread(u32 fd, u32 vectors, u32 count, u64 offset, u32 out);
  Errno fd_prestat_get(u32 fd, u32 out);
  Errno fd_prestat_dir_name(u32 fd, u32 path, u32 path_size);
  Answer fd_pwrite(u32 fd, u32 vectors, u32 count, u64 offset, u32 out);
  Answer fd_read(u32 fd, u32 vectors, u32 count, u32 out);
  Errno fd_readdir(u32 fd, u32 buffer, u32 buffer_size, u64 cookie, u32 out);
  Errno fd_renumber(u32 from, u32 to);
  Errno fd_seek(u32 fd, std::int64_t offset, u32 whence, u32 out);
  Errno fd_sync(u32 fd);
  Errno fd_tell(u32 fd, u32 out);
  Answer fd_write(u32 fd, u32 vectors, u32 count, u32 out);

  Answer path_create_directory(u32 fd, u32 path, u32 path_size);
  Errno path_filestat_get(u32 fd, u32 flags, u32 path, u32 path_size, u32 out);
  Answer path_filestat_set_times(u32 fd, u32 flags, u32 path, u32 path_size, u64 accessed, u64 modified,
                                 u32 time_flags);
  Answer path_link(u32 old_fd, u32 flags, u32 old_path, u32 old_size, u32 new_fd, u32 new_path, u32 new_size);
  Answer path_open(u32 fd, u32 lookup, u32 path, u32 path_size, u32 open_flags, u64 base, u64 inheriting,
                   u32 fd_flags, u32 out);
  Errno path_readlink(u32 fd, u32 path, u32 path_size, u32 buffer, u32 buffer_size, u32 out);
  Answer path_remove_directory(u32 fd, u32 path, u32 path_size);
  Answer path_rename(u32 fd, u32 old_path, u32 old_size, u32 new_fd, u32 new_path, u32 new_size);
  Answer path_symlink(u32 target, u32 target_size, u32 fd, u32 path, u32 path_size);
  Answer path_unlink_file(u32 fd, u32 path, u32 path_size);

  // Descriptors are always ready. Of clocks, the earliest fires, with those due at the same moment.
  //   inval  no subscriptions, or more than subscriptions_max
  Answer poll_oneoff(u32 subscriptions, u32 events, u32 count, u32 out);
  wasm::After proc_exit(u32 code);
  // Ends the function with 128 + signal, where that is what the signal does.
  Answer proc_raise(u32 signal);
  Answer random_get(u32 buffer, u32 size);
  Errno sched_yield();
  Errno sock_accept(u32 fd, u32 flags, u32 out);
  Errno sock_recv(u32 fd, u32 vectors, u32 count, u32 flags, u32 size_out, u32 flags_out);
  Errno sock_send(u32 fd, u32 vectors, u32 count, u32 flags, u32 out);
  Errno sock_shutdown(u32 fd, u32 how);

  static constexpr u32 subscriptions_max = 4096;

 private:
  struct PolledClock;

  static Answer answer(Errno error) { return {wasm::After::go_on, error}; }
  static Answer failed() { return {wasm::After::fail, Errno::success}; }
  // The answer to what may have changed a file; refused while preparing.
  template <class T>
  Answer changed(const Io<T>& result) {
    if (state().changed_files() && refused_while_preparing("files of its own")) return failed();
    return answer(result ? Errno::success : result.error());
  }

  Io<Descriptor*> open_descriptor(u32 fd);
  // An open descriptor with these rights.
  Io<Descriptor*> need(u32 fd, Rights rights);
  Node& node(Descriptor& descriptor) { return state().node(descriptor, caller().clock()); }
  // The folder of a path_* call.
  Io<Node*> folder(u32 fd, Rights rights);
  Io<std::string> path(u32 at, u32 size);
  Io<Times> times(u64 accessed, u64 modified, u32 flags);

  Answer strings_get(const std::vector<std::string>& strings, u32 pointers, u32 buffer);
  Answer strings_sizes(const std::vector<std::string>& strings, u32 count_out, u32 size_out);

  u64 wall_time();
  u64 monotonic_time();
  Io<u64> time_of(u32 clock);

  Answer read_input(u32 vectors, u32 count, u32 out);
  Answer write_stream(Stream stream, u32 vectors, u32 count, u32 out);
  Io<u32> read_at(Node& from, u32 vectors, u32 count, u64 offset);
  Io<u32> write_at(Node& to, u32 vectors, u32 count, u64 offset);
  Errno put_stat(const Io<Stat>& stat, u32 out);

  Io<WasiEvent> ready_event(const WasiSubscription& subscription);
  Io<PolledClock> polled_clock(const WasiSubscription& subscription);
  Answer fill_random_piece();
  static wasm::After resume_random(wasm::Caller& caller, wasm::Value* values);
};

}  // namespace canopy::guest
