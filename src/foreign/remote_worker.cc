#include "foreign/remote_worker.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>

#include "base/hex.h"
#include "base/id.h"
#include "base/log.h"
#include "base/units.h"
#include "container/grpc_reply.h"

namespace canopy::foreign {
namespace {

constexpr std::string_view controller = "/controller.Controller/";
constexpr std::string_view health_method = "/grpc.health.v1.Health/Check";
constexpr Duration health_period = std::chrono::seconds(2);
constexpr Duration health_timeout = std::chrono::seconds(3);
constexpr Duration start_timeout = std::chrono::seconds(60);  // It may have to fetch an image.
constexpr policy::ReconnectRule dial_rule{.first_delay = std::chrono::milliseconds(50),
                                          .delay_max = std::chrono::seconds(1)};
constexpr std::uint64_t reply_bytes_max = 64 * KiB;
constexpr std::size_t early_ends_max = 100;
constexpr std::size_t left_behind_max = 1000;
constexpr std::size_t id_bytes_max = 256;

std::string random_digits() {
  unsigned char bytes[6];
  fill_random(bytes, sizeof bytes);
  std::string digits;
  for (const unsigned char byte : bytes) append_hex(byte, digits);
  return digits;
}

double random_part() {
  unsigned char byte = 0;
  fill_random(&byte, 1);
  return byte / 256.0;
}

wire::GrpcResult<std::string> message_of(const net::Http2Reply& reply) {
  using wire::GrpcStatus;
  if (reply.error) return wire::grpc_fail(GrpcStatus::unavailable, reply.error->message);
  const auto status = container::grpc_status_of(reply);
  if (!status) return wire::grpc_fail(GrpcStatus::internal, "it does not answer in gRPC");
  if (*status != GrpcStatus::ok) return wire::grpc_fail(*status, container::grpc_words_of(reply));
  const auto message = wire::read_grpc_message(reply.body, reply_bytes_max);
  if (!message) return tl::unexpected(message.error());
  return std::string(*message);
}

std::string words_of(const wire::GrpcError& error) {
  return log_safe(error.message.empty() ? wire::name(error.status) : std::string_view(error.message), 300);
}

}  // namespace

RemoteWorker::RemoteWorker(exec::Core& core, std::string address, Dial dial, std::function<void()> on_up)
    : core_(core),
      address_(std::move(address)),
      dial_(std::move(dial)),
      on_up_(std::move(on_up)),
      node_("canopy-" + random_digits()),
      alarm_(core) {}

RemoteWorker::~RemoteWorker() {
  alive_.reset();
  if (link_ == nullptr) return;
  link_->set_on_read(nullptr);
  link_->close("this server stops");
}

Descriptor RemoteWorker::copy_connection() const {
  return link_ == nullptr ? Descriptor() : Descriptor(fcntl(link_->descriptor(), F_DUPFD_CLOEXEC, 0));
}

// -- being there

void RemoteWorker::open() { dial(); }

void RemoteWorker::dial() {
  if (std::exchange(is_dialling_, true)) return;
  const std::weak_ptr<bool> alive = alive_;
  dial_(address_, [this, alive](Result<Descriptor> connection) {
    if (alive.expired()) return;
    is_dialling_ = false;
    if (link_ != nullptr) return;
    if (connection) return on_connected(*std::move(connection));
    lose(connection.error().message);
  });
}

void RemoteWorker::on_connected(Descriptor connection) {
  link_ = container::GrpcLink::open(core_, std::move(connection));
  const std::weak_ptr<bool> alive = alive_;
  link_->set_on_read([this, alive] {
    if (!alive.expired()) read_status();
  });
  ask_health();
}

void RemoteWorker::ask_health() {
  const std::weak_ptr<container::GrpcLink> asked = link_;
  ask(health_method, wire::health_request("worker"), health_timeout,
      [this, asked](const wire::GrpcResult<std::string>& answer) {
        // It may have been lost between its answer and now.
        const auto link = asked.lock();
        if (link != nullptr && link == link_) on_health(answer);
      });
}

void RemoteWorker::on_health(const wire::GrpcResult<std::string>& answer) {
  const auto health =
      answer ? wire::read_health_reply(*answer).value_or(wire::Health::unknown) : wire::Health::unknown;
  // Some workers do not serve that; they answer all the same.
  const bool is_mute = !answer && answer.error().status == wire::GrpcStatus::unimplemented;
  if (health != wire::Health::serving && !is_mute) {
    return lose(answer ? "it says that it does not serve" : words_of(answer.error()));
  }
  alarm_.set(core_.clock().now() + health_period, [this] { ask_health(); });
  // One that is lost each time it has just come back is asked less and less often.
  if (std::exchange(is_up_, true)) {
    failures_ = 0;
    return;
  }
  follow();
  if (!is_up_) return;
  tell(log::level::info, "is there");
  for (const std::string& instance : std::exchange(left_behind_, {})) {
    ask(std::string(controller) + "Stop", wire::id_message(instance), start_timeout, [](const auto&) {});
  }
  on_up_();
}

void RemoteWorker::follow() {
  net::Http2Request request;
  request.authority = address_;
  request.path = std::string(controller) + "Status";
  request.headers = {{"te", "trailers"}, {"content-type", "application/grpc"}};
  request.body = wire::node_request(node_);
  status_ = StatusReader();
  const std::weak_ptr<bool> alive = alive_;
  const std::weak_ptr<container::GrpcLink> link = link_;
  status_stream_ = link_->ask(std::move(request), MiB, [this, alive, link](const net::Http2Reply& reply) {
    core_.post(
        [this, alive, link, why = reply.error ? reply.error->message : container::grpc_words_of(reply)] {
          const auto ended = link.lock();
          if (!alive.expired() && ended != nullptr && ended == link_)
            lose("its status ended: " + log_safe(why, 300));
        });
  });
}

void RemoteWorker::read_status() {
  if (link_ == nullptr || status_stream_ == 0) return;
  const auto read = status_.put(link_->take_body(status_stream_),
                                [this](const wire::InstanceEvent& event) { on_event(event); });
  if (!read) lose("it tells of an event that is none: " + read.error().message);
}

void RemoteWorker::on_event(const wire::InstanceEvent& event) {
  using Kind = wire::InstanceEvent::Kind;
  const bool is_end = event.kind == Kind::down || event.kind == Kind::timeout ||
                      (event.kind == Kind::stop && !event.is_failure);
  if (is_end) end(event.instance_id, event.kind == Kind::down ? Ending::crashed : Ending::idle);
}

void RemoteWorker::end(const std::string& instance, Ending ending) {
  const auto found = instances_.find(instance);
  if (found != instances_.end()) {
    const Watched watched = std::move(found->second);
    instances_.erase(found);
    return watched.on_end(ending);
  }
  early_ends_.emplace_back(instance, ending);
  if (early_ends_.size() > early_ends_max) early_ends_.pop_front();
}

void RemoteWorker::lose(const std::string& why) {
  if (std::exchange(is_up_, false) || failures_ == 0) {
    tell(log::level::warn, "is lost, and is asked for again: " + log_safe(why, 300));
  }
  if (link_ != nullptr) {
    link_->set_on_read(nullptr);
    std::exchange(link_, nullptr)->close("the worker of HyperFaaS at " + address_ + " is lost");
  }
  status_stream_ = 0;
  early_ends_.clear();
  for (auto& [instance, watched] : std::exchange(instances_, {})) {
    if (left_behind_.size() < left_behind_max) left_behind_.push_back(instance);
    watched.on_end(Ending::lost);
  }
  alarm_.set(core_.clock().now() + policy::reconnect_delay(dial_rule, ++failures_, random_part()),
             [this] { dial(); });
}

void RemoteWorker::tell(log::level::level_enum level, const std::string& news) {
  const auto line = sparing_.take("the worker of HyperFaaS at " + address_ + " " + news, core_.clock().now());
  if (line) log::log(level, "{}", *line);
}

// -- asking

// What ends within HTTP/2 is heard of in a later round: from there nothing may be asked.
void RemoteWorker::ask(std::string_view method, std::string body, Duration time,
                       std::function<void(wire::GrpcResult<std::string>)> done) {
  const std::uint64_t number = ++last_ask_;
  auto& one = *asks_.emplace(number, std::make_unique<Ask>(core_)).first->second;
  one.done = std::move(done);
  one.alarm.set(core_.clock().now() + time, [this, number] {
    const Ask& late = *asks_.at(number);
    if (const auto link = late.link.lock()) link->cancel(late.stream);
    finish_ask(number, wire::grpc_fail(wire::GrpcStatus::unavailable, "it does not answer"));
  });
  const std::weak_ptr<bool> alive = alive_;
  const auto later = [this, alive, number](wire::GrpcResult<std::string> message) {
    core_.post([this, alive, number, message = std::move(message)]() mutable {
      if (!alive.expired()) finish_ask(number, std::move(message));
    });
  };
  if (link_ == nullptr) {
    return later(wire::grpc_fail(wire::GrpcStatus::unavailable, "it is lost"));
  }
  net::Http2Request request;
  request.authority = address_;
  request.path = method;
  request.headers = {
      {"te", "trailers"}, {"content-type", "application/grpc"}, {"grpc-timeout", wire::grpc_timeout(time)}};
  request.body = std::move(body);
  one.link = link_;
  one.stream = link_->ask(std::move(request), reply_bytes_max,
                          [later](const net::Http2Reply& reply) { later(message_of(reply)); });
}

void RemoteWorker::finish_ask(std::uint64_t number, wire::GrpcResult<std::string> message) {
  const auto found = asks_.find(number);
  if (found == asks_.end()) return;
  const auto one = std::move(found->second);
  asks_.erase(found);
  one->alarm.stop();
  one->done(std::move(message));
}

// -- instances

void RemoteWorker::start(const std::string& function, OnEnd on_end, OnStarted done) {
  ++starting_count_;
  ask(std::string(controller) + "Start", wire::id_message(function), start_timeout,
      [this, on_end = std::move(on_end),
       done = std::move(done)](const wire::GrpcResult<std::string>& answer) {
        --starting_count_;
        const std::string who = "the worker of HyperFaaS at " + address_;
        if (!answer) {
          const auto status = answer.error().status;
          const Code code = status == wire::GrpcStatus::not_found     ? Code::not_found
                            : status == wire::GrpcStatus::unavailable ? Code::unavailable
                                                                      : Code::died;
          return done(
              fail(code, who + " does not start the function: " + words_of(answer.error()), Stage::start));
        }
        const auto started = wire::read_started_reply(*answer);
        if (!started || started->id.empty() || started->id.size() > id_bytes_max) {
          return done(fail(Code::died, who + " does not say what it has started", Stage::start));
        }
        if (!is_up_) {
          if (left_behind_.size() < left_behind_max) left_behind_.push_back(started->id);
          return done(fail(Code::unavailable, who + " is lost", Stage::start));
        }
        if (instances_.contains(started->id)) {
          return done(
              fail(Code::died, who + " says that it has started one that runs already", Stage::start));
        }
        instances_[started->id].on_end = on_end;
        done(started->id);
        const auto ended =
            std::ranges::find(early_ends_, started->id, &std::pair<std::string, Ending>::first);
        if (ended == early_ends_.end()) return;
        const Ending ending = ended->second;
        early_ends_.erase(ended);
        end(started->id, ending);
      });
}

// The worker may take longer for it than we wait.
void RemoteWorker::stop(const std::string& instance, Duration grace) {
  const auto found = instances_.find(instance);
  if (found == instances_.end()) return;
  const auto on_stopped = [this, instance] {
    if (instances_.contains(instance)) end(instance, Ending::idle);
  };
  const Time until = core_.clock().now() + grace;
  const bool is_told = found->second.alarm != nullptr;
  if (!is_told) found->second.alarm = std::make_unique<exec::Alarm>(core_);
  found->second.alarm->set(until, on_stopped);
  if (is_told) return;
  ask(std::string(controller) + "Stop", wire::id_message(instance), start_timeout,
      [on_stopped](const auto&) { on_stopped(); });
}

}  // namespace canopy::foreign
