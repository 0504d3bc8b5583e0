// The fd_* functions.

#include <algorithm>
#include <cstring>

#include "guest/wasi_calls.h"

namespace canopy::guest {
namespace {

// What to answer where a descriptor lacks a right: what POSIX says if it is of the wrong kind for that.
Errno refusal(const Descriptor& descriptor, Rights missing) {
  constexpr Rights seeks = rights::fd_seek | rights::fd_tell | rights::fd_allocate | rights::fd_advise;
  const bool writes = (missing & rights::fd_write) != 0;
  if (descriptor.type() == Filetype::directory) {
    if ((missing & ~rights::of_folder) == 0) return Errno::notcapable;
    return writes ? Errno::badf : Errno::isdir;
  }
  if ((missing & rights::of_folder & ~rights::of_file) != 0) return Errno::notdir;
  if ((missing & (rights::fd_read | rights::fd_write)) != 0) return Errno::badf;
  if (!descriptor.seekable()) {
    if ((missing & seeks) != 0) return Errno::spipe;
    if ((missing & rights::fd_filestat_set_size) != 0) return Errno::inval;
  }
  return Errno::notcapable;
}

}  // namespace

Io<Descriptor*> Wasi::open_descriptor(u32 fd) {
  Descriptor* const found = state().descriptors().find(fd);
  return found == nullptr ? Io<Descriptor*>(io_error(Errno::badf)) : Io<Descriptor*>(found);
}

Io<Descriptor*> Wasi::need(u32 fd, Rights rights) {
  const auto found = open_descriptor(fd);
  if (!found) return found;
  const Rights missing = rights & ~(*found)->base;
  if (missing != 0) return io_error(refusal(**found, missing));
  return found;
}

Errno Wasi::fd_advise(u32 fd, u64 offset, u64 size, u32 advice) {
  constexpr u32 noreuse = 5;
  const auto found = need(fd, rights::fd_advise);
  if (!found) return found.error();
  if (advice > noreuse || offset > INT64_MAX || size > INT64_MAX) return Errno::inval;
  return Errno::success;  // There is nothing to be gained by it.
}

Wasi::Answer Wasi::fd_allocate(u32 fd, u64 offset, u64 size) {
  const auto found = need(fd, rights::fd_allocate);
  return found ? changed(node(**found).allocate(offset, size)) : answer(found.error());
}

Errno Wasi::fd_close(u32 fd) { return state().descriptors().close(fd); }

Errno Wasi::fd_datasync(u32 fd) {
  const auto found = need(fd, rights::fd_datasync);
  if (!found) return found.error();
  if ((*found)->is_stream()) return Errno::success;
  const auto synced = node(**found).sync();
  return synced ? Errno::success : synced.error();
}

Errno Wasi::fd_sync(u32 fd) {
  const auto found = need(fd, rights::fd_sync);
  if (!found) return found.error();
  if ((*found)->is_stream()) return Errno::success;
  const auto synced = node(**found).sync();
  return synced ? Errno::success : synced.error();
}

Errno Wasi::fd_fdstat_get(u32 fd, u32 out) {
  const Stream stream = state().untouched_stream(fd);
  if (stream != Stream::none) {
    const Rights base = stream == Stream::input ? rights::of_input : rights::of_output;
    return memory().put(out, WasiFdstat{.filetype = Filetype::unknown, .base = base});
  }
  const auto found = open_descriptor(fd);
  if (!found) return found.error();
  const Descriptor& descriptor = **found;
  return memory().put(out, WasiFdstat{.filetype = descriptor.type(),
                                      .flags = descriptor.flags,
                                      .base = descriptor.base,
                                      .inheriting = descriptor.inheriting});
}

Errno Wasi::fd_fdstat_set_flags(u32 fd, u32 flags) {
  const auto found = need(fd, rights::fd_fdstat_set_flags);
  if (!found) return found.error();
  if ((flags & ~fdflags::all) != 0) return Errno::inval;
  (*found)->flags = static_cast<std::uint16_t>(flags);
  return Errno::success;
}

Errno Wasi::fd_fdstat_set_rights(u32 fd, u64 base, u64 inheriting) {
  const auto found = open_descriptor(fd);
  if (!found) return found.error();
  Descriptor& descriptor = **found;
  if ((base & ~descriptor.base) != 0 || (inheriting & ~descriptor.inheriting) != 0) return Errno::notcapable;
  descriptor.base = base;
  descriptor.inheriting = inheriting;
  return Errno::success;
}

Errno Wasi::put_stat(const Io<Stat>& stat, u32 out) {
  if (!stat) return stat.error();
  return memory().put(out, WasiFilestat{.device = stat->device,
                                        .inode = stat->inode,
                                        .filetype = stat->type,
                                        .links = stat->links,
                                        .size = stat->size,
                                        .accessed = stat->accessed,
                                        .modified = stat->modified,
                                        .changed = stat->changed});
}

Errno Wasi::fd_filestat_get(u32 fd, u32 out) {
  const auto found = need(fd, rights::fd_filestat_get);
  if (!found) return found.error();
  if ((*found)->is_stream()) return put_stat(Stat{.inode = u64{fd} + 1}, out);
  return put_stat(node(**found).stat(), out);
}

Wasi::Answer Wasi::fd_filestat_set_size(u32 fd, u64 size) {
  const auto found = need(fd, rights::fd_filestat_set_size);
  return found ? changed(node(**found).resize(size)) : answer(found.error());
}

Io<Times> Wasi::times(u64 accessed, u64 modified, u32 flags) {
  const auto both = [flags](u32 pair) { return (flags & pair) == pair; };
  if ((flags & ~fstflags::all) != 0 || both(fstflags::atim | fstflags::atim_now) ||
      both(fstflags::mtim | fstflags::mtim_now)) {
    return io_error(Errno::inval);
  }
  Times result;
  if ((flags & fstflags::atim) != 0) result.accessed = accessed;
  if ((flags & fstflags::mtim) != 0) result.modified = modified;
  if ((flags & fstflags::atim_now) != 0) result.accessed = wall_time();
  if ((flags & fstflags::mtim_now) != 0) result.modified = wall_time();
  return result;
}

Wasi::Answer Wasi::fd_filestat_set_times(u32 fd, u64 accessed, u64 modified, u32 flags) {
  const auto found = need(fd, rights::fd_filestat_set_times);
  if (!found) return answer(found.error());
  const auto wanted = times(accessed, modified, flags);
  if (!wanted) return answer(wanted.error());
  return changed(node(**found).set_times(*wanted));
}

Io<Wasi::u32> Wasi::read_at(Node& from, u32 vectors, u32 count, u64 offset) {
  if (offset > INT64_MAX) return io_error(Errno::inval);
  bool is_served = false;
  return memory().each(vectors, count, [&](std::span<std::byte> piece) -> Io<std::size_t> {
    // What came by a pipe or terminal is handed on, rather than waiting to fill the next vector too.
    if (is_served && !from.seekable()) return std::size_t{0};
    const auto got = from.read(piece, offset);
    if (got) offset += *got;
    is_served = got && *got > 0;
    return got;
  });
}

Io<Wasi::u32> Wasi::write_at(Node& to, u32 vectors, u32 count, u64 offset) {
  if (offset > INT64_MAX) return io_error(Errno::inval);
  return memory().each(vectors, count, [&](std::span<std::byte> piece) -> Io<std::size_t> {
    const auto put = to.write(piece, offset);
    if (put) offset += *put;
    return put;
  });
}

Errno Wasi::fd_pread(u32 fd, u32 vectors, u32 count, u64 offset, u32 out) {
  const auto found = need(fd, rights::fd_read | rights::fd_seek);
  if (!found) return found.error();
  if (!(*found)->seekable()) return Errno::spipe;
  const auto got = read_at(node(**found), vectors, count, offset);
  return got ? memory().put(out, *got) : got.error();
}

Wasi::Answer Wasi::fd_pwrite(u32 fd, u32 vectors, u32 count, u64 offset, u32 out) {
  const auto found = need(fd, rights::fd_write | rights::fd_seek);
  if (!found) return answer(found.error());
  if (!(*found)->seekable()) return answer(Errno::spipe);
  const auto put = write_at(node(**found), vectors, count, offset);
  const Answer done = changed(put);
  return put && done.after == wasm::After::go_on ? answer(memory().put(out, *put)) : done;
}

Wasi::Answer Wasi::read_input(u32 vectors, u32 count, u32 out) {
  if (refused_while_preparing("the input of a call")) return failed();
  const std::string_view input = caller().call().input;
  u64& offset = state().input_offset;
  const auto got = memory().each(vectors, count, [&](std::span<std::byte> piece) -> Io<std::size_t> {
    const std::string_view from = input.substr(static_cast<std::size_t>(offset), piece.size());
    if (!from.empty()) std::memcpy(piece.data(), from.data(), from.size());
    offset += from.size();
    return from.size();
  });
  return answer(got ? memory().put(out, *got) : got.error());
}

Wasi::Answer Wasi::write_stream(Stream stream, u32 vectors, u32 count, u32 out) {
  bool is_past_limit = false;
  const auto put = memory().each(vectors, count, [&](std::span<std::byte> piece) -> Io<std::size_t> {
    if (stream == Stream::log) {
      write_log(CallLog::Stream::err, as_text(piece));
    } else if (!write_stdout(as_text(piece))) {
      is_past_limit = true;
      return std::size_t{0};
    }
    return piece.size();
  });
  if (is_past_limit) return failed();
  return answer(put ? memory().put(out, *put) : put.error());
}

Wasi::Answer Wasi::fd_read(u32 fd, u32 vectors, u32 count, u32 out) {
  if (state().untouched_stream(fd) == Stream::input) return read_input(vectors, count, out);
  const auto found = need(fd, rights::fd_read);
  if (!found) return answer(found.error());
  Descriptor& descriptor = **found;
  if (descriptor.is_stream()) return read_input(vectors, count, out);
  const auto got = read_at(node(descriptor), vectors, count, descriptor.offset);
  if (!got) return answer(got.error());
  descriptor.offset += *got;
  return answer(memory().put(out, *got));
}

Wasi::Answer Wasi::fd_write(u32 fd, u32 vectors, u32 count, u32 out) {
  const Stream stream = state().untouched_stream(fd);
  if (stream == Stream::output || stream == Stream::log) return write_stream(stream, vectors, count, out);
  const auto found = need(fd, rights::fd_write);
  if (!found) return answer(found.error());
  Descriptor& descriptor = **found;
  if (descriptor.is_stream()) return write_stream(descriptor.stream, vectors, count, out);
  Node& file = node(descriptor);
  if ((descriptor.flags & fdflags::append) != 0 && descriptor.seekable()) {
    const auto stat = file.stat();
    if (!stat) return answer(stat.error());
    descriptor.offset = stat->size;
  }
  const auto put = write_at(file, vectors, count, descriptor.offset);
  if (put) descriptor.offset += *put;
  const Answer done = changed(put);
  return put && done.after == wasm::After::go_on ? answer(memory().put(out, *put)) : done;
}

Errno Wasi::fd_prestat_get(u32 fd, u32 out) {
  const auto found = open_descriptor(fd);
  if (!found) return found.error();
  const auto& name = (*found)->preopened_as;
  if (!name) return Errno::badf;
  return memory().put(out, WasiPrestat{.name_size = static_cast<u32>(name->size())});
}

Errno Wasi::fd_prestat_dir_name(u32 fd, u32 path, u32 path_size) {
  const auto found = open_descriptor(fd);
  if (!found) return found.error();
  const auto& name = (*found)->preopened_as;
  if (!name) return Errno::badf;
  const auto into = memory().part(path, path_size);
  if (!into) return into.error();
  if (path_size < name->size()) return Errno::nametoolong;
  if (!name->empty()) std::memcpy(into->data(), name->data(), name->size());
  return Errno::success;
}

Errno Wasi::fd_readdir(u32 fd, u32 buffer, u32 buffer_size, u64 cookie, u32 out) {
  const auto found = need(fd, rights::fd_readdir);
  if (!found) return found.error();
  if ((*found)->type() != Filetype::directory) return Errno::notdir;
  const auto into = memory().part(buffer, buffer_size);
  if (!into) return into.error();
  std::span<std::byte> rest = *into;
  // The last entry may be cut short: that is how the guest learns that there is more.
  const auto append = [&rest](const void* data, std::size_t size) {
    const std::size_t piece = std::min(size, rest.size());
    if (piece > 0) std::memcpy(rest.data(), data, piece);
    rest = rest.subspan(piece);
  };
  const auto listed = node(**found).list(cookie, [&](const Entry& entry) {
    const WasiDirent head{.next = entry.next,
                          .inode = entry.inode,
                          .name_size = static_cast<u32>(entry.name.size()),
                          .filetype = entry.type};
    append(&head, sizeof head);
    append(entry.name.data(), entry.name.size());
    return !rest.empty();
  });
  if (!listed) return listed.error();
  return memory().put(out, static_cast<u32>(buffer_size - rest.size()));
}

Errno Wasi::fd_renumber(u32 from, u32 to) { return state().descriptors().renumber(from, to); }

Errno Wasi::fd_seek(u32 fd, std::int64_t offset, u32 whence, u32 out) {
  // Asking where one is needs less than going elsewhere.
  const bool only_tells = offset == 0 && whence == static_cast<u32>(Whence::cur);
  const auto found = need(fd, only_tells ? rights::fd_tell : rights::fd_seek);
  if (!found) return found.error();
  Descriptor& descriptor = **found;
  if (!descriptor.seekable()) return Errno::spipe;
  if (whence > static_cast<u32>(Whence::end)) return Errno::inval;
  u64 from = 0;
  if (static_cast<Whence>(whence) == Whence::cur) from = descriptor.offset;
  if (static_cast<Whence>(whence) == Whence::end) {
    const auto stat = node(descriptor).stat();
    if (!stat) return stat.error();
    from = stat->size;
  }
  std::int64_t to = 0;
  if (from > INT64_MAX || __builtin_add_overflow(static_cast<std::int64_t>(from), offset, &to)) {
    return Errno::overflow;
  }
  if (to < 0) return Errno::inval;
  descriptor.offset = static_cast<u64>(to);
  return memory().put(out, descriptor.offset);
}

Errno Wasi::fd_tell(u32 fd, u32 out) {
  const auto found = need(fd, rights::fd_tell);
  if (!found) return found.error();
  if (!(*found)->seekable()) return Errno::spipe;
  return memory().put(out, (*found)->offset);
}

}  // namespace canopy::guest
