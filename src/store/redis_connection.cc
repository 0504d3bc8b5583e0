#include "store/redis_connection.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/units.h"

namespace canopy::store {
namespace {

constexpr std::size_t read_bytes = 256 * KiB;
constexpr int depth_max = 8;  // Of lists in lists.
// Of one list. Room for all of it is made when its length is read, before any of it has come.
constexpr int elements_max = 4'000'000;

// Sockets wait in real time, whatever clock a test holds still.
Time real_now() { return system_clock().now(); }

std::string text_of(int error) { return std::error_code(error, std::system_category()).message(); }

void append_command(const RedisCommand& command, std::string& out) {
  out += '*';
  out += std::to_string(command.size());
  out += "\r\n";
  for (const std::string& word : command) {
    out += '$';
    out += std::to_string(word.size());
    out += "\r\n";
    out += word;
    out += "\r\n";
  }
}

// hiredis' own functions, but for lists longer than any that we ask for: those it takes for a lack of memory.
redisReplyObjectFunctions* bounded(redisReplyObjectFunctions* own) {
  static redisReplyObjectFunctions* const usual = own;
  static redisReplyObjectFunctions functions = [] {
    redisReplyObjectFunctions made = *usual;
    made.createArray = [](const redisReadTask* task, int elements) -> void* {
      return elements > elements_max ? nullptr : usual->createArray(task, elements);
    };
    return made;
  }();
  return &functions;
}

redisReader* make_reader() {
  redisReader* const reader = redisReaderCreate();
  if (reader != nullptr) reader->fn = bounded(reader->fn);
  return reader;
}

RedisReply convert(const redisReply& reply, int depth) {
  RedisReply made;
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      made.kind = RedisReply::Kind::number;
      made.number = reply.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      made.kind = RedisReply::Kind::text;
      made.text.assign(reply.str, static_cast<std::size_t>(reply.len));
      break;
    case REDIS_REPLY_ERROR:
      made.kind = RedisReply::Kind::error;
      made.text.assign(reply.str, static_cast<std::size_t>(reply.len));
      break;
    case REDIS_REPLY_ARRAY:
      made.kind = RedisReply::Kind::list;
      if (depth == depth_max) break;
      made.list.reserve(reply.elements);
      for (std::size_t i = 0; i < reply.elements; ++i)
        made.list.push_back(convert(*reply.element[i], depth + 1));
      break;
    default:
      break;
  }
  return made;
}

struct AddressList {
  explicit AddressList(addrinfo* list) : first(list) {}
  ~AddressList() {
    if (first != nullptr) freeaddrinfo(first);
  }
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  addrinfo* const first;
};

// Whether it is connected before `until`; errno says why not.
bool connect_until(int socket, const addrinfo& to, Time until) {
  if (::connect(socket, to.ai_addr, to.ai_addrlen) == 0) return true;
  if (errno != EINPROGRESS) return false;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - real_now());
    pollfd waiting{.fd = socket, .events = POLLOUT, .revents = 0};
    const int ready = left.count() > 0 ? ::poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      if (ready == 0) errno = ETIMEDOUT;
      return false;
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    errno = error;
    return error == 0;
  }
}

}  // namespace

