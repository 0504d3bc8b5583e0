// The path_* functions.

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/utf8.h"
#include "guest/wasi_calls.h"

namespace canopy::guest {
namespace {

constexpr Rights write_rights = rights::fd_write | rights::fd_allocate | rights::fd_filestat_set_size;

bool follows(std::uint32_t lookup) { return (lookup & lookupflags::symlink_follow) != 0; }

}  // namespace

Io<Node*> Wasi::folder(u32 fd, Rights rights) {
  const auto found = need(fd, rights);
  if (!found) return io_error(found.error());
  if ((*found)->type() != Filetype::directory) return io_error(Errno::notdir);
  return &node(**found);
}

Io<std::string> Wasi::path(u32 at, u32 size) {
  auto text = memory().text(at, size, path_size_max);
  if (!text) return text;
  if (text->find('\0') != std::string::npos) return io_error(Errno::inval);
  if (find_invalid_utf8(*text) != std::string_view::npos) return io_error(Errno::ilseq);
  return text;
}

Wasi::Answer Wasi::path_create_directory(u32 fd, u32 path_at, u32 path_size) {
  const auto in = folder(fd, rights::path_create_directory);
  if (!in) return answer(in.error());
  const auto name = path(path_at, path_size);
  return name ? changed((*in)->create_folder(*name)) : answer(name.error());
}

Errno Wasi::path_filestat_get(u32 fd, u32 flags, u32 path_at, u32 path_size, u32 out) {
  const auto in = folder(fd, rights::path_filestat_get);
  if (!in) return in.error();
  if ((flags & ~lookupflags::all) != 0) return Errno::inval;
  const auto name = path(path_at, path_size);
  return name ? put_stat((*in)->stat_at(*name, follows(flags)), out) : name.error();
}

Wasi::Answer Wasi::path_filestat_set_times(u32 fd, u32 flags, u32 path_at, u32 path_size, u64 accessed,
                                           u64 modified, u32 time_flags) {
  const auto in = folder(fd, rights::path_filestat_set_times);
  if (!in) return answer(in.error());
  const auto wanted = times(accessed, modified, time_flags);
  if (!wanted) return answer(wanted.error());
  if ((flags & ~lookupflags::all) != 0) return answer(Errno::inval);
  const auto name = path(path_at, path_size);
  return name ? changed((*in)->set_times_at(*name, follows(flags), *wanted)) : answer(name.error());
}

Wasi::Answer Wasi::path_link(u32 old_fd, u32 flags, u32 old_path, u32 old_size, u32 new_fd, u32 new_path,
                             u32 new_size) {
  const auto from = folder(old_fd, rights::path_link_source);
  if (!from) return answer(from.error());
  const auto to = folder(new_fd, rights::path_link_target);
  if (!to) return answer(to.error());
  if ((flags & ~lookupflags::all) != 0) return answer(Errno::inval);
  const auto name = path(old_path, old_size);
  if (!name) return answer(name.error());
  const auto new_name = path(new_path, new_size);
  if (!new_name) return answer(new_name.error());
  return changed((*from)->link(*name, follows(flags), **to, *new_name));
}

Wasi::Answer Wasi::path_open(u32 fd, u32 lookup, u32 path_at, u32 path_size, u32 open_flags, u64 base,
                             u64 inheriting, u32 fd_flags, u32 out) {
  Rights needed = rights::path_open;
  if ((open_flags & oflags::creat) != 0) needed |= rights::path_create_file;
  if ((open_flags & oflags::trunc) != 0) needed |= rights::path_filestat_set_size;
  const auto in = folder(fd, needed);
  if (!in) return answer(in.error());
  const bool has_unknown_flag = (lookup & ~lookupflags::all) != 0 || (open_flags & ~oflags::all) != 0 ||
                                (fd_flags & ~fdflags::all) != 0;
  if (has_unknown_flag) return answer(Errno::inval);
  const auto name = path(path_at, path_size);
  if (!name) return answer(name.error());
  // Nothing is opened, and no file made, for a descriptor that could then not be handed out.
  if (!memory().part(out, sizeof(u32))) return answer(Errno::fault);
  Descriptors& table = state().descriptors();
  if (!table.has_room()) return answer(Errno::mfile);
  const Rights limit = table.find(fd)->inheriting;
  const OpenHow how{.read = (base & limit & rights::fd_read) != 0,
                    .write = (base & limit & write_rights) != 0,
                    .create = (open_flags & oflags::creat) != 0,
                    .exclusive = (open_flags & oflags::excl) != 0,
                    .truncate = (open_flags & oflags::trunc) != 0,
                    .folder = (open_flags & oflags::directory) != 0,
                    .follow = follows(lookup)};
  auto opened = (*in)->open(*name, how);
  const Answer done = changed(opened);
  if (!opened || done.after != wasm::After::go_on) return done;
  Descriptor made;
  made.node = *std::move(opened);
  const bool is_folder = made.node->type() == Filetype::directory;
  made.base = base & limit & (is_folder ? rights::of_folder : rights::of_file);
  made.inheriting = inheriting & limit;
  made.flags = static_cast<std::uint16_t>(fd_flags);
  const auto number = table.add(std::move(made));
  return answer(number ? memory().put(out, *number) : number.error());
}

Errno Wasi::path_readlink(u32 fd, u32 path_at, u32 path_size, u32 buffer, u32 buffer_size, u32 out) {
  const auto in = folder(fd, rights::path_readlink);
  if (!in) return in.error();
  const auto name = path(path_at, path_size);
  if (!name) return name.error();
  const auto into = memory().part(buffer, buffer_size);
  if (!into) return into.error();
  const auto target = (*in)->read_link(*name);
  if (!target) return target.error();
  const std::size_t size = std::min(target->size(), into->size());
  if (size > 0) std::memcpy(into->data(), target->data(), size);
  return memory().put(out, static_cast<u32>(size));
}

Wasi::Answer Wasi::path_remove_directory(u32 fd, u32 path_at, u32 path_size) {
  const auto in = folder(fd, rights::path_remove_directory);
  if (!in) return answer(in.error());
  const auto name = path(path_at, path_size);
  return name ? changed((*in)->remove_folder(*name)) : answer(name.error());
}

Wasi::Answer Wasi::path_rename(u32 fd, u32 old_path, u32 old_size, u32 new_fd, u32 new_path, u32 new_size) {
  const auto from = folder(fd, rights::path_rename_source);
  if (!from) return answer(from.error());
  const auto to = folder(new_fd, rights::path_rename_target);
  if (!to) return answer(to.error());
  const auto name = path(old_path, old_size);
  if (!name) return answer(name.error());
  const auto new_name = path(new_path, new_size);
  return new_name ? changed((*from)->rename(*name, **to, *new_name)) : answer(new_name.error());
}

Wasi::Answer Wasi::path_symlink(u32 target, u32 target_size, u32 fd, u32 path_at, u32 path_size) {
  const auto in = folder(fd, rights::path_symlink);
  if (!in) return answer(in.error());
  const auto text = path(target, target_size);
  if (!text) return answer(text.error());
  const auto name = path(path_at, path_size);
  return name ? changed((*in)->symlink(*text, *name)) : answer(name.error());
}

Wasi::Answer Wasi::path_unlink_file(u32 fd, u32 path_at, u32 path_size) {
  const auto in = folder(fd, rights::path_unlink_file);
  if (!in) return answer(in.error());
  const auto name = path(path_at, path_size);
  return name ? changed((*in)->unlink(*name)) : answer(name.error());
}

}  // namespace canopy::guest
