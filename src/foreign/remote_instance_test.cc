#include "foreign/remote_instance.h"

#include <filesystem>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace canopy::foreign {
namespace {

// Whoever is connected to it, and what accepts there.
struct Way {
  Way() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const place = reinterpret_cast<sockaddr*>(&address);
    const bool is_made = bind(listener.get(), place, size) == 0 && listen(listener.get(), 4) == 0 &&
                         getsockname(listener.get(), place, &size) == 0 &&
                         connect(near.get(), place, size) == 0;
    EXPECT_TRUE(is_made);
    far = accept_one();
  }
  Descriptor accept_one() const { return Descriptor(accept(listener.get(), nullptr, nullptr)); }

  Descriptor listener{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Descriptor near{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Descriptor far;
};

std::size_t open_descriptors() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

TEST(RemoteInstance, KeepsNoConnectionThatItsWorkerHasClosed) {
  Way way;
  RemoteLife life;
  life.set_way(std::move(way.near));
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 10; ++i) {
    const auto made = life.connect();
    ASSERT_TRUE(made) << made.error().message;
    way.accept_one().reset();
    pollfd closed{made->get(), POLLRDHUP, 0};
    ASSERT_EQ(poll(&closed, 1, 60'000), 1);
  }
  EXPECT_LE(open_descriptors(), before + 1);
}

// Whose worker would leave them open for as long as we do.
TEST(RemoteInstance, ItsConnectionsEndWithIt) {
  Way way;
  const auto life = std::make_shared<RemoteLife>();
  life->set_way(std::move(way.near));
  auto instance = std::make_unique<RemoteInstance>(life, [&](Duration) { life->end(Ending::idle); });
  const auto connection = instance->connect(1);
  ASSERT_TRUE(connection);
  const Descriptor theirs = way.accept_one();
  char byte = 0;
  instance->remove();
  EXPECT_EQ(recv(theirs.get(), &byte, 1, MSG_DONTWAIT), -1) << "somebody may have a call there still";
  instance.reset();
  EXPECT_EQ(recv(theirs.get(), &byte, 1, 0), 0);
}

TEST(RemoteInstance, EndsOnceAndIsRemoved) {
  const auto life = std::make_shared<RemoteLife>();
  std::vector<Duration> stops;
  RemoteInstance instance(life, [&](Duration grace) {
    stops.push_back(grace);
    life->end(Ending::idle);
  });
  EXPECT_FALSE(instance.connect(1)) << "it has no way there";
  EXPECT_FALSE(instance.take_end());
  instance.remove();
  EXPECT_EQ(stops, std::vector<Duration>{Duration::zero()});
  life->end(Ending::crashed);
  const auto end = instance.take_end();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->status, 0);
  EXPECT_FALSE(instance.take_end());
}

}  // namespace
}  // namespace canopy::foreign
