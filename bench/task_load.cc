// A client of MUCPD's API or of FaaS Builders', fast enough not to be what is measured: submits tasks and
// asks for each until it is done, as clients of those do; in a burst each waits 2 ms before it asks again
// after a task that has not ended. Prints one JSON object.
//
//   task_load PORT DIALECT one   COUNT [FUNCTION PAYLOAD]                one after the other: latency from
//                                                                        submission to what can be read
//   task_load PORT DIALECT burst COUNT CONNECTIONS [FUNCTION PAYLOAD]    all at once: from the first
//                                                                        submission to the last
//
//   mucpd      jobs of /u/bench/fn/noop, which is there already, until their status is 1
//   builders   tasks of FUNCTION with PAYLOAD, as it stands in JSON, until their results can be read

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "task_load: %s\n", why.c_str());
  std::exit(1);
}

double milliseconds_since(Clock::time_point begun) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

// How one family of clients speaks.
struct Dialect {
  std::string submit;     // A whole request.
  std::string ask;        // Up to the id.
  std::string id_prefix;  // Of what a submission is answered.
  std::size_t id_size = 0;
  std::vector<std::string> done;     // What an answer holds then.
  std::vector<std::string> pending;  // Likewise.
};

std::string post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

Dialect mucpd() {
  return {.submit = post("/u/bench/fn/noop/run", "[]"),
          .ask = "GET /j/",
          .id_prefix = R"({"error":false,"res":")",
          .id_size = 24,
          .done = {R"({"error":false,"res":1})"},
          .pending = {R"({"error":false,"res":0})"}};
}

Dialect builders(const std::string& function, const std::string& payload) {
  return {.submit =
              post("/execute_function", R"({"function_id":")" + function + R"(","payload":)" + payload + "}"),
          .ask = "GET /result/",
          .id_prefix = R"({"task_id":")",
          .id_size = 36,
          .done = {R"("status":"COMPLETED")"},
          .pending = {R"("status":"QUEUED")", R"("status":"RUNNING")"}};
}

bool holds_any(std::string_view body, const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [body](const std::string& text) { return body.find(text) != std::string_view::npos; });
}

struct Job {
  std::string id;
  Clock::time_point begun{};
  double took_ms = 0;
};

