#include "net/name_lookup.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace canopy::net {
namespace {

using Addresses = std::vector<boost::asio::ip::address>;

struct Lookup {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<Addresses> addresses;  // Guarded by mutex.
};

std::atomic<std::size_t>& under_way() {
  static std::atomic<std::size_t> count = 0;
  return count;
}

// Gives its place back when its thread ends, or was never started.
class Place {
 public:
  Place() : is_taken_(under_way().fetch_add(1) < name_lookups_max) {}
  ~Place() { --under_way(); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  bool is_taken() const { return is_taken_; }

 private:
  const bool is_taken_;
};

tl::unexpected<Error> too_many(const std::string& host) {
  return fail(Code::unavailable, "cannot look up the host \"" + host +
                                     "\": too many names are looked up at once; try again shortly");
}

}  // namespace

Addresses ask_system(const std::string& host) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::resolver resolver(io);
  boost::system::error_code error;
  Addresses addresses;
  for (const auto& found : resolver.resolve(host, "", error)) {
    addresses.push_back(found.endpoint().address());
  }
  return addresses;
}

Result<Addresses> look_up(const std::string& host, Time deadline, const AskAddresses& ask) {
  const auto place = std::make_shared<Place>();
  if (!place->is_taken()) return too_many(host);
  const auto lookup = std::make_shared<Lookup>();
  const auto run = [place, lookup, host, ask]() noexcept {
    Addresses addresses = ask(host);
    const std::lock_guard lock(lookup->mutex);
    lookup->addresses = std::move(addresses);
    lookup->answered.notify_one();
  };
  try {
    std::thread(run).detach();  // Nothing ends what the system does, so nobody can wait for it.
  } catch (const std::system_error&) {
    return too_many(host);
  }
  std::unique_lock lock(lookup->mutex);
  const auto has_answer = [&lookup] { return lookup->addresses.has_value(); };
  if (lookup->answered.wait_until(lock, deadline, has_answer)) return *std::move(lookup->addresses);
  return fail(Code::deadline,
              "the host \"" + host + "\" was not looked up in time; is the machine's name server right?");
}

}  // namespace canopy::net
