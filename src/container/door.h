#pragma once
// The way into a container's network, which has a loopback of its own and nothing else: whoever makes a
// socket there keeps it there. So the server reaches what listens inside, and nobody else reaches it, and it
// reaches nobody.
//
// Threads: any, also at once.

#include <cstdint>
#include <optional>
#include <utility>

#include <sys/types.h>

#include "base/descriptor.h"
#include "base/error.h"

namespace canopy::container {

class Door {
 public:
  // Of the network that `process` is in.
  //   unavailable  it is gone, or this process may not enter (that needs root)
  static Result<Door> open(pid_t process);

  // A connection to `port` of its loopback that is there. Never blocks.
  //   unavailable  nobody listens
  //   exhausted    its server has as many connections that it has not taken yet as may be; try again
  Result<Descriptor> connect(std::uint16_t port) const;

  // A socket that listens on `port` of its loopback, and does not block.
  //   unavailable  somebody listens there already
  Result<Descriptor> listen(std::uint16_t port) const;

 private:
  explicit Door(Descriptor network) : network_(std::move(network)) {}

  Result<Descriptor> make_socket() const;

  Descriptor network_;
};

// How many bytes of those that were sent on a connection the kernel of the other side has taken, where that
// can be told.
std::optional<std::uint64_t> acknowledged_bytes(int connection);

}  // namespace canopy::container
