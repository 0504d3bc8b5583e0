#include "foreign/engine.h"

#include <thread>
#include <utility>

#include "exec/core.h"
#include "foreign/dial.h"
#include "foreign/outcome.h"
#include "foreign/remote_instance.h"
#include "foreign/remote_workers.h"
#include "net/blocking_pool.h"

namespace canopy::foreign {
namespace {

constexpr std::size_t core_index = 1'000'001;  // None of those that calls run on.
constexpr std::size_t dialling_threads = 2;
constexpr std::size_t dialling_max = 1000;
constexpr Duration start_timeout = std::chrono::seconds(90);  // A worker has its own, which is shorter.

class DiallingEngine final : public WorkersEngine {
 public:
  DiallingEngine(std::vector<std::string> addresses, const Clock& clock)
      : core_(core_index, clock), dialling_(dialling_threads, dialling_max) {
    core_.post([this, addresses = std::move(addresses)] {
      workers_ = std::make_unique<RemoteWorkers>(core_, addresses, make_dial(core_, dialling_));
    });
    thread_ = std::jthread([this] { core_.run(); });
  }
  ~DiallingEngine() override {
    core_.post([this] {
      workers_.reset();
      core_.stop();
    });
    thread_.join();
  }
  DiallingEngine(const DiallingEngine&) = delete;
  DiallingEngine& operator=(const DiallingEngine&) = delete;

  std::string_view name() const override { return "the workers of HyperFaaS"; }
  Result<void> check() override { return {}; }
  Result<void> add_image(const std::string& /*name*/, const std::filesystem::path& /*root*/) override {
    return {};
  }
  void drop_image(const std::string& /*name*/) override {}
  Result<std::size_t> remove_orphans() override { return 0; }

  void give_up_starts() override {
    core_.post([this] {
      is_over_ = true;
      for (const auto& weak : starting_) {
        if (const auto outcome = weak.lock()) give_up(*outcome);
      }
    });
  }

  Result<std::unique_ptr<container::Started>> start(const container::Plan& plan) override {
    const auto outcome = std::make_shared<Outcome>();
    const auto life = std::make_shared<RemoteLife>();
    core_.post([this, outcome, life, function = plan.image] {
      if (is_over_) return give_up(*outcome);
      std::erase_if(starting_, [](const auto& one) { return one.expired(); });
      starting_.push_back(outcome);
      const auto on_end = [life](Ending ending) { life->end(ending); };
      workers_->start(function, on_end, [outcome, life](const Result<RemoteWorkers::Place>& place) {
        if (place) life->set_way(place->worker->copy_connection());
        if (!outcome->set(place) && place) place->worker->stop(place->instance, Duration::zero());
      });
    });
    CANOPY_TRY(const RemoteWorkers::Place place, outcome->wait(start_timeout));
    const auto stop = [this, place](Duration grace) {
      core_.post([this, place, grace] {
        if (workers_ != nullptr) place.worker->stop(place.instance, grace);
      });
    };
    return std::make_unique<RemoteInstance>(life, stop);
  }

 private:
  static void give_up(Outcome& outcome) {
    static_cast<void>(
        outcome.set(fail(Code::unavailable, "the server stops; ask another one", Stage::start)));
  }

  exec::Core core_;
  net::BlockingPool dialling_;
  // The core's thread's.
  std::vector<std::weak_ptr<Outcome>> starting_;
  bool is_over_ = false;
  std::unique_ptr<RemoteWorkers> workers_;  // The core's thread's.
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<WorkersEngine> make_engine(std::vector<std::string> addresses, const Clock& clock) {
  return std::make_unique<DiallingEngine>(std::move(addresses), clock);
}

}  // namespace canopy::foreign
