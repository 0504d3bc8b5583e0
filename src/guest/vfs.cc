#include "guest/vfs.h"

namespace canopy::guest {

Io<std::size_t> Node::read(std::span<std::byte> /*into*/, std::uint64_t /*offset*/) {
  return io_error(Errno::isdir);
}
Io<std::size_t> Node::write(std::span<const std::byte> /*from*/, std::uint64_t /*offset*/) {
  return io_error(Errno::isdir);
}
Io<void> Node::resize(std::uint64_t /*size*/) { return io_error(Errno::isdir); }
Io<void> Node::allocate(std::uint64_t /*offset*/, std::uint64_t /*size*/) { return io_error(Errno::isdir); }

Io<void> Node::list(std::uint64_t /*cookie*/, const TakeEntry& /*take*/) { return io_error(Errno::notdir); }
Io<std::unique_ptr<Node>> Node::open(const std::string& /*path*/, const OpenHow& /*how*/) {
  return io_error(Errno::notdir);
}
Io<Stat> Node::stat_at(const std::string& /*path*/, bool /*follow*/) { return io_error(Errno::notdir); }
Io<void> Node::set_times_at(const std::string& /*path*/, bool /*follow*/, const Times& /*times*/) {
  return io_error(Errno::notdir);
}
Io<void> Node::create_folder(const std::string& /*path*/) { return io_error(Errno::notdir); }
Io<void> Node::remove_folder(const std::string& /*path*/) { return io_error(Errno::notdir); }
Io<void> Node::unlink(const std::string& /*path*/) { return io_error(Errno::notdir); }
Io<void> Node::symlink(const std::string& /*target*/, const std::string& /*path*/) {
  return io_error(Errno::notdir);
}
Io<std::string> Node::read_link(const std::string& /*path*/) { return io_error(Errno::notdir); }
Io<void> Node::link(const std::string& /*path*/, bool /*follow*/, Node& /*to*/,
                    const std::string& /*to_path*/) {
  return io_error(Errno::notdir);
}
Io<void> Node::rename(const std::string& /*path*/, Node& /*to*/, const std::string& /*to_path*/) {
  return io_error(Errno::notdir);
}

}  // namespace canopy::guest
