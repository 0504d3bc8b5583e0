// The least that can stand between a client and a server: bytes of one connection are passed on as they come.
//
//   relay TO_PORT   listens on a port of loopback that it prints, until it is ended
//
// What a gateway costs beyond it, the gateway does; what it costs itself, the kernel's waking of processes
// does.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connected_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  return socket;
}

// Whether there may be more.
bool pass_on(int from, int to) {
  std::array<char, 64 << 10> bytes;
  const ssize_t count = read(from, bytes.data(), bytes.size());
  if (count <= 0) return false;
  for (ssize_t done = 0; done < count;) {
    const ssize_t written = write(to, bytes.data() + done, static_cast<std::size_t>(count - done));
    if (written <= 0) return false;
    done += written;
  }
  return true;
}

void relay(int client, std::uint16_t port) {
  const int server = connected_to(port);
  for (const int socket : {client, server}) {
    const int yes = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  std::array<pollfd, 2> both = {
      {{.fd = client, .events = POLLIN, .revents = 0}, {.fd = server, .events = POLLIN, .revents = 0}}};
  bool open = true;
  while (open && poll(both.data(), both.size(), -1) > 0) {
    if (both[0].revents != 0) open = pass_on(client, server);
    if (open && both[1].revents != 0) open = pass_on(server, client);
  }
  close(client);
  close(server);
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  const auto port = static_cast<std::uint16_t>(std::atoi(words[1]));
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0 || listen(listener, 16) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("listen");
    return 1;
  }
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  std::vector<std::jthread> relays;
  for (;;) {
    const int client = accept(listener, nullptr, nullptr);
    if (client >= 0) relays.emplace_back(relay, client, port);
  }
}