// One keep-alive connection with one request under way: submits all of its jobs and then asks for each, or,
// in turn, asks for each before it submits the next.
class Client {
 public:
  Client(int port, const Dialect& dialect, std::size_t count, bool in_turn)
      : dialect_(dialect), jobs_(count), in_turn_(in_turn) {
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address{.sin_family = AF_INET,
                              .sin_port = htons(static_cast<std::uint16_t>(port)),
                              .sin_addr = {htonl(INADDR_LOOPBACK)},
                              .sin_zero = {}};
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      die("cannot connect");
    const int yes = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int descriptor() const { return socket_; }
  bool is_done() const { return polled_ == jobs_.size(); }
  const std::vector<Job>& jobs() const { return jobs_; }

  void send_next() {
    ++requests_;
    due_ = {};
    submits_ = submitted_ < jobs_.size() && (!in_turn_ || submitted_ == polled_);
    if (submits_) {
      jobs_[submitted_].begun = Clock::now();
      send_all(dialect_.submit);
    } else {
      send_all(dialect_.ask + jobs_[polled_].id + " HTTP/1.1\r\nHost: b\r\n\r\n");
    }
  }

  // When to ask again, where the last answer was that the job has not ended.
  Clock::time_point due() const { return due_; }
  std::size_t requests() const { return requests_; }

  // What came; false while the response is not whole.
  bool receive() {
    char buffer[4096];
    const ssize_t got = recv(socket_, buffer, sizeof buffer, 0);
    if (got <= 0) die("the server closed a connection");
    in_.append(buffer, static_cast<std::size_t>(got));
    const std::size_t head = in_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    const std::size_t at = in_.find("Content-Length: ");
    if (at == std::string::npos || at > head) die("a response without a length: " + in_);
    const std::size_t length = std::strtoul(in_.c_str() + at + 16, nullptr, 10);
    if (in_.size() < head + 4 + length) return false;
    take(std::string_view(in_).substr(head + 4, length));
    in_.clear();
    return true;
  }

 private:
  void send_all(std::string_view bytes) const {
    if (send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      die("cannot send");
  }

  void take(std::string_view body) {
    if (submits_) {
      const std::string& prefix = dialect_.id_prefix;
      if (!body.starts_with(prefix) || body.size() < prefix.size() + dialect_.id_size)
        die("not taken: " + std::string(body));
      jobs_[submitted_++].id = body.substr(prefix.size(), dialect_.id_size);
    } else if (holds_any(body, dialect_.done)) {
      Job& job = jobs_[polled_++];
      job.took_ms = milliseconds_since(job.begun);
    } else if (holds_any(body, dialect_.pending)) {
      due_ = Clock::now() + std::chrono::milliseconds(2);
    } else {
      die("it failed: " + std::string(body));
    }
  }

  const Dialect& dialect_;
  int socket_ = -1;
  std::vector<Job> jobs_;
  const bool in_turn_;
  bool submits_ = false;  // What is under way.
  std::size_t submitted_ = 0;
  std::size_t polled_ = 0;
  std::size_t requests_ = 0;
  Clock::time_point due_{};
  std::string in_;
};

void print(std::vector<double> took_ms, double all_ms, std::size_t requests) {
  std::sort(took_ms.begin(), took_ms.end());
  const auto part = [&took_ms](double share) {
    return took_ms[std::min(took_ms.size() - 1,
                            static_cast<std::size_t>(static_cast<double>(took_ms.size()) * share))];
  };
  std::printf(
      "{\"jobs\":%zu,\"seconds\":%.4f,\"per_second\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"requests\":%zu}"
      "\n",
      took_ms.size(), all_ms / 1000, static_cast<double>(took_ms.size()) / all_ms * 1000, part(0.5),
      part(0.99), requests);
}

void run_one(int port, const Dialect& dialect, std::size_t count) {
  Client client(port, dialect, count, true);
  const auto begun = Clock::now();
  while (!client.is_done()) {
    client.send_next();
    while (!client.receive()) {
    }
  }
  const double all = milliseconds_since(begun);
  std::vector<double> took;
  for (const Job& job : client.jobs()) took.push_back(job.took_ms);
  print(std::move(took), all, client.requests());
}

void run_burst(int port, const Dialect& dialect, std::size_t count, std::size_t connections) {
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < connections; ++i) {
    clients.push_back(std::make_unique<Client>(
        port, dialect, count / connections + (i < count % connections ? 1 : 0), false));
  }
  const int poll = epoll_create1(0);
  const auto begun = Clock::now();
  for (std::size_t i = 0; i < connections; ++i) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    epoll_ctl(poll, EPOLL_CTL_ADD, clients[i]->descriptor(), &event);
    if (!clients[i]->is_done()) clients[i]->send_next();
  }
  std::size_t left = 0;
  for (const auto& client : clients) left += client->is_done() ? 0 : 1;
  std::deque<Client*> resting;
  while (left > 0) {
    epoll_event events[64];
    const int ready = epoll_wait(poll, events, 64, resting.empty() ? 60'000 : 1);
    if (ready == 0 && resting.empty()) die("nothing came for a minute");
    for (int i = 0; i < ready; ++i) {
      Client& client = *clients[events[i].data.u64];
      if (!client.receive()) continue;
      if (client.is_done()) {
        --left;
      } else if (client.due() != Clock::time_point()) {
        resting.push_back(&client);
      } else {
        client.send_next();
      }
    }
    while (!resting.empty() && resting.front()->due() <= Clock::now()) {
      resting.front()->send_next();
      resting.pop_front();
    }
  }
  const double all = milliseconds_since(begun);
  close(poll);
  std::vector<double> took;
  for (const auto& client : clients) {
    for (const Job& job : client->jobs()) took.push_back(job.took_ms);
  }
  std::size_t requests = 0;
  for (const auto& client : clients) requests += client->requests();
  print(std::move(took), all, requests);
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  const char* const usage =
      "usage: task_load PORT mucpd|builders one COUNT [FUNCTION PAYLOAD] | "
      "task_load PORT mucpd|builders burst COUNT CONNECTIONS [FUNCTION PAYLOAD]";
  const bool in_turn = words.size() > 2 && words[2] == "one";
  const std::size_t own = in_turn ? 4 : 5;
  const bool is_mucpd = words.size() > 1 && words[1] == "mucpd";
  if (words.size() != own + (is_mucpd ? 0 : 2)) die(usage);
  const int port = std::atoi(words[0].c_str());
  const auto tasks = static_cast<std::size_t>(std::atol(words[3].c_str()));
  const Dialect dialect = is_mucpd ? mucpd() : builders(words[own], words[own + 1]);
  if (in_turn) {
    run_one(port, dialect, tasks);
  } else {
    run_burst(port, dialect, tasks, static_cast<std::size_t>(std::atol(words[4].c_str())));
  }
  return 0;
}
