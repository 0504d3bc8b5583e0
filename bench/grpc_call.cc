// How many calls a second a server of HyperFaaS's gRPC answers to one client with so many calls in flight: by
// leaf.Leaf/ScheduleCall, each with 64 bytes, over one connection, as HyperFaaS's own load generator has it.
// The client uses the completion queue, gRPC's fastest way. A JSON line.
//
//   grpc_call ADDRESS FUNCTION SECONDS IN_FLIGHT

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <grpc/support/time.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "base/clock.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)

constexpr std::size_t data_bytes = 64;
constexpr std::int64_t patience_seconds = 10;
constexpr const char* method = "/leaf.Leaf/ScheduleCall";

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "grpc_call: %s\n", why.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe)
}

// ScheduleCallRequest{functionID: {id}, data}
grpc::ByteBuffer request_for(const std::string& function) {
  const auto field = [](char tag, const std::string& value) {
    return std::string(1, tag) + static_cast<char>(value.size()) + value;
  };
  const grpc::Slice bytes(field('\x0a', field('\x0a', function)) +
                          field('\x12', std::string(data_bytes, 'x')));
  return {&bytes, 1};
}

struct OneCall {
  grpc::ClientContext context;
  grpc::ByteBuffer reply;
  grpc::Status status;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  Time begun;
};

class Load {
 public:
  Load(const std::string& address, const std::string& function)
      : stub_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        request_(request_for(function)) {}

  void begin() {
    auto* const call = new OneCall;  // NOLINT(cppcoreguidelines-owning-memory): gRPC's tags are pointers.
    call->begun = clock_.now();
    call->reader = stub_.PrepareUnaryCall(&call->context, method, request_, &queue_);
    call->reader->StartCall();
    call->reader->Finish(&call->reply, &call->status, call);
  }

  // How long the call took that ends next.
  Duration end_one() {
    void* got = nullptr;
    bool good = false;
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(patience_seconds, GPR_TIMESPAN));
    if (queue_.AsyncNext(&got, &good, deadline) != grpc::CompletionQueue::GOT_EVENT) die("no reply in time");
    const std::unique_ptr<OneCall> call(static_cast<OneCall*>(got));
    if (!call->status.ok()) die("a call failed: " + call->status.error_message());
    return clock_.now() - call->begun;
  }

  const Clock& clock() const { return clock_; }

 private:
  const Clock& clock_ = system_clock();
  grpc::GenericStub stub_;
  const grpc::ByteBuffer request_;
  grpc::CompletionQueue queue_;
};

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) die("usage: grpc_call ADDRESS FUNCTION SECONDS IN_FLIGHT");
  const double seconds = std::atof(arguments[3]);
  const int in_flight = std::atoi(arguments[4]);
  Load load(arguments[1], arguments[2]);
  for (int i = 0; i < in_flight; ++i) load.begin();
  std::vector<Duration> took;
  const Time begun = load.clock().now();
  std::chrono::duration<double> passed{};
  while (passed.count() < seconds) {
    took.push_back(load.end_one());
    load.begin();
    passed = load.clock().now() - begun;
  }
  for (int i = 0; i < in_flight; ++i) load.end_one();
  std::sort(took.begin(), took.end());
  std::printf("{\"calls_per_second\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
              static_cast<double>(took.size()) / passed.count(), milliseconds(took[took.size() / 2]),
              milliseconds(took[took.size() * 99 / 100]));
  return 0;
}
