#include "python/zygote.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>

#include "base/units.h"
#include "python/filter.h"

namespace canopy::python {
namespace {

constexpr std::size_t packet_bytes_max = 64 * KiB;
constexpr int packets_per_round = 64;
constexpr std::size_t descriptors_max = 4;
constexpr std::uint64_t kernel_bytes = 16 * MiB;  // Of page tables, stacks and sockets of a call.

// One packet, and the descriptor that came with it.
struct Packet {
  std::string bytes;
  Descriptor descriptor;
};

// Nothing where there is none yet; empty where there will be none.
std::optional<Packet> receive(int from) {
  Packet packet;
  packet.bytes.resize(packet_bytes_max);
  iovec place{.iov_base = packet.bytes.data(), .iov_len = packet.bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * descriptors_max)> control{};
  msghdr head{};
  head.msg_iov = &place;
  head.msg_iovlen = 1;
  head.msg_control = control.data();
  head.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = recvmsg(from, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
  packet.bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  for (cmsghdr* part = CMSG_FIRSTHDR(&head); part != nullptr; part = CMSG_NXTHDR(&head, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      packet.descriptor = Descriptor(number);  // Of several, the last: the others are closed.
    }
  }
  return packet;
}

// Whether it went out; errno where it did not.
bool send_with(int to, std::string_view bytes, int first, int second) {
  std::string copy(bytes);
  iovec place{.iov_base = copy.data(), .iov_len = copy.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 2)> control{};
  msghdr head{};
  head.msg_iov = &place;
  head.msg_iovlen = 1;
  head.msg_control = control.data();
  head.msg_controllen = control.size();
  cmsghdr* const part = CMSG_FIRSTHDR(&head);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int) * 2);
  std::memcpy(CMSG_DATA(part), &first, sizeof(int));
  std::memcpy(CMSG_DATA(part) + sizeof(int), &second, sizeof(int));
  ssize_t sent = 0;
  do {
    sent = sendmsg(to, &head, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

}  // namespace

std::string setup_packet(const Function& function, const SetupOptions& options) {
  wire::PythonFields fields = {"setup", to_text(function.name)};
  fields.add(function.version);
  fields.add(function.limits.memory_bytes);
  fields.add(function.limits.output_bytes);
  fields.add(function.limits.tmp_bytes);
  fields.add(function.limits.open_files);
  fields.add(options.processes);
  fields.add(options.network ? "1" : "0");
  fields.add(options.keeps ? "1" : "0");
  fields.add(make_filter(FilterKind::call));
  for (const auto& [name, value] : function.env) {
    fields.add(name);
    fields.add(value);
  }
  return fields.bytes();
}

Zygote::Zygote(exec::Core& core, net::BlockingPool& disk, std::shared_ptr<Undertaker> undertaker,
               std::shared_ptr<MemoryGroups> groups, Function function)
    : core_(core),
      disk_(disk),
      undertaker_(std::move(undertaker)),
      groups_(std::move(groups)),
      function_(std::move(function)),
      control_(core.io()) {}

Zygote::~Zygote() { bury(); }

void Zygote::start(LaunchPlan plan, std::string setup) {
  memory_bytes_max_ = plan.sandbox.memory_bytes;
  const auto work = [self = shared_from_this(), plan = std::move(plan), setup = std::move(setup)] {
    auto launched = std::make_shared<Result<Launched>>(launch(plan, self->groups_.get()));
    self->core_.post([self, launched, setup] { self->adopt(std::move(*launched), setup); });
  };
  if (!disk_.post(work)) {
    error_ = {Code::unavailable, "too much work waits to start one more process; try again shortly",
              Stage::start};
    state_ = State::ended;
  }
}

void Zygote::adopt(Result<Launched> launched, const std::string& setup) {
  if (launched) {
    process_ = launched->process;
    memory_ = std::move(launched->memory);
    undertaker_->add(process_);
  }
  if (state_ == State::ended) return bury();
  if (!launched) return end(std::move(launched).error());
  used_ = core_.clock().now();
  boost::system::error_code error;
  // The stream closes its own number.
  const int own = fcntl(launched->control.get(), F_DUPFD_CLOEXEC, 0);
  if (own < 0 || send(own, setup.data(), setup.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (own >= 0) ::close(own);
    return end({Code::unavailable, "a process for Python ended as soon as it was started", Stage::start});
  }
  control_.assign(own, error);
  read();
}

void Zygote::read() {
  if (!control_.is_open()) return;
  control_.async_wait(Stream::wait_read, [self = shared_from_this()](const boost::system::error_code& error) {
    if (error || !self->control_.is_open()) return;
    for (int i = 0; i < packets_per_round && self->read_one(); ++i) continue;
    self->read();
  });
}

bool Zygote::read_one() {
  if (!control_.is_open()) return false;
  auto received = receive(control_.native_handle());
  if (!received) return false;
  if (received->bytes.empty()) {
    end({Code::died, "the function's warmed process ended", Stage::run});
    return false;
  }
  const auto packet = wire::read_python_packet(received->bytes);
  if (!packet) {
    end({Code::died, "the function's warmed process broke off: " + packet.error().message, Stage::run});
    return false;
  }
  take(*packet, std::move(received->descriptor));
  return true;
}

void Zygote::take(const wire::PythonPacket& packet, Descriptor process) {
  using Kind = wire::PythonPacket::Kind;
  switch (packet.kind) {
    case Kind::ready:
      if (state_ != State::starting) return;
      state_ = State::ready;
      resident_bytes_ = packet.memory_bytes;
      return tell_waiters();
    case Kind::failed:
      return end({Code::function_failed, "the function cannot be imported: " + packet.text, Stage::start});
    case Kind::broken:
      return end({Code::unavailable, packet.text, Stage::start});
    case Kind::begun:
      if (const auto guest = guests_.find(packet.number); guest != guests_.end()) {
        guest->second->on_begun(std::move(process));
      }
      return;
    case Kind::ended:
      if (const auto guest = guests_.find(packet.number); guest != guests_.end()) {
        Guest& ended = *guest->second;
        guests_.erase(guest);
        ended.on_ended(packet);
      }
      return;
  }
}

void Zygote::when_ready(std::function<void()> done) {
  if (state_ != State::starting) return done();
  waiters_.push_back(std::move(done));
}

void Zygote::tell_waiters() {
  for (const auto& done : std::exchange(waiters_, {})) done();
}

std::uint64_t Zygote::begin(Guest& guest, int call, int log) {
  used_ = core_.clock().now();
  const std::uint64_t number = ++last_number_;
  guests_.emplace(number, &guest);
  const std::string packet = wire::PythonFields{"begin", std::to_string(number)}.bytes();
  if (unsent_.empty() && send_with(control_.native_handle(), packet, call, log)) return number;
  // Its queue is full; one that has ended is heard of by reading.
  Sent later{.packet = packet,
             .call = Descriptor(fcntl(call, F_DUPFD_CLOEXEC, 0)),
             .log = Descriptor(fcntl(log, F_DUPFD_CLOEXEC, 0))};
  unsent_.push_back(std::move(later));
  if (unsent_.size() == 1) write();
  return number;
}

void Zygote::write() {
  control_.async_wait(Stream::wait_write,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        if (error || !self->control_.is_open()) return;
                        auto& unsent = self->unsent_;
                        while (!unsent.empty()) {
                          const Sent& next = unsent.front();
                          const int to = self->control_.native_handle();
                          if (!send_with(to, next.packet, next.call.get(), next.log.get())) {
                            if (errno != EAGAIN) unsent.clear();  // Its end is heard of by reading.
                            break;
                          }
                          unsent.erase(unsent.begin());
                        }
                        if (!unsent.empty()) self->write();
                      });
}

void Zygote::end(const Error& why) {
  if (state_ == State::ended) return;
  const auto self = weak_from_this().lock();  // Guests may let go of it.
  state_ = State::ended;
  error_ = why;
  unsent_.clear();
  boost::system::error_code ignored;
  control_.close(ignored);
  bury();
  tell_waiters();
  for (const auto& [number, guest] : std::exchange(guests_, {})) guest->on_lost(why);
}

void Zygote::forget(std::uint64_t number) {
  guests_.erase(number);
  end_if_idle();
}

// Pages that it shares with the warmed process count as its own once it writes to them. What that says of its
// size is believed up to what it may have.
void Zygote::bound(const Descriptor& process,
                   std::function<void(Result<std::shared_ptr<MemoryGroup>>)> done) {
  const std::uint64_t bytes = function_.limits.memory_bytes + function_.limits.tmp_bytes +
                              std::min(resident_bytes_, memory_bytes_max_) + kernel_bytes;
  const auto handle = std::make_shared<Descriptor>(fcntl(process.get(), F_DUPFD_CLOEXEC, 0));
  const bool posted = disk_.post([groups = groups_, &core = core_, handle, bytes, done] {
    auto group = groups->enter(*handle, bytes);
    core.post([group = std::move(group), done] { done(group); });
  });
  if (!posted) {
    done(fail(Code::unavailable,
              "too much work waits to bound the memory of one more process; try again shortly"));
  }
}

void Zygote::end_soon() {
  core_.post([self = shared_from_this()] {
    self->retired_ = true;
    self->end_if_idle();
  });
}

void Zygote::end_if_idle() {
  if (retired_ && guests_.empty()) {
    end({Code::unavailable, "the function has changed or was removed; try again", Stage::start});
  }
}

void Zygote::bury() {
  if (process_ != 0) undertaker_->bury(std::exchange(process_, 0));
}

}  // namespace canopy::python