std::string to_text(const RedisAddress& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return "redis://" + (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" +
         std::to_string(address.port) + "/" + std::to_string(address.database);
}

const RedisReply& RedisReply::at(std::size_t i) const {
  static const RedisReply none;
  return i < list.size() ? list[i] : none;
}

std::int64_t RedisReply::as_number() const {
  if (kind == Kind::number) return number;
  std::int64_t read = 0;
  if (kind == Kind::text) std::from_chars(text.data(), text.data() + text.size(), read);
  return read;
}

std::uint64_t RedisReply::as_unsigned() const {
  if (kind == Kind::number) return static_cast<std::uint64_t>(number);
  std::uint64_t read = 0;
  if (kind == Kind::text) std::from_chars(text.data(), text.data() + text.size(), read);
  return read;
}

Error redis_error(std::string_view said) {
  const std::string_view word = said.substr(0, said.find(' '));
  for (const std::string_view refusal : {"NOAUTH", "WRONGPASS", "NOPERM"}) {
    if (word == refusal) return {Code::unauthorized, "Redis says: " + log_safe(said)};
  }
  // LOADING, READONLY, MISCONF, OOM, BUSY, NOSCRIPT, MASTERDOWN…: it may do it later.
  return {Code::unavailable, "Redis says: " + log_safe(said)};
}

RedisConnection::RedisConnection(RedisAddress address, Descriptor socket)
    : address_(std::move(address)),
      socket_(std::move(socket)),
      reader_(make_reader(), [](redisReader* reader) { redisReaderFree(reader); }) {}

RedisConnection::~RedisConnection() = default;

Result<std::unique_ptr<RedisConnection>> RedisConnection::open(const RedisAddress& address,
                                                               Duration patience) {
  const std::string where = to_text(address);
  const Time until = real_now() + patience;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error =
          getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
      error != 0) {
    return fail(Code::unavailable, "cannot find the address of " + where + ": " + gai_strerror(error));
  }
  const AddressList list(found);
  std::string why = "it has no address";
  for (const addrinfo* to = list.first; to != nullptr; to = to->ai_next) {
    Descriptor socket(::socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket || !connect_until(socket.get(), *to, until)) {
      why = text_of(errno);
      continue;
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    auto connection = std::unique_ptr<RedisConnection>(new RedisConnection(address, std::move(socket)));
    if (!address.password.empty()) {
      RedisCommand login{"AUTH"};
      if (!address.user.empty()) login.push_back(address.user);
      login.push_back(address.password);
      CANOPY_TRY_VOID(connection->run(std::move(login), until - real_now()));
    }
    if (address.database != 0) {
      CANOPY_TRY_VOID(connection->run({"SELECT", std::to_string(address.database)}, until - real_now()));
    }
    return connection;
  }
  return fail(Code::unavailable, "cannot reach " + where + ": " + why);
}

tl::unexpected<Error> RedisConnection::broken(const std::string& why) {
  socket_.reset();
  return fail(Code::unavailable, "the connection to " + to_text(address_) + " is lost: " + why);
}

Result<void> RedisConnection::wait(short events, int wake, Time until, bool& woken) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - real_now());
    if (left.count() <= 0) return fail(Code::deadline, "it did not answer in time");
    pollfd waiting[2] = {{.fd = socket_.get(), .events = events, .revents = 0},
                         {.fd = wake, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(waiting, wake < 0 ? 1 : 2, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return fail(Code::internal, text_of(errno));
    if (ready <= 0) continue;
    woken = wake >= 0 && waiting[1].revents != 0;
    return {};
  }
}

Result<void> RedisConnection::send(std::string_view bytes, Time until) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return broken(text_of(errno));
    bool woken = false;
    if (const auto ready = wait(POLLOUT, -1, until, woken); !ready) return broken(ready.error().message);
  }
  return {};
}

// Whether there is a whole reply among what has come.
Result<bool> RedisConnection::next(RedisReply& reply) {
  void* raw = nullptr;
  if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK) {
    return broken("what it says is no reply: " + log_safe(reader_->errstr));
  }
  if (raw == nullptr) return false;
  const auto* const whole = static_cast<redisReply*>(raw);
  reply = convert(*whole, 0);
  freeReplyObject(raw);
  return true;
}

// Takes what has come, if anything has.
Result<void> RedisConnection::fill() {
  thread_local std::string buffer(read_bytes, '\0');
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got == 0) return broken("the other side closed it");
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {};
    return broken(text_of(errno));
  }
  if (redisReaderFeed(reader_.get(), buffer.data(), static_cast<std::size_t>(got)) != REDIS_OK) {
    return broken("no memory for its reply");
  }
  return {};
}

Result<std::vector<RedisReply>> RedisConnection::run(const std::vector<RedisCommand>& commands,
                                                     Duration patience) {
  const Time until = real_now() + patience;
  if (!socket_) return broken("it broke before");
  std::string bytes;
  for (const RedisCommand& command : commands) append_command(command, bytes);
  CANOPY_TRY_VOID(send(bytes, until));
  std::vector<RedisReply> replies(commands.size());
  for (RedisReply& reply : replies) {
    for (;;) {
      CANOPY_TRY(const bool whole, next(reply));
      if (whole) break;
      bool woken = false;
      if (const auto ready = wait(POLLIN, -1, until, woken); !ready) return broken(ready.error().message);
      CANOPY_TRY_VOID(fill());
    }
  }
  return replies;
}

Result<RedisReply> RedisConnection::run(RedisCommand command, Duration patience) {
  const std::vector<RedisCommand> one{std::move(command)};
  CANOPY_TRY(auto replies, run(one, patience));
  if (replies.front().is_error()) return tl::unexpected(redis_error(replies.front().text));
  return std::move(replies.front());
}

Result<RedisReply> RedisConnection::receive(int wake, Duration patience) {
  const Time until = real_now() + patience;
  if (!socket_) return broken("it broke before");
  for (;;) {
    RedisReply reply;
    CANOPY_TRY(const bool whole, next(reply));
    if (whole) return reply;
    bool woken = false;
    const auto ready = wait(POLLIN, wake, until, woken);
    if (!ready && ready.error().code == Code::deadline) return RedisReply{};
    if (!ready) return broken(ready.error().message);
    if (woken) return RedisReply{};
    CANOPY_TRY_VOID(fill());
  }
}

}  // namespace canopy::store
