#pragma once
// Requests to Docker over its socket: blocking, one connection for each, never past a deadline.
//
// Threads: any.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"

namespace canopy::net {
class ResponseReader;
}

namespace canopy::container {

struct DockerReply {
  int status = 0;
  std::string body;
};

class DockerClient {
 public:
  explicit DockerClient(std::filesystem::path socket) : socket_(std::move(socket)) {}

  // Sends a request with a body of JSON, or none, and waits for the whole reply, whatever its status.
  //   unavailable  nobody listens there, or what comes back is no HTTP
  //   deadline     it took longer than `timeout`
  Result<DockerReply> ask(std::string_view method, std::string_view path, std::string_view json,
                          Duration timeout) const;

  // The same with a body that is made piece by piece: `next` hands out pieces, "" at the end.
  using NextPiece = std::function<Result<std::string>()>;
  Result<DockerReply> send(std::string_view path, const NextPiece& next, Duration timeout) const;

  // The connection itself, when Docker has agreed to hand it over (101): what it sends are the container's
  // outputs (DockerStream), what is written its input. Non-blocking.
  //   unavailable  it has not
  //   deadline
  struct Upgraded {
    Descriptor connection;
    std::string early;  // What came with the agreement.
  };
  Result<Upgraded> upgrade(std::string_view path, Duration timeout) const;

  // A request whose answer comes when a container has ended.
  class Waiting {
   public:
    int connection() const { return connection_.get(); }
    // The body of the answer, once it is there; "" where the connection ended without. Never blocks.
    std::optional<std::string> poll();

   private:
    friend class DockerClient;
    Descriptor connection_;
    std::shared_ptr<net::ResponseReader> reader_;
    std::string bytes_;
  };
  Result<Waiting> wait_for_end(const std::string& id, Duration timeout) const;

  // Sends a request, and leaves its answer to nobody; the connection has to stay open for as long as it
  // takes. Never blocks. Nothing where it could not be sent.
  Descriptor post_only(std::string_view path) const;

 private:
  const std::filesystem::path socket_;
};

// Takes apart what a container without a terminal prints: frames of eight bytes, {stream, 0, 0, 0, size}, and
// so many bytes.
class DockerStream {
 public:
  using OnOutput = std::function<void(bool is_error, std::string_view bytes)>;

  // False where the bytes are no frames; nothing is taken from then on.
  bool put(std::string_view bytes, const OnOutput& on_output);

 private:
  std::string head_;        // Of the frame that comes, as far as it is there.
  std::uint32_t left_ = 0;  // Of the frame that is there.
  bool is_error_ = false;
  bool is_broken_ = false;
};

}  // namespace canopy::container
