#pragma once
// Looking at calls, those that run and those that ran, and ending one.

#include "api/feed.h"
#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

// GET /v1/calls?function=&state=&since=&durable=&limit=&after=. {"calls": […], "next": for `after`, or null}:
// both kinds, those that wait and run too, the newest first; with durable=true the durable ones.
net::Task<net::HttpResponse> list_calls(const Here& here, net::HttpExchange& exchange);

// GET /v1/calls/{id}?wait=30s. With `wait`, answers when the call has ended, or as it is after that time.
net::Task<net::HttpResponse> get_call(const Here& here, net::HttpExchange& exchange, CallId id);

// GET /v1/calls/{id}/result. The output of a call went to its caller, so: 202 while it runs, 410 where it
// completed, 424 with the error where it failed.
net::Task<net::HttpResponse> get_result(const Here& here, net::HttpExchange& exchange, CallId id);

// DELETE /v1/calls/{id}. 202 where it ran and is being ended; 409 where it had ended.
net::Task<net::HttpResponse> cancel_call(const Here& here, net::HttpExchange& exchange, CallId id);

// What is known of that call on any core, running or ended.
//   not_found    it is unknown, forgotten, or somebody else's
//   unavailable  it may run on a core that does not answer
net::Task<Result<Record>> find_call(const Here& here, CallId id);
// The same, of one that is not durable.
net::Task<Result<Record>> find_plain(const Here& here, CallId id);
// What runs on any core of what whoever asks may see, newest first; with logs, as long as those of a core are
// no more than `log_bytes_max`.
//   unavailable  a core does not answer
net::Task<Result<std::vector<Record>>> find_running(const Here& here, std::optional<FunctionName> function,
                                                    std::uint64_t log_bytes_max);

// Waits until `follower` has something to tell, the client went away, it is `until`, the key is no good any
// more, or the server stops.
net::Task<void> wait_for_news(const Here& here, net::HttpExchange& exchange, Feed::Follower& follower,
                              Time until);

bool has_ended(const Record& record);
Error no_such_call(CallId id);

}  // namespace canopy::api
