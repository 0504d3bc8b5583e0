// What call_log.h promises, of every log that there is.

#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "store/call_log_fixture.h"
#include "store/redis_fixture.h"
#include "store/sample.h"

namespace canopy::store {
namespace {

struct Kind {
  const char* name;
  std::function<std::unique_ptr<CallLog>(const TempFolder& folder, const CallLogOptions& options,
                                         const Clock& clock)>
      open;
};

class CallLogContract : public testing::TestWithParam<Kind> {
 protected:
  CallLog& log() {
    if (!log_) log_ = GetParam().open(folder_, options_, clock_);
    return *log_;
  }
  CallId append_one(std::string_view function = "demo/hello") {
    const auto accepted = append(log(), call_of(function));
    EXPECT_TRUE(accepted) << accepted.error().message;
    return accepted ? accepted->id : CallId();
  }
  State state_of(CallId id) {
    const auto record = log().find(id);
    EXPECT_TRUE(record) << record.error().message;
    return record ? record->record.state : State::queued;
  }

  TempFolder folder_ = quick_folder();
  CallLogOptions options_;
  FakeClock clock_;
  std::unique_ptr<CallLog> log_;
};

TEST_P(CallLogContract, AnAcceptedCallWaitsAndCanBeFound) {
  DurableCall call = call_of("demo/hello", "some input");
  call.owner = "17";
  call.method = "PUT";
  call.path = "/a/b";
  call.query = "x=1";
  call.headers = {{"X-One", "1"}, {"X-Two", std::string("\xff\x01", 2)}};
  call.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  call.timeout = std::chrono::seconds(3);
  call.retries_max = 4;
  const auto accepted = append(log(), call);
  ASSERT_TRUE(accepted);
  EXPECT_FALSE(accepted->existed);
  EXPECT_TRUE(log().owns(accepted->id));

  const auto record = log().find(accepted->id);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->record.id, accepted->id);
  EXPECT_EQ(record->record.state, State::queued);
  EXPECT_EQ(to_text(record->record.function), "demo/hello");
  EXPECT_EQ(record->record.input_bytes, 10U);
  EXPECT_EQ(record->record.queued, clock_.wall_now());
  EXPECT_EQ(record->owner, "17");
  EXPECT_EQ(record->record.owner, 17U);
  EXPECT_EQ(record->retries_max, 4U);

  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  EXPECT_EQ(leased->attempt, 1U);
  EXPECT_EQ(leased->call->id, accepted->id);
  EXPECT_EQ(leased->call->input, "some input");
  EXPECT_EQ(leased->call->method, "PUT");
  EXPECT_EQ(leased->call->path, "/a/b");
  EXPECT_EQ(leased->call->query, "x=1");
  EXPECT_EQ(leased->call->trace, call.trace);
  EXPECT_EQ(leased->call->timeout, call.timeout);
  ASSERT_EQ(leased->call->headers.size(), 2U);
  EXPECT_EQ(leased->call->headers[1].value, call.headers[1].value);
  EXPECT_EQ(state_of(accepted->id), State::running);
}

TEST_P(CallLogContract, ACompletedCallKeepsItsResultAndItsLog) {
  const CallId id = append_one();
  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  Outcome outcome = good_outcome(clock_, "the output");
  outcome.headers = {{"Content-Type", "text/css"}};
  outcome.version = 7;
  outcome.usage.memory_bytes = 99;
  outcome.usage.wait_time = std::chrono::milliseconds(9);
  outcome.usage.start_time = std::chrono::milliseconds(4);
  outcome.usage.hop_time = std::chrono::milliseconds(3);
  outcome.log_dropped_bytes = 5;
  ASSERT_TRUE(complete(log(), leased->lease(), outcome));

  for (int time = 0; time < 2; ++time) {  // As often as one likes.
    const auto result = log().result(id);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->state, State::completed);
    EXPECT_EQ(result->status, 200);
    EXPECT_EQ(result->output, "the output");
    ASSERT_EQ(result->headers.size(), 1U);
    EXPECT_EQ(result->headers[0].value, "text/css");
    const auto text = log().log(id);
    ASSERT_TRUE(text);
    EXPECT_EQ(text->text, "a line\n");
    EXPECT_EQ(text->dropped_bytes, 5U);
  }
  const auto record = log().find(id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->record.state, State::completed);
  EXPECT_EQ(record->record.version, 7U);
  EXPECT_EQ(record->record.usage.memory_bytes, 99U);
  EXPECT_EQ(record->record.usage.queue_time(), std::chrono::milliseconds(2));
  EXPECT_EQ(record->record.usage.start_time, std::chrono::milliseconds(4));
  EXPECT_EQ(record->record.usage.hop_time, std::chrono::milliseconds(3));
  EXPECT_EQ(record->record.output_bytes, 10U);
  ASSERT_EQ(record->attempts.size(), 1U);
  EXPECT_FALSE(record->attempts[0].error);
  EXPECT_FALSE(lease_one(log()));
}

