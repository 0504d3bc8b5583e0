// What finding out who asks costs: the whole of what authentication adds to a request on the warm path.
//
//   auth_cost   prints one line of JSON: nanoseconds for a key that is known, with none needed, and for one
//               that is seen for the first time

#include <algorithm>
#include <cstdio>
#include <vector>

#include "api/auth.h"
#include "api/people.h"
#include "base/clock.h"
#include "store/catalog.h"

namespace canopy::api {
namespace {

constexpr int rounds = 21;
constexpr int calls_per_round = 20'000;

net::HttpRequest make_request(const std::string& header) {
  net::HttpRequest request;
  request.method = "POST";
  request.path = "/function/demo/echo";
  request.headers = {{"Host", "127.0.0.1:8080"}, {"User-Agent", "bench"}, {"Accept", "*/*"}};
  if (!header.empty()) request.headers.push_back({"Authorization", header});
  return request;
}

// The median of rounds, in nanoseconds for one.
template <class Work>
double time_of(int count, const Work& work) {
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const Time began = system_clock().now();
    for (int i = 0; i < count; ++i) work(i);
    const Duration took = system_clock().now() - began;
    times.push_back(static_cast<double>(took.count()) / count);
  }
  std::ranges::sort(times);
  return times[rounds / 2];
}

bool ask(Doorman& doorman, const net::HttpRequest& request) {
  const auto who = doorman.identify(request);
  const policy::Need need = need_of(wire::Target::call, request.method);
  return who && policy::judge((*who)->subject, need, "bob") == policy::Verdict::allowed;
}

int run() {
  const auto catalog = store::make_memory_catalog(system_clock());
  Doorman open(catalog->users(), {.mode = policy::Mode::off}, system_clock());
  const std::string key = add_person(*catalog, "bob", Role::developer);
  for (int i = 0; i < 100; ++i) add_person(*catalog, "user" + std::to_string(i), Role::developer);
  Doorman closed(catalog->users(), {.mode = policy::Mode::on}, system_clock());
  const std::string header = "Bearer " + key;
  const net::HttpRequest with_key = make_request(header);
  const net::HttpRequest without = make_request("");

  int wrong = 0;
  const double needs_none = time_of(calls_per_round, [&](int) { wrong += ask(open, without) ? 0 : 1; });
  const double known = time_of(calls_per_round, [&](int) { wrong += ask(closed, with_key) ? 0 : 1; });
  const double first = time_of(20, [&](int) {
    Doorman fresh(catalog->users(), {.mode = policy::Mode::on}, system_clock());
    wrong += ask(fresh, with_key) ? 0 : 1;
  });
  std::printf(R"({"known_ns":%.0f,"none_needed_ns":%.0f,"first_ns":%.0f})"
              "\n",
              known, needs_none, first);
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace canopy::api

int main() { return canopy::api::run(); }
