// How many messages a second one bidirectional gRPC stream carries between two processes, one core each, with
// 64 of 100 plain bytes in flight, each sent back as it came: the peer of bench/frames.cc that clients of
// other systems speak. Both sides use the completion queue, gRPC's fastest way. A JSON line.
//
//   grpc_stream SECONDS ROUNDS

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)

constexpr std::uint32_t in_flight = 64;
constexpr std::size_t message_bytes = 100;
constexpr std::int64_t patience_seconds = 10;
constexpr const char* method = "/bench.Echo/Stream";

enum class Tag : std::intptr_t { begun = 1, read, written, done };
void* tag(Tag of) { return reinterpret_cast<void*>(of); }  // NOLINT: gRPC's tags are pointers.

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "grpc_stream: %s\n", why);
  std::exit(1);  // NOLINT(concurrency-mt-unsafe)
}

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);  // With one core there is no other: all the same.
}

// Takes the next event in time, or ends the program.
Tag next(grpc::CompletionQueue& queue) {
  void* got = nullptr;
  bool good = false;
  const gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(patience_seconds, GPR_TIMESPAN));
  if (queue.AsyncNext(&got, &good, deadline) != grpc::CompletionQueue::GOT_EVENT || !good)
    die("the stream broke");
  return static_cast<Tag>(reinterpret_cast<std::intptr_t>(got));
}

// One write at a time is gRPC's rule: the others stand here.
template <class Stream>
class Writer {
 public:
  explicit Writer(Stream& stream) : stream_(stream) {}
  void add(const grpc::ByteBuffer& message) {
    waiting_.push_back(message);
    write();
  }
  void on_written() {
    busy_ = false;
    write();
  }

 private:
  void write() {
    if (busy_ || first_ == waiting_.size()) return;
    busy_ = true;
    // As gRPC advises where more is to follow: it may then send them together.
    const auto options =
        first_ + 1 < waiting_.size() ? grpc::WriteOptions().set_buffer_hint() : grpc::WriteOptions();
    stream_.Write(waiting_[first_], options, tag(Tag::written));
    if (++first_ < waiting_.size()) return;
    waiting_.clear();
    first_ = 0;
  }
  Stream& stream_;
  std::vector<grpc::ByteBuffer> waiting_;
  std::size_t first_ = 0;
  bool busy_ = false;
};

// Sends back what comes, for ever; says its port on `told` first.
void answer(int told) {
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (!server || write(told, &port, sizeof port) != sizeof port) die("cannot listen");
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream(&context);
  service.RequestCall(&context, &stream, queue.get(), queue.get(), tag(Tag::begun));
  Writer writer(stream);
  grpc::ByteBuffer message;
  while (true) {
    switch (next(*queue)) {
      case Tag::written:
        writer.on_written();
        break;
      case Tag::read:
        writer.add(message);
        [[fallthrough]];
      default:
        stream.Read(&message, tag(Tag::read));
    }
  }
}

double per_second(double seconds) {
  int told[2];
  if (pipe(told) != 0) die("no pipe");
  const pid_t child = fork();  // Before gRPC has threads in this process.
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0);
    answer(told[1]);
  }
  int port = 0;
  if (read(told[0], &port, sizeof port) != sizeof port) die("the other side did not start");
  close(told[0]);
  close(told[1]);

  grpc::GenericStub stub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto stream = stub.PrepareCall(&context, method, &queue);
  stream->StartCall(tag(Tag::begun));
  if (next(queue) != Tag::begun) die("no stream");
  const grpc::Slice bytes(std::string(message_bytes, 'x'));
  const grpc::ByteBuffer message(&bytes, 1);
  grpc::ByteBuffer reply;
  Writer writer(*stream);
  const Clock& clock = system_clock();
  const Time begin = clock.now();
  for (std::uint32_t i = 0; i < in_flight; ++i) writer.add(message);
  stream->Read(&reply, tag(Tag::read));
  std::uint64_t count = 0;
  std::chrono::duration<double> took{};
  while (took.count() < seconds) {
    if (next(queue) == Tag::written) {
      writer.on_written();
      continue;
    }
    if (reply.Length() != message_bytes) die("a reply of another size");
    writer.add(message);
    stream->Read(&reply, tag(Tag::read));
    if (++count % in_flight == 0) took = clock.now() - begin;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return static_cast<double>(count) / took.count();
}

// A process of its own for each round: one that has used gRPC must not fork.
double one_round(double seconds) {
  int told[2];
  if (pipe(told) != 0) die("no pipe");
  const pid_t child = fork();
  if (child == 0) {
    pin(1);
    const double rate = per_second(seconds);
    _exit(write(told[1], &rate, sizeof rate) == sizeof rate ? 0 : 1);
  }
  close(told[1]);
  double rate = 0;
  if (read(told[0], &rate, sizeof rate) != sizeof rate) die("a round failed");
  close(told[0]);
  waitpid(child, nullptr, 0);
  return rate;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) die("usage: grpc_stream SECONDS ROUNDS");
  const double seconds = std::atof(arguments[1]);
  std::vector<double> rates;
  for (int round = std::atoi(arguments[2]); round > 0; --round) rates.push_back(one_round(seconds));
  if (rates.empty()) die("ROUNDS is a number from 1");
  std::sort(rates.begin(), rates.end());
  std::printf("{\"grpc_per_second\":%.0f}\n", rates[rates.size() / 2]);
  return 0;
}