TEST_P(CallLogContract, AnUnknownIdIsNotFound) {
  append_one();
  const CallId unknown{.high = 1, .low = 2};
  EXPECT_FALSE(log().owns(unknown));
  EXPECT_EQ(log().find(unknown).error().code, Code::not_found);
  EXPECT_EQ(log().result(unknown).error().code, Code::not_found);
  EXPECT_EQ(log().log(unknown).error().code, Code::not_found);
  EXPECT_EQ(cancel(log(), unknown).error().code, Code::not_found);
  EXPECT_EQ(redrive(log(), unknown).error().code, Code::not_found);
  EXPECT_EQ(complete(log(), {unknown, 1}, good_outcome(clock_)).error().code, Code::conflict);
  EXPECT_FALSE(log().renew({unknown, 1}, never));
  EXPECT_FALSE(log().release({unknown, 1}, {}));
}

TEST_P(CallLogContract, AnEndIsRecordedOnce) {
  const CallId id = append_one();
  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  ASSERT_TRUE(complete(log(), leased->lease(), good_outcome(clock_, "first")));
  EXPECT_EQ(complete(log(), leased->lease(), good_outcome(clock_, "second")).error().code, Code::conflict);
  EXPECT_EQ(log().result(id)->output, "first");
  EXPECT_EQ(log().stats().refused_ends, 1U);
}

TEST_P(CallLogContract, ALateEndUnderAnOldNumberIsRefused) {
  const CallId id = append_one();
  const auto first = lease_one(log(), clock_.now() + std::chrono::seconds(1));
  ASSERT_TRUE(first);
  clock_.advance(std::chrono::seconds(2));
  log().sweep();
  // The loss is written on the way to this.
  const CallId other = append_one();
  const auto second = lease_one(log());
  ASSERT_TRUE(second);
  ASSERT_EQ(second->call->id, id);
  EXPECT_EQ(second->attempt, 2U);
  EXPECT_EQ(complete(log(), first->lease(), good_outcome(clock_, "late")).error().code, Code::conflict);
  EXPECT_FALSE(log().renew(first->lease(), never));
  EXPECT_FALSE(log().release(first->lease(), {}));
  ASSERT_TRUE(complete(log(), second->lease(), good_outcome(clock_, "in time")));
  EXPECT_EQ(log().result(id)->output, "in time");
  EXPECT_EQ(state_of(other), State::queued);
}

TEST_P(CallLogContract, ARenewedLeaseGoesOn) {
  append_one();
  const auto leased = lease_one(log(), clock_.now() + std::chrono::seconds(1));
  ASSERT_TRUE(leased);
  EXPECT_TRUE(log().renew(leased->lease(), clock_.now() + std::chrono::seconds(10)));
  clock_.advance(std::chrono::seconds(2));
  EXPECT_EQ(log().sweep(), clock_.now() + std::chrono::seconds(8));
  EXPECT_TRUE(complete(log(), leased->lease(), good_outcome(clock_)));
}

TEST_P(CallLogContract, AReleasedCallRunsAgainUnderTheSameNumber) {
  append_one();
  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  EXPECT_TRUE(log().release(leased->lease(), {}));
  EXPECT_FALSE(log().release(leased->lease(), {}));
  const auto again = lease_one(log());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->attempt, 1U);
  EXPECT_EQ(again->call->input, "input");
  EXPECT_TRUE(log().release(again->lease(), clock_.wall_now() + std::chrono::seconds(5)));
  EXPECT_FALSE(lease_one(log()));
  clock_.advance(std::chrono::seconds(5));
  log().sweep();
  EXPECT_TRUE(lease_one(log()));
}

