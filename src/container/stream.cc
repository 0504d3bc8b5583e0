#include "container/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace canopy::container {

bool open_stream(net::DescriptorStream& stream, int number) {
  const int own = fcntl(number, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return false;
  boost::system::error_code error;
  stream.assign(own, error);
  if (!error) return true;
  close(own);
  return false;
}

void close_stream(net::DescriptorStream& stream) {
  boost::system::error_code ignored;
  stream.close(ignored);
}

bool is_spent(net::DescriptorStream& stream) {
  pollfd asked{stream.native_handle(), POLLIN, 0};
  if (poll(&asked, 1, 0) != 1 || (asked.revents & POLLHUP) == 0) return false;
  int unread = 0;
  return ioctl(stream.native_handle(), FIONREAD, &unread) != 0 || unread == 0;
}

}  // namespace canopy::container
