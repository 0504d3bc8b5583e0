#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <sys/socket.h>

#include "base/log.h"
#include "base/units.h"
#include "base/words.h"
#include "container/execution.h"
#include "container/grpc_links.h"
#include "container/grpc_reply.h"
#include "container/request.h"
#include "container/waiting.h"
#include "wire/container.h"
#include "wire/grpc.h"
#include "wire/hyperfaas.h"

namespace canopy::container {
namespace {

constexpr int attempts_max = 16;  // Of a call that no container has begun: many may end at once, being idle.
constexpr int endings_max = 3;    // Of them, so many met a container that ended.
constexpr std::uint64_t envelope_bytes = KiB;
constexpr std::string_view function_method = "/function.FunctionService/Call";
constexpr std::string_view controller_method = "/controller.Controller/Call";

// We say these ourselves; what a client says in their place is not passed on.
bool is_ours(std::string_view name) {
  constexpr std::array<std::string_view, 6> ours = {"content-type",   "te",       "host", "grpc-timeout",
                                                    "content-length", "x-call-id"};
  return std::ranges::any_of(ours, [name](std::string_view one) { return same_word(one, name); });
}

// Or it was closed while it lay idle.
bool is_connected(int connection) {
  char byte = 0;
  const ssize_t got = recv(connection, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got > 0 || (got < 0 && errno == EAGAIN);
}

std::string in_small(std::string_view text) {
  std::string small(text);
  std::ranges::transform(small, small.begin(), lower);
  return small;
}

// What a worker of HyperFaaS says where it could not reach the function's container at all.
bool is_unreached(const net::Http2Reply& reply) {
  return grpc_status_of(reply) == wire::GrpcStatus::unavailable &&
         grpc_words_of(reply).find("Error while dialing") != std::string::npos;
}

// And where it has none, or does not know the function any more.
bool is_unknown(const net::Http2Reply& reply) {
  constexpr std::array<std::string_view, 3> words = {"no instances available", "no router found",
                                                     "function id not found"};
  const auto status = grpc_status_of(reply);
  if (!status || *status == wire::GrpcStatus::ok) return false;
  const std::string said = grpc_words_of(reply);
  return std::ranges::any_of(words,
                             [&said](std::string_view one) { return said.find(one) != std::string::npos; });
}

class GrpcExecution final : public Waiting {
 public:
  GrpcExecution(std::shared_ptr<Pool> pool, exec::Core& core, std::shared_ptr<GrpcLinks> links,
                GrpcService service)
      : Waiting(std::move(pool), core), links_(std::move(links)), service_(service) {}
  ~GrpcExecution() override { forget(); }

  net::Task<Reply> run(Call& call) override {
    call_ = &call;
    core_.suspend(*this, never, call.deadline);
    for (int i = 0; i < attempts_max && endings_ < endings_max && !stopped_ && !is_answered(); ++i) {
      co_await get_place();
      if (stopped_) break;
      co_await exchange();
      for (int retries = 0; !stopped_ && listens_not_yet(); ++retries) {
        co_await pause(retries);
        if (!stopped_) co_await exchange();
      }
      if (stopped_) break;
      is_broken_ = answer_->error && answer_->error->code == Code::died && !link_->is_open();
      if (is_broken_) ended_ = co_await await_end();
      if (stopped_ || is_answered()) break;
      give_up_place();
    }
    core_.leave(*this);
    finish();
    co_return make_reply();
  }

 private:
  // By anything but a container that has certainly not begun it, or says by its end that it had nothing to
  // do.
  bool is_answered() const {
    return answer_ && !is_unbegun(answer_->error) && !(is_broken_ && has_ended_idle()) && !is_gone();
  }
  static bool is_unbegun(const std::optional<Error>& error) {
    return error && error->code == Code::unavailable;
  }
  bool has_ended_idle() const {
    return ended_ && ended_->status == 0 && !ended_->out_of_memory && answer_->status == 0;
  }

  // A worker of HyperFaaS says that an instance is started before anybody listens in it. Later on such words
  // may be the function's own.
  bool listens_not_yet() const {
    return service_ == GrpcService::controller && !answer_->error && is_unreached(*answer_) &&
           core_.clock().now() - member_->begun < pool_->settings().start &&
           !pool_->ask_end(*member_, core_, nullptr);
  }
  bool is_gone() const {
    return service_ == GrpcService::controller && !answer_->error && is_unknown(*answer_);
  }

  // Others have the call next. One where nobody listens any more ends when its other calls have.
  void give_up_place() {
    After after = link_ == nullptr ? After::unfit : After::good;
    if (is_broken_) ++endings_;
    if (is_broken_ || is_gone()) after = After::broken;
    forget();
    give_place({}, after);
    answer_.reset();
    is_broken_ = false;
  }
  // A whole body of gRPC, with a method of the function's own.
  bool is_passed_through() const { return service_ == GrpcService::function && call_->path.size() > 1; }

  net::Task<void> exchange() {
    co_await reach();
    if (stopped_) co_return;
    ask();
    while (!answer_ && !stopped_) co_await event_.wait();
  }

  net::Task<void> reach() {
    link_ = links_->find(core_, member_);
    if (link_ != nullptr) co_return;
    if (!connection_ || !is_connected(connection_.get())) connection_ = co_await connect();
    if (connection_) link_ = links_->add(core_, member_, std::move(connection_));
  }

  void ask() {
    answer_.reset();
    ended_.reset();
    if (link_ == nullptr) {
      answer_.emplace();
      answer_->error = Error{Code::unavailable, "nobody listens in the container", Stage::start};
      return;
    }
    begin();
    const std::weak_ptr<bool> alive = alive_;
    const auto on_end = [this, alive](net::Http2Reply reply) {
      if (alive.expired()) return;
      stream_ = 0;
      answer_ = std::move(reply);
      event_.set();
    };
    const std::int32_t id = link_->ask(make_request(), reply_bytes_max(), on_end);
    if (!answer_) stream_ = id;
  }

  net::Http2Request make_request() const {
    net::Http2Request request;
    request.authority = "function";
    request.headers = {
        {"te", "trailers"}, {"content-type", "application/grpc"}, {"x-call-id", to_text(call_->id)}};
    if (call_->deadline != never) {
      request.headers.push_back({"grpc-timeout", wire::grpc_timeout(call_->deadline - core_.clock().now())});
    }
    for (const auto& [name, value] : call_->headers) {
      // Of our own message nobody else says how it is encoded.
      if (!is_passed_through() && in_small(name).starts_with("grpc-")) continue;
      if (!is_ours(name)) request.headers.push_back({in_small(name), std::string(value)});
    }
    if (is_passed_through()) {
      request.path = call_->path;
      request.body = call_->input;
      return request;
    }
    const bool is_controller = service_ == GrpcService::controller;
    const std::string& id = call_->function->name.name;
    request.path = is_controller ? controller_method : function_method;
    // HyperFaaS's leaf says the one for the other.
    const wire::InstanceCall message{.request_id = 0,
                                     .instance_id = is_controller ? id : std::string(),
                                     .function_id = id,
                                     .data = std::string(call_->input)};
    request.body = wire::instance_call_request(message);
    return request;
  }

  void forget() {
    if (stream_ > 0 && link_ != nullptr) link_->cancel(std::exchange(stream_, 0));
    link_ = nullptr;
  }

  void finish() {
    measure();
    After after = After::good;
    if (!stopped_ && is_broken_) {
      after = ended_ ? After::broken : After::unfit;
    } else if (stopped_ && begun_at_ != Time{} && stopped_->code == Code::deadline) {
      // It may go on with what nobody waits for.
      after = pool_->settings().concurrency == 1 ? After::broken : After::unfit;
    }
    forget();
    give_place({}, after);
  }

  Reply make_reply() {
    if (stopped_) {
      reply_.error = std::move(stopped_);
    } else if (endings_ >= endings_max) {
      reply_.error = Error{Code::died,
                           "each container that had the call ended with status 0 before it had answered: a "
                           "function ends so when it is idle, and not during a call",
                           Stage::run};
    } else if (!is_answered()) {
      reply_.unbegun = true;
      reply_.error = Error{Code::unavailable,
                           "no container of the function took the call: each closed its connection before "
                           "it began",
                           Stage::start};
    } else if (answer_->error) {
      reply_.error = error_of(*answer_->error);
    } else if (is_passed_through()) {
      pass_through();
    } else {
      read_reply();
    }
    return std::move(reply_);
  }

  // With what the message around the output takes.
  std::uint64_t reply_bytes_max() const { return call_->function->limits.output_bytes + envelope_bytes; }
  Error too_large() const {
    return {Code::limit,
            "its output is larger than allowed, " + size_text(call_->function->limits.output_bytes),
            Stage::reply};
  }

  Error error_of(const Error& error) const {
    if (error.code == Code::too_large) return too_large();
    if (service_ == GrpcService::controller) {
      return {Code::died, log_safe(error.message, 300) + ", before the worker had answered", Stage::run};
    }
    if (!ended_) return {Code::died, log_safe(error.message, 300) + ", before it had answered", Stage::run};
    return {ended_->out_of_memory ? Code::limit : Code::died,
            end_text(*ended_, pool_->plan().memory_bytes) + " before it had answered", Stage::run};
  }

  void read_reply() {
    const auto status = grpc_status_of(*answer_);
    if (!status) {
      reply_.error = Error{Code::died,
                           "its server does not speak gRPC: it answered with the status " +
                               std::to_string(answer_->status) + " of HTTP and none of gRPC",
                           Stage::run};
      return;
    }
    if (const auto code = wire::code_of(*status)) {
      const std::string words = grpc_words_of(*answer_);
      reply_.error = Error{*code, words.empty() ? std::string(wire::name(*status)) : words, Stage::run};
      return;
    }
    const auto message = wire::read_grpc_message(answer_->body, reply_bytes_max());
    auto read =
        message ? wire::read_instance_call_reply(*message) : fail(Code::died, message.error().message);
    if (!read) {
      reply_.error = Error{Code::died, "its server's answer is none: " + read.error().message, Stage::run};
    } else if (!read->error.empty()) {
      reply_.error = Error{Code::function_failed, read->error, Stage::run};
    } else if (read->data.size() > call_->function->limits.output_bytes) {
      reply_.error = too_large();
    } else {
      reply_.output = std::move(read->data);
    }
  }

  void pass_through() {
    reply_.status = answer_->status;
    for (auto& [name, value] : answer_->headers) {
      if (!is_connection_header(name)) reply_.headers.push_back({std::move(name), std::move(value)});
    }
    for (auto& [name, value] : answer_->trailers) {
      reply_.headers.push_back({std::string(wire::grpc_trailer_mark) + name, std::move(value)});
    }
    reply_.output = std::move(answer_->body);
  }

  const std::shared_ptr<GrpcLinks> links_;
  const GrpcService service_;
  std::shared_ptr<GrpcLink> link_;
  std::int32_t stream_ = 0;
  std::optional<net::Http2Reply> answer_;
  std::optional<End> ended_;
  bool is_broken_ = false;  // The connection, with the call: the container may have ended.
  int endings_ = 0;         // Of containers, under this call.
};

}  // namespace

std::unique_ptr<exec::Instance> make_grpc_execution(std::shared_ptr<Pool> pool, exec::Core& core,
                                                    std::shared_ptr<GrpcLinks> links, GrpcService service) {
  return std::make_unique<GrpcExecution>(std::move(pool), core, std::move(links), service);
}

}  // namespace canopy::container