// Where nobody could run them they went behind all that had come meanwhile, again and again.
TEST_P(CallLogContract, ReleasedCallsHaveTheirPlaceInLine) {
  std::vector<CallId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(append_one());
  std::vector<Lease> leases;
  for (int i = 0; i < 3; ++i) leases.push_back(lease_one(log())->lease());
  const WallTime due = clock_.wall_now() + std::chrono::seconds(5);
  for (const std::size_t i : {1U, 0U, 2U}) EXPECT_TRUE(log().release(leases[i], due));
  const CallId latest = append_one();
  EXPECT_EQ(lease_one(log())->call->id, ids[3]);
  clock_.advance(std::chrono::seconds(5));
  log().sweep();
  for (const CallId id : {ids[0], ids[1], ids[2], ids[4], latest}) {
    const auto next = lease_one(log());
    ASSERT_TRUE(next);
    EXPECT_EQ(next->call->id, id);
  }
}

TEST_P(CallLogContract, AFailedCallIsNotTriedAgainUnlessItWasAsked) {
  const CallId id = append_one();
  const auto leased = lease_one(log());
  ASSERT_TRUE(complete(log(), leased->lease(), bad_outcome(clock_)));
  const auto record = log().find(id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->record.state, State::failed);
  EXPECT_EQ(record->record.error->message, "it trapped");
  EXPECT_EQ(log().stats().dead_count, 1U);
  EXPECT_EQ(log().result(id)->error->code, Code::died);
}

TEST_P(CallLogContract, AFailedAttemptIsTriedAgainWithEveryErrorKept) {
  DurableCall call = call_of("demo/hello");
  call.retries_max = 2;
  const CallId id = append(log(), call)->id;
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const auto leased = lease_one(log());
    ASSERT_TRUE(leased) << attempt;
    EXPECT_EQ(leased->attempt, attempt);
    EXPECT_EQ(leased->call->input, "input");
    ASSERT_TRUE(complete(log(), leased->lease(), bad_outcome(clock_)));
    if (attempt == 3) break;
    const auto waiting = log().find(id);
    ASSERT_TRUE(waiting);
    EXPECT_EQ(waiting->record.state, State::queued);
    EXPECT_GT(waiting->due, clock_.wall_now());
    EXPECT_EQ(waiting->attempts.size(), attempt);
    EXPECT_FALSE(lease_one(log())) << "before its time";
    EXPECT_EQ(log().stats().delayed_count, 1U);
    clock_.advance(std::chrono::minutes(10));
    log().sweep();
  }
  const auto record = log().find(id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->record.state, State::failed);
  EXPECT_EQ(record->record.attempt, 3U);
  ASSERT_EQ(record->attempts.size(), 3U);
  for (const Attempt& attempt : record->attempts) EXPECT_EQ(attempt.error->message, "it trapped");
  EXPECT_EQ(log().stats().retried, 2U);
}

TEST_P(CallLogContract, WhatCannotGetBetterIsNotTriedAgain) {
  DurableCall call = call_of("demo/hello");
  call.retries_max = 5;
  const CallId id = append(log(), call)->id;
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), bad_outcome(clock_, Code::not_found)));
  EXPECT_EQ(state_of(id), State::failed);
}

TEST_P(CallLogContract, AServerErrorIsTriedAgainAndInTheEndIsTheReply) {
  DurableCall call = call_of("demo/hello");
  call.retries_max = 1;
  const CallId id = append(log(), call)->id;
  Outcome outcome = good_outcome(clock_, "not now");
  outcome.status = 503;
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), outcome));
  EXPECT_EQ(state_of(id), State::queued);
  clock_.advance(std::chrono::minutes(10));
  log().sweep();
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), outcome));
  EXPECT_EQ(state_of(id), State::completed);
  EXPECT_EQ(log().result(id)->status, 503);
  EXPECT_EQ(log().result(id)->output, "not now");
}

