// How a core runs a call that came in by another protocol: as one that came in by HTTP, but for what its
// client is told.

#include <utility>

#include "api/call_started.h"
#include "api/caller.h"
#include "wire/headers.h"

namespace canopy::api {

net::Task<ForeignEnd> Caller::call(net::HttpExchange& exchange, const ForeignCall& asked) {
  settle_many();
  ForeignEnd end;
  const auto admitted = admit(exchange, asked);
  if (!admitted) {
    end.queued = core_.clock().wall_now();
    end.reply.error = admitted.error();
    co_return end;
  }
  Running& running = **admitted;
  end.id = running.call.id;
  end.queued = running.queued;
  Reply reply = co_await execute(running, running.queued);
  conclude(running, reply);
  end.reply = std::move(reply);
  running.reply = {.status = end.reply.status,
                   .headers = {},
                   .output = {},
                   .exit_code = end.reply.exit_code,
                   .usage = end.reply.usage,
                   .error = end.reply.error,
                   .raised = {},
                   .lost = end.reply.lost,
                   .unbegun = end.reply.unbegun,
                   .node = end.reply.node};
  settle_soon(running);
  co_return end;
}

net::Task<Reply> Caller::execute(Running& running, WallTime queued) {
  Reply reply;
  if (!running.version->ready) reply.usage = co_await make_ready(running);
  if (running.stopped) co_return reply;
  const bool made_now = reply.usage.cold;
  const Duration making = reply.usage.start_time;
  const auto instance = running.version->ready->start(core_);
  running.version->loaded = true;
  running.instance = instance.get();
  tell_started(platform_.feed, running, making, queued);
  reply = co_await instance->run(running.call);
  running.instance = nullptr;
  if (made_now) reply.usage.add_start(making);
  co_return reply;
}

Result<Running*> Caller::admit(net::HttpExchange& exchange, const ForeignCall& asked) {
  CANOPY_TRY(Version* const version, find(asked.function));
  Duration retry_after{};
  CANOPY_TRY(Running* const running, enter(*version, asked.timeout, retry_after));
  Call& call = running->call;
  call.method = asked.method;
  call.path = asked.path;
  call.query = asked.query;
  call.headers = asked.headers;
  for (const auto& [name, value] : asked.headers) {
    if (wire::same_word(name, "traceparent") && wire::parse_traceparent(value)) running->trace = value;
  }
  call.input = asked.input;
  begin(*running, exchange);
  return running;
}

}  // namespace canopy::api
