#include "store/redis_connection.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/units.h"
#include "net/name_lookup.h"

namespace canopy::store {
namespace {

constexpr std::size_t read_bytes = 256 * KiB;
constexpr std::size_t first_words_max = 60;  // As many are shown of what is no Redis.
constexpr int depth_max = 8;                 // Of lists in lists.
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

// A socket's address, of either family.
struct Endpoint {
  Endpoint(const boost::asio::ip::address& address, std::uint16_t port) {
    if (address.is_v4()) {
      auto& to = *reinterpret_cast<sockaddr_in*>(&bytes);
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      const auto raw = address.to_v4().to_bytes();
      std::memcpy(&to.sin_addr, raw.data(), raw.size());
      size = sizeof to;
    } else {
      auto& to = *reinterpret_cast<sockaddr_in6*>(&bytes);
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(port);
      to.sin6_scope_id = static_cast<std::uint32_t>(address.to_v6().scope_id());
      const auto raw = address.to_v6().to_bytes();
      std::memcpy(&to.sin6_addr, raw.data(), raw.size());
      size = sizeof to;
    }
  }
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// Whether it is connected before `until`; errno says why not.
bool connect_until(int socket, const Endpoint& to, Time until) {
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&to.bytes), to.size) == 0) return true;
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
  return (address.tls ? "rediss://" : "redis://") + (is_ipv6 ? "[" + address.host + "]" : address.host) +
         ":" + std::to_string(address.port) + "/" + std::to_string(address.database);
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
  const auto begins = [said](std::string_view words) { return said.starts_with(words); };
  const auto has = [said](std::string_view words) { return said.find(words) != std::string_view::npos; };
  std::string next;
  if (begins("NOAUTH")) {
    next = "it asks for a password, and --store names none; write redis://:PASSWORD@host";
  } else if (begins("WRONGPASS")) {
    next =
        "the user or the password in --store is wrong; write redis://USER:PASSWORD@host, or "
        "redis://:PASSWORD@host "
        "for the default user";
  } else if (has("without any password configured")) {
    next = "it asks for no password, and --store names one; leave it out, or set requirepass there";
  } else if (begins("NOPERM")) {
    next = "the user in --store may not do that; allow it there: ACL SETUSER NAME ~canopy:* &canopy:* +@all";
  } else if (has("DB index is out of range")) {
    next = "it has no database of that number; --store ends with /0 to /15, where Redis has the usual 16";
  }
  // That it may not is nothing that a client could change, and it may later; as for LOADING, READONLY,
  // MISCONF, OOM, BUSY, NOSCRIPT, MASTERDOWN…
  return {Code::unavailable, "Redis says: " + log_safe(said) + (next.empty() ? "" : "; " + next)};
}

RedisConnection::RedisConnection(RedisAddress address, Descriptor socket)
    : address_(std::move(address)),
      socket_(std::move(socket)),
      tls_(address_.tls ? address_.tls->make_session() : nullptr),
      reader_(make_reader(), [](redisReader* reader) { redisReaderFree(reader); }) {}

RedisConnection::~RedisConnection() = default;

Result<std::unique_ptr<RedisConnection>> RedisConnection::open(const RedisAddress& address,
                                                               Duration patience) {
  const std::string where = to_text(address);
  const Time until = real_now() + patience;
  CANOPY_TRY(const auto addresses, net::look_up(address.host, until));
  if (addresses.empty()) {
    return fail(Code::unavailable, "cannot find the host of " + where +
                                       ": no address is known for it; check " + "its name in --store");
  }
  std::string why;
  for (const auto& at : addresses) {
    const Endpoint to(at, address.port);
    Descriptor socket(::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket || !connect_until(socket.get(), to, until)) {
      why = text_of(errno);
      if (errno == ECONNREFUSED)
        why += "; is redis-server running there? Start it, or check host and port in --store";
      continue;
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    auto connection = std::unique_ptr<RedisConnection>(new RedisConnection(address, std::move(socket)));
    CANOPY_TRY_VOID(connection->shake_hands(until));
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
  if (!understood_ && address_.tls && first_words_.empty()) {
    return fail(Code::unavailable, "cannot speak with " + to_text(address_) + " in TLS: " + why +
                                       "; check --store, --store-ca, and, where it asks for a certificate, "
                                       "--store-cert");
  }
  if (!understood_) {
    const std::string words = first_words_.empty() ? why : "it says " + log_safe(first_words_);
    return fail(
        Code::unavailable,
        "what answers at " + to_text(address_) +
            (address_.tls ? " is no Redis that speaks TLS: " : " is no Redis, or one that speaks TLS: ") +
            words +
            (address_.tls ? "; check --store, --store-ca, and, where it asks for a certificate, --store-cert"
                          : "; check host and port in --store, or write rediss:// for one in TLS"));
  }
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

Result<void> RedisConnection::shake_hands(Time until) {
  if (!tls_) return {};
  for (;;) {
    std::string bytes;
    tls_->take_output(bytes);
    CANOPY_TRY_VOID(send_raw(bytes, until));
    if (tls_->is_ready()) return {};
    bool woken = false;
    if (const auto ready = wait(POLLIN, -1, until, woken); !ready) return broken(ready.error().message);
    CANOPY_TRY_VOID(fill());
  }
}

Result<void> RedisConnection::send(std::string_view bytes, Time until) {
  if (!tls_) return send_raw(bytes, until);
  while (!bytes.empty()) {
    bytes.remove_prefix(tls_->encrypt(bytes));
    std::string record;
    tls_->take_output(record);
    if (record.empty()) return broken("TLS cannot be spoken");
    CANOPY_TRY_VOID(send_raw(record, until));
  }
  return {};
}

Result<void> RedisConnection::send_raw(std::string_view bytes, Time until) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      const int why = errno;
      if (tls_) CANOPY_TRY_VOID(fill());  // It may have said why in an alert, before it reset the connection.
      return broken(text_of(why));
    }
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
  understood_ = true;
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
  const std::string_view came(buffer.data(), static_cast<std::size_t>(got));
  if (!tls_) return take(came);
  Result<void> taken;
  const auto read = tls_->take(came, [&](std::string_view plain) {
    if (taken) taken = take(plain);
  });
  if (!read) return broken(read.error().message);
  return taken;
}

Result<void> RedisConnection::take(std::string_view plain) {
  if (!understood_ && first_words_.size() < first_words_max) {
    first_words_ += plain.substr(0, first_words_max - first_words_.size());
  }
  if (redisReaderFeed(reader_.get(), plain.data(), plain.size()) != REDIS_OK) {
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