TEST_P(CallLogContract, ACallThatIsLostEachTimeFailsInTheEnd) {
  options_.retry.losses_max = 3;
  const CallId id = append_one();
  for (int loss = 1; loss <= 3; ++loss) {
    const auto leased = lease_one(log(), clock_.now() + std::chrono::seconds(1));
    ASSERT_TRUE(leased) << loss;
    clock_.advance(std::chrono::minutes(10));
    log().sweep();
    append_one("demo/other");  // The loss is written before this.
    clock_.advance(std::chrono::minutes(10));
    log().sweep();
    const auto other = lease_one(log());
    if (loss < 3 && other && other->call->id == id) ASSERT_TRUE(log().release(other->lease(), {}));
    if (other && other->call->id != id) ASSERT_TRUE(complete(log(), other->lease(), good_outcome(clock_)));
    for (auto rest = lease_one(log()); rest && rest->call->id != id; rest = lease_one(log())) {
      ASSERT_TRUE(complete(log(), rest->lease(), good_outcome(clock_)));
    }
    for (const auto& held : {lease_one(log())}) {
      if (held) ASSERT_TRUE(log().release(held->lease(), {}));
    }
    if (const auto record = log().find(id); record->record.state == State::running) {
      ASSERT_TRUE(log().release({id, record->record.attempt}, {}));
    }
  }
  const auto record = log().find(id);
  EXPECT_EQ(record->record.state, State::failed);
  EXPECT_EQ(record->record.error->code, Code::died);
  EXPECT_EQ(record->attempts.size(), 3U);
  EXPECT_EQ(log().stats().lost, 3U);
}

TEST_P(CallLogContract, AWorkerThatEndsUnderACallIsALossAndNoFailure) {
  options_.retry.losses_max = 2;
  const CallId id = append_one();
  Outcome outcome = bad_outcome(clock_, Code::died);
  outcome.lost = true;
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), outcome));
  EXPECT_EQ(state_of(id), State::queued);
  const auto again = lease_one(log());  // At once, the first time.
  ASSERT_TRUE(again);
  EXPECT_EQ(again->attempt, 2U);
  ASSERT_TRUE(complete(log(), again->lease(), outcome));
  const auto record = log().find(id);
  EXPECT_EQ(record->record.state, State::failed);
  EXPECT_EQ(record->attempts.size(), 2U);
  EXPECT_EQ(log().stats().lost, 2U);
  EXPECT_EQ(log().stats().retried, 0U);
}

TEST_P(CallLogContract, ACallPastItsDeadlineDoesNotRun) {
  DurableCall call = call_of("demo/hello");
  call.deadline = clock_.wall_now() + std::chrono::seconds(1);
  const CallId id = append(log(), call)->id;
  clock_.advance(std::chrono::seconds(2));
  EXPECT_FALSE(lease_one(log()));
  append_one();  // Its end is written before this.
  const auto record = log().find(id);
  EXPECT_EQ(record->record.state, State::failed);
  EXPECT_EQ(record->record.error->code, Code::deadline);
  EXPECT_EQ(record->record.error->stage, Stage::queue);
}

TEST_P(CallLogContract, AWaitingCallCanBeCancelled) {
  const CallId id = append_one();
  const auto cancelled = cancel(log(), id);
  ASSERT_TRUE(cancelled);
  EXPECT_FALSE(cancelled->was_running);
  EXPECT_EQ(state_of(id), State::canceled);
  EXPECT_FALSE(lease_one(log()));
  EXPECT_EQ(cancel(log(), id).error().code, Code::conflict);
  EXPECT_EQ(log().stats().waiting_count, 0U);
}

TEST_P(CallLogContract, ARunningCallCanBeCancelledAndItsEndIsRefused) {
  const CallId id = append_one();
  clock_.advance(std::chrono::seconds(3));
  const auto leased = lease_one(log());
  clock_.advance(std::chrono::milliseconds(500));
  const auto cancelled = cancel(log(), id);
  ASSERT_TRUE(cancelled);
  EXPECT_TRUE(cancelled->was_running);
  const auto record = log().find(id)->record;
  EXPECT_EQ(record.usage.wait_time, std::chrono::seconds(3));
  EXPECT_EQ(record.usage.run_time, std::chrono::milliseconds(500));
  EXPECT_EQ(to_text(cancelled->function), "demo/hello");
  EXPECT_EQ(complete(log(), leased->lease(), good_outcome(clock_)).error().code, Code::conflict);
  EXPECT_EQ(state_of(id), State::canceled);
  EXPECT_EQ(log().stats().running_count, 0U);
}

