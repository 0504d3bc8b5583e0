#include "container/door.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/check.h"

namespace canopy::container {
namespace {

tl::unexpected<Error> closed(std::string_view what, int error) {
  return fail(Code::unavailable,
              std::string(what) + ": " + std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

// That all threads of this process are in, but for moments here.
Descriptor own_network() { return Descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Result<Door> Door::open(pid_t process) {
  const std::string path = "/proc/" + std::to_string(process) + "/ns/net";
  Descriptor network(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!network) return closed("the container's network cannot be opened", errno);
  return Door(std::move(network));
}

// The thread is back where it was before anything else happens on it.
Result<Descriptor> Door::make_socket() const {
  const Descriptor own = own_network();
  if (!own) return closed("this process's own network cannot be opened", errno);
  if (setns(network_.get(), CLONE_NEWNET) != 0)
    return closed("the container's network cannot be entered", errno);
  Descriptor made(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int error = errno;
  CANOPY_CHECK(setns(own.get(), CLONE_NEWNET) == 0);
  if (!made) return closed("no connection to the container can be made", error);
  return made;
}

Result<Descriptor> Door::connect(std::uint16_t port) const {
  CANOPY_TRY(Descriptor made, make_socket());
  const int yes = 1;
  setsockopt(made.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const sockaddr_in address = loopback(port);
  int error = 0;
  if (::connect(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) error = errno;
  if (error == EINPROGRESS) {
    // On a loopback it is done by now; where it is not, the server's queue of connections is full.
    pollfd wanted{made.get(), POLLOUT, 0};
    socklen_t size = sizeof error;
    if (poll(&wanted, 1, 0) != 1) {
      return fail(Code::exhausted, "port " + std::to_string(port) + " takes no more connections now");
    }
    getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error == 0) return made;
  return closed("nobody takes a connection on port " + std::to_string(port), error);
}

Result<Descriptor> Door::listen(std::uint16_t port) const {
  constexpr int waiting_max = 16;
  CANOPY_TRY(Descriptor made, make_socket());
  const sockaddr_in address = loopback(port);
  if (bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(made.get(), waiting_max) == 0) {
    return made;
  }
  return closed("port " + std::to_string(port) + " of the container cannot be listened on", errno);
}

std::optional<std::uint64_t> acknowledged_bytes(int connection) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(connection, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return info.tcpi_bytes_acked;
}

}  // namespace canopy::container
