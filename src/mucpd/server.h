#pragma once
// What answers MUCPD's requests: one method for each kind of them.
//
// Threads: as api::Protocol.

#include <optional>
#include <string_view>
#include <vector>

#include "api/protocol.h"
#include "mucpd/recent_jobs.h"
#include "mucpd/request.h"
#include "store/call_log.h"

namespace canopy::mucpd {

class MucpdServer final : public api::Protocol {
 public:
  // `open`: to everybody, whether or not the server demands keys.
  explicit MucpdServer(bool open) : open_(open) {}

  bool claims(const net::HttpRequest& head) const override { return is_ours(head.path); }
  bool is_open() const override { return open_; }
  std::uint64_t body_bytes_max(const net::HttpRequest& head) const override;
  net::Task<net::HttpResponse> serve(const api::Here& here, net::HttpExchange& exchange,
                                     const std::optional<Error>& refusal) override;
  void on_ended(CallId id, const FunctionName& function, State state) override;

 private:
  using Answer = net::Task<net::HttpResponse>;

  // Why not; nothing where it may be.
  std::optional<net::HttpResponse> refuse(const api::Here& here, const net::HttpRequest& request,
                                          const Asked& asked, const std::optional<Error>& refusal) const;
  std::optional<net::HttpResponse> judge(const api::Here& here, const Asked& asked) const;

  // -- users.cc
  Answer add_user(const api::Here& here, Asked asked);
  Answer remove_user(const api::Here& here, Asked asked);
  Answer user_time(const api::Here& here, Asked asked);
  net::HttpResponse functions(const api::Here& here, const Asked& asked);
  net::HttpResponse function(const api::Here& here, const Asked& asked);
  Answer add_function(const api::Here& here, net::HttpExchange& exchange, Asked asked);
  Answer remove_function(const api::Here& here, Asked asked);

  // -- jobs.cc
  struct Job {
    DurableRecord record;
    store::StoredResult result;  // Where it was asked for, and the job has ended.
  };
  Answer run(const api::Here& here, net::HttpExchange& exchange, Asked asked);
  Answer job_status(const api::Here& here, Asked asked);
  Answer job_result(const api::Here& here, Asked asked);
  Answer remove_job(const api::Here& here, Asked asked);
  // Nothing where there is no such job, or not for whoever asks.
  net::Task<Result<std::optional<Job>>> find_job(const api::Here& here, CallId id, bool with_result) const;
  bool sees_all(const api::Here& here) const;

  const bool open_;
  RecentJobs recent_{recent_count_max};

  static constexpr std::size_t recent_count_max = 100'000;
};

// What both have in common.
Error no_user(std::string_view user);
Error no_function(std::string_view function);
bool has_user(const store::Snapshot& snapshot, std::string_view user);
// What a body says: UTF-8, without a mark of its byte order.
std::string text_of(std::string_view body);
// How long a job may take.
Duration job_timeout(const Options& options);

}  // namespace canopy::mucpd