TEST_P(CallLogContract, ACallThatWaitsToBeTriedAgainCanBeCancelled) {
  DurableCall call = call_of("demo/hello");
  call.retries_max = 1;
  const CallId id = append(log(), call)->id;
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), bad_outcome(clock_)));
  ASSERT_TRUE(cancel(log(), id));
  clock_.advance(std::chrono::minutes(10));
  log().sweep();
  EXPECT_FALSE(lease_one(log()));
  EXPECT_EQ(log().find(id)->attempts.size(), 1U);
}

TEST_P(CallLogContract, AFailedCallCanBeRedriven) {
  const CallId id = append_one();
  EXPECT_EQ(redrive(log(), id).error().code, Code::conflict) << "it waits";
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), bad_outcome(clock_)));
  const auto redriven = redrive(log(), id);
  ASSERT_TRUE(redriven) << redriven.error().message;
  EXPECT_EQ(state_of(id), State::queued);
  EXPECT_EQ(log().stats().dead_count, 0U);
  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  EXPECT_EQ(leased->attempt, 2U) << "a number is not used twice";
  EXPECT_EQ(leased->call->input, "input");
  ASSERT_TRUE(complete(log(), leased->lease(), good_outcome(clock_)));
  EXPECT_EQ(state_of(id), State::completed);
  EXPECT_EQ(log().find(id)->attempts.size(), 2U);
  EXPECT_EQ(redrive(log(), id).error().code, Code::conflict) << "it completed";
}

TEST_P(CallLogContract, OneKeyIsOneCall) {
  DurableCall call = call_of("demo/hello");
  call.idempotency_key = "order-1";
  const auto first = append(log(), call);
  const auto second = append(log(), call);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id, second->id);
  EXPECT_FALSE(first->existed);
  EXPECT_TRUE(second->existed);
  EXPECT_EQ(log().stats().waiting_count, 1U);

  DurableCall other_body = call;
  other_body.input = "another";
  EXPECT_EQ(append(log(), other_body).error().code, Code::conflict);
  DurableCall other_function = call;
  other_function.function.name = "another";
  EXPECT_EQ(append(log(), other_function).error().code, Code::conflict);
  DurableCall other_space = call;
  other_space.function.space = "another";
  EXPECT_NE(append(log(), other_space)->id, first->id);
  DurableCall other_owner = call;
  other_owner.owner = "bob";
  EXPECT_NE(append(log(), other_owner)->id, first->id);
}

TEST_P(CallLogContract, AKeyHoldsUntilItsCallIsForgotten) {
  DurableCall call = call_of("demo/hello");
  call.idempotency_key = "order-1";
  call.keep = std::chrono::hours(1);
  const CallId first = append(log(), call)->id;
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), good_outcome(clock_)));
  clock_.advance(std::chrono::minutes(30));
  EXPECT_EQ(append(log(), call)->id, first);
  clock_.advance(std::chrono::hours(2));
  EXPECT_EQ(*log().purge(100), 1U);
  EXPECT_NE(append(log(), call)->id, first);
}

TEST_P(CallLogContract, WhatIsPastItsTimeIsForgottenInBoundedSteps) {
  std::vector<CallId> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(append_one());
    ASSERT_TRUE(
        complete(log(), lease_one(log())->lease(), i % 2 == 0 ? good_outcome(clock_) : bad_outcome(clock_)));
  }
  const CallId waiting = append_one();
  EXPECT_EQ(*log().purge(100), 0U);
  clock_.advance(std::chrono::hours(25));
  EXPECT_EQ(log().find(ids[0]).error().code, Code::not_found) << "although it is still there";
  EXPECT_EQ(*log().purge(3), 3U);
  EXPECT_EQ(*log().purge(3), 2U);
  EXPECT_EQ(*log().purge(3), 0U);
  for (const CallId id : ids) {
    EXPECT_TRUE(log().owns(id));
    EXPECT_EQ(log().find(id).error().code, Code::not_found);
    EXPECT_EQ(log().result(id).error().code, Code::not_found);
  }
  EXPECT_EQ(log().stats().dead_count, 0U);
  EXPECT_EQ(state_of(waiting), State::queued);
}

