#pragma once
// What the calls of all container functions have in common: a deadline, a place in line, a container that
// they hold and give back.
//
// Threads: one core's.

#include <memory>
#include <optional>

#include "container/pool.h"
#include "exec/core.h"
#include "exec/runtime.h"
#include "net/event.h"

namespace canopy::container {

class Waiting : public exec::Instance, public exec::Turn {
 public:
  Waiting(std::shared_ptr<Pool> pool, exec::Core& core) : pool_(std::move(pool)), core_(core) {}
  ~Waiting() override;
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  void cancel() override { stop({Code::canceled, "the call was cancelled", stage()}); }
  void take() override {}
  void expire() override { stop({Code::deadline, late_text(), stage()}); }

 protected:
  // Has a container afterwards, or is stopped.
  net::Task<void> get_place();
  void give_place(Descriptor connection, After after);
  // A new connection into the container; none where nobody listens, or it is stopped. A server that has more
  // of them than it takes is asked again, since it works.
  net::Task<Descriptor> connect();
  // Before it tries again what it has tried again `retries` times: longer each time, and not once it is
  // stopped.
  net::Task<void> pause(int retries);
  // Until it is known how the container ended, or it is clear that it has not.
  net::Task<std::optional<End>> await_end();

  void stop(Error error);
  Stage stage() const { return begun_at_ != Time{} ? Stage::run : Stage::start; }
  std::string late_text() const;
  bool has_place() const { return member_ != nullptr; }
  // Notes that it runs from now on.
  void begin();
  void measure();

  const std::shared_ptr<Pool> pool_;
  exec::Core& core_;
  Call* call_ = nullptr;
  std::shared_ptr<Member> member_;
  Descriptor connection_;  // That came with the place.
  Time begun_at_{};
  std::optional<Error> stopped_;
  Reply reply_;
  net::Event event_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

 private:
  void note_start(Time since);

  std::shared_ptr<Ticket> ticket_;
  std::shared_ptr<Ear> ear_;
  Duration cpu_before_{};
};

}  // namespace canopy::container