TEST_P(CallLogContract, AFullQueueRefusesAndSaysSo) {
  options_.waiting_per_function_max = 2;
  options_.waiting_per_owner_max = 3;
  options_.waiting_max = 4;
  append_one();
  append_one();
  const auto third = append(log(), call_of("demo/hello"));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Code::exhausted);
  EXPECT_NE(third.error().message.find("demo/hello"), std::string::npos) << third.error().message;
  append_one("demo/other");
  EXPECT_EQ(append(log(), call_of("demo/third")).error().code, Code::exhausted) << "of one user";
  DurableCall of_bob = call_of("demo/hello");
  of_bob.owner = "bob";
  EXPECT_TRUE(append(log(), of_bob));
  of_bob.function.name = "other";
  EXPECT_EQ(append(log(), of_bob).error().code, Code::exhausted) << "of all";
  ASSERT_TRUE(lease_one(log()));
  EXPECT_TRUE(append(log(), of_bob)) << "one that runs does not wait";
}

TEST_P(CallLogContract, AnOwnersQuotaHoldsForNewCallsAndForOnesThatAreTriedAgain) {
  DurableCall of_bob = call_of("demo/hello");
  of_bob.owner = "bob";
  of_bob.owner_waiting_max = 0;
  EXPECT_EQ(append(log(), of_bob).error().code, Code::exhausted) << "0 is a bound, not none";
  of_bob.owner_waiting_max = 1;
  const auto failed = append(log(), of_bob);
  ASSERT_TRUE(failed) << failed.error().message;
  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  ASSERT_TRUE(complete(log(), leased->lease(), bad_outcome(clock_)));
  ASSERT_TRUE(append(log(), of_bob));

  const auto refused = redrive(log(), failed->id, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::exhausted);
  EXPECT_NE(refused.error().message.find("'queued_calls'"), std::string::npos) << refused.error().message;
  EXPECT_EQ(state_of(failed->id), State::failed);
  EXPECT_TRUE(redrive(log(), failed->id, 2));
}

TEST_P(CallLogContract, UsersAndFunctionsTakeTurns) {
  for (int i = 0; i < 20; ++i) append_one("demo/much");
  append_one("demo/little");
  DurableCall of_bob = call_of("demo/much");
  of_bob.owner = "bob";
  ASSERT_TRUE(append(log(), of_bob));
  const auto leased = lease(log(), 4);
  ASSERT_EQ(leased.size(), 4U);
  int of_others = 0;
  for (const LeasedCall& call : leased) {
    if (call.call->owner == "bob" || call.call->function.name == "little") ++of_others;
  }
  EXPECT_EQ(of_others, 2);
}

TEST_P(CallLogContract, AFunctionRunsNoMoreThanItMay) {
  for (int i = 0; i < 5; ++i) append_one("demo/narrow");
  append_one("demo/wide");
  const LeaseRequest request{.count_max = 10, .until = never, .concurrency = [](const FunctionName& name) {
                               return name.name == "narrow" ? 2U : 100U;
                             }};
  EXPECT_EQ(log().lease(request).size(), 3U);
}

TEST_P(CallLogContract, ASlowFunctionLeavesRoomForOthers) {
  options_.leases_max = 30;
  for (int i = 0; i < 40; ++i) append_one("demo/slow");
  EXPECT_EQ(lease(log(), 100).size(), 20U);
  append_one("demo/quick");
  const auto quick = lease(log(), 100);
  ASSERT_EQ(quick.size(), 1U);
  EXPECT_EQ(quick[0].call->function.name, "quick");
}

TEST_P(CallLogContract, LargeBodiesAreKeptWhole) {
  options_.inline_bytes_max = 1000;
  const std::string large(300'000, 'l');
  const CallId id = append(log(), call_of("demo/hello", large))->id;
  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  EXPECT_EQ(leased->call->input, large);
  Outcome outcome = good_outcome(clock_, large + "out");
  outcome.log = large + "log";
  ASSERT_TRUE(complete(log(), leased->lease(), outcome));
  EXPECT_EQ(log().result(id)->output, large + "out");
  EXPECT_EQ(log().log(id)->text, large + "log");

  const CallId failed = append(log(), call_of("demo/hello", large))->id;
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), bad_outcome(clock_)));
  ASSERT_TRUE(redrive(log(), failed));
  EXPECT_EQ(lease_one(log())->call->input, large);
}

TEST_P(CallLogContract, WhatIsReadAgainIsWhatWasKept) {
  options_.cached_input_bytes_max = 0;
  const CallId id = append(log(), call_of("demo/hello", "from the disk"))->id;
  const auto leased = lease_one(log());
  ASSERT_TRUE(leased);
  EXPECT_EQ(leased->call->id, id);
  EXPECT_EQ(leased->call->input, "from the disk");
}

TEST_P(CallLogContract, ListsTheNewestFirstAndInPages) {
  std::vector<CallId> ids;
  for (int i = 0; i < 7; ++i) ids.push_back(append_one(i % 2 == 0 ? "demo/even" : "demo/odd"));
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), good_outcome(clock_)));  // ids[0]
  ASSERT_TRUE(cancel(log(), ids[3]));

  const auto all = log().list({});
  ASSERT_TRUE(all);
  ASSERT_EQ(all->records.size(), 7U);
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(all->records[i].record.id, ids[6 - i]);
  EXPECT_FALSE(all->next);

  const auto even = log().list({.function = *parse_function_name("demo/even"), .limit = 3});
  ASSERT_EQ(even->records.size(), 3U);
  EXPECT_EQ(even->next, ids[2]);
  const auto rest =
      log().list({.function = *parse_function_name("demo/even"), .limit = 3, .after = even->next});
  ASSERT_EQ(rest->records.size(), 1U);
  EXPECT_EQ(rest->records[0].record.id, ids[0]);

  EXPECT_EQ(log().list({.state = State::canceled})->records.size(), 1U);
  EXPECT_EQ(log().list({.state = State::completed})->records.size(), 1U);
  EXPECT_EQ(log().list({.state = State::queued})->records.size(), 5U);
  EXPECT_EQ(log().list({.state = State::failed})->records.size(), 0U);
  EXPECT_EQ(log().list({.visible = [](const Record&) { return false; }})->records.size(), 0U);
  EXPECT_EQ(log().list({.after = CallId{1, 1}}).error().code, Code::not_found);
}

TEST_P(CallLogContract, ACallbackIsDueWhenItsCallHasEnded) {
  DurableCall call = call_of("demo/hello");
  call.callback_url = "http://example.org/done";
  const CallId id = append(log(), call)->id;
  EXPECT_TRUE(log().lease_callbacks(10, WallTime::max()).empty());
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), good_outcome(clock_)));

  const auto due = log().lease_callbacks(10, clock_.wall_now() + std::chrono::minutes(1));
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].id, id);
  EXPECT_EQ(due[0].url, call.callback_url);
  EXPECT_EQ(due[0].attempt, 1U);
  EXPECT_EQ(due[0].result.output, "output");
  EXPECT_EQ(due[0].record.record.state, State::completed);
  EXPECT_TRUE(log().lease_callbacks(10, WallTime::max()).empty()) << "somebody has it";

  log().complete_callback(id, {.kind = CallbackState::Kind::waiting,
                               .next_due = clock_.wall_now() + std::chrono::minutes(5),
                               .status = 500,
                               .error = "no"});
  append_one();
  EXPECT_TRUE(log().lease_callbacks(10, WallTime::max()).empty());
  clock_.advance(std::chrono::minutes(5));
  const auto again = log().lease_callbacks(10, WallTime::max());
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].attempt, 2U);
  log().complete_callback(id, {.kind = CallbackState::Kind::delivered, .status = 204, .error = {}});
  append_one();
  const auto record = log().find(id);
  EXPECT_EQ(record->callback.kind, CallbackState::Kind::delivered);
  EXPECT_EQ(record->callback.attempts, 2U);
  EXPECT_EQ(record->callback.status, 204);
  EXPECT_EQ(log().stats().callbacks_waiting, 0U);
}

TEST_P(CallLogContract, FindsACallByWhatIsLeftOfItsId) {
  const CallId first = append_one();
  const CallId second = append_one();
  for (const CallId id : {first, second}) EXPECT_EQ(log().restore(shorten(id)), id);
  const auto none = log().restore({.high = shorten(first).high, .low = first.low ^ 1});
  EXPECT_TRUE(!none || !log().find(*none)) << "no call has that token";
  // Another server may have given out more numbers than this one has heard of; but there is no such call.
  const auto later = log().restore({.high = shorten(second).high ^ 0x100, .low = second.low});
  EXPECT_TRUE(!later || log().find(*later).error().code == Code::not_found) << "so many there never were";
}

TEST_P(CallLogContract, ForgetsACallBeforeItsTime) {
  const CallId id = append_one();
  const auto forget = [this](CallId which) {
    return wait_for<void>([&](auto done) { log().forget(which, done); });
  };
  EXPECT_EQ(forget(id).error().code, Code::conflict) << "it waits";
  const auto leased = lease_one(log());
  EXPECT_EQ(forget(id).error().code, Code::conflict) << "it runs";
  ASSERT_TRUE(complete(log(), leased->lease(), bad_outcome(clock_)));
  EXPECT_EQ(log().stats().dead_count, 1U);
  ASSERT_TRUE(forget(id));
  EXPECT_EQ(log().find(id).error().code, Code::not_found);
  EXPECT_EQ(log().result(id).error().code, Code::not_found);
  EXPECT_EQ(log().stats().dead_count, 0U);
  EXPECT_EQ(forget(id).error().code, Code::not_found);
  EXPECT_EQ(redrive(log(), id).error().code, Code::not_found);
}

TEST_P(CallLogContract, TellsWhoListens) {
  struct Heard final : CallLogListener {
    void on_ready() override { ++ready; }
    void on_callback() override { ++callbacks; }
    void on_ended(CallId id, const FunctionName&, State state,
                  const std::function<DurableRecord()>& make) override {
      ended.push_back(id);
      states.push_back(state);
      EXPECT_EQ(make().record.state, state);
    }
    int ready = 0;
    int callbacks = 0;
    std::vector<CallId> ended;
    std::vector<State> states;
  } heard;
  log().listen(heard);
  DurableCall call = call_of("demo/hello");
  call.callback_url = "http://example.org/";
  const CallId first = append(log(), call)->id;
  ASSERT_TRUE(complete(log(), lease_one(log())->lease(), good_outcome(clock_)));
  const CallId second = append_one();
  ASSERT_TRUE(cancel(log(), second));
  log().stop();
  EXPECT_EQ(heard.ready, 2);
  EXPECT_EQ(heard.callbacks, 1);
  EXPECT_EQ(heard.ended, (std::vector<CallId>{first, second}));
  EXPECT_EQ(heard.states, (std::vector<State>{State::completed, State::canceled}));
}

TEST_P(CallLogContract, AStoppedLogRefuses) {
  const CallId id = append_one();
  log().stop();
  EXPECT_EQ(append(log(), call_of("demo/hello")).error().code, Code::unavailable);
  EXPECT_EQ(cancel(log(), id).error().code, Code::unavailable);
  EXPECT_EQ(redrive(log(), id).error().code, Code::unavailable);
}

INSTANTIATE_TEST_SUITE_P(
    All, CallLogContract,
    testing::Values(Kind{"memory", [](const TempFolder&, const CallLogOptions& options,
                                      const Clock& clock) { return make_memory_call_log(options, clock); }},
                    Kind{"sqlite",
                         [](const TempFolder& folder, const CallLogOptions& options, const Clock& clock) {
                           auto log = open_call_log(folder.path(), options, clock);
                           EXPECT_TRUE(log) << log.error().message;
                           return *std::move(log);
                         }},
                    Kind{"redis",
                         [](const TempFolder&, const CallLogOptions& options, const Clock& clock) {
                           auto log = open_redis_call_log(shared_redis().fresh(), options, clock);
                           EXPECT_TRUE(log) << log.error().message;
                           return *std::move(log);
                         }}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace canopy::store
