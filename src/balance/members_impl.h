#pragma once
// The inside of Members, for the three files that share it: members.cc has members, from their welcome to
// their end, members_meet.cc strangers, from their connection to their welcome, and members_tree.cc those who
// are below members, and what all of them come to.
//
// Threads: the loop's, where nothing else is said.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "balance/members.h"
#include "balance/proof.h"
#include "balance/session.h"
#include "base/sparing.h"
#include "net/frame_port.h"

namespace canopy::balance {

struct Members::Impl final : exec::Turn {
  Impl(MembersOptions the_options, std::vector<exec::Core*> the_cores, ReadCode read, const Clock& the_clock);

  void take() override { beat(); }
  void expire() override { beat(); }
  void begin();
  void beat();
  void attend(Session& session, bool ping, Time now);
  void greet(std::unique_ptr<net::FrameLink> link, const std::string& address);
  void make_room_for_strangers();
  void heard(Session& session, const wire::Frame& frame);
  void meet(Session& session, const wire::Frame& frame);
  void welcome(Session& session, const wire::Frame& frame);
  void accept(Session& session, wire::Join join, const Nonces& nonces);
  void complain(const std::string& what);
  void refuse(Session& session, const std::string& why, bool for_good);
  void take_line(Session& session, const wire::Frame& frame);
  void supply(Session& session, const wire::Frame& frame);
  void take_tree(Session& session, const wire::Frame& frame);
  // Any thread.
  void tell_offer(worker::WorkerNumber worker, const wire::Offer& offer);
  void take_offers();
  wire::Offer sum_of_offers() const;
  void send_piece(worker::WorkerNumber worker, std::uint64_t number, const Result<std::string>& piece);
  void broken(worker::WorkerNumber worker, const std::string& why);
  void cut(Session& session, const std::string& why);
  void end(Session& session, const std::string& why);
  void forget(Session& session);
  Session* find(worker::WorkerNumber worker);
  void share_room(std::size_t hops);
  void serve_soon(std::size_t core, std::size_t hops);
  void changed(const Node& node);
  void announce(const Node& node);
  void show();
  void wake() { loop.suspend(*this, clock.now(), never); }

  template <class Work>
  void on_each_core(const Work& work) {
    for (std::size_t i = 0; i < cores.size(); ++i) {
      cores[i]->post([crew = crews[i].get(), work] { work(*crew); });
    }
  }

  const MembersOptions options;
  const std::vector<exec::Core*> cores;
  const ReadCode read_code;
  const Clock& clock;
  std::vector<std::unique_ptr<worker::Crew>> crews;
  std::atomic<std::size_t> turn = 0;           // Of the cores, whose calls that wait are served first.
  std::vector<std::atomic<bool>> serves_soon;  // Which of them have been told that there may be a place.

  // The loop's thread alone, down to the mutex.
  exec::Core loop;
  std::unique_ptr<net::FramePort> port;
  std::vector<std::unique_ptr<Session>> sessions;
  std::deque<std::pair<Time, Node>> gone;
  worker::WorkerNumber number = 0;
  Time ping_at{};
  Sparing complaints{1, std::chrono::seconds(1)};  // Of strangers: who floods the port floods no log.
  Sparing comings{100, std::chrono::minutes(1)};   // As for one that joins and leaves without end.
  std::string body;

  wire::Offer offered;  // As was told last.

  mutable std::mutex mutex;
  std::vector<Node> shown;  // This and what follows: guarded by mutex.
  Listener listener;
  policy::DispatchRules rules;
  std::map<worker::WorkerNumber, wire::Offer> news;  // Offers that the loop has not seen: the last of each.
  std::atomic<std::size_t> ready_count = 0;
  std::atomic<policy::Dispatch> mode;  // Of the rules; so that a call without exceptions takes no lock.
  std::atomic<bool> has_exceptions;

  std::jthread thread;
};

}  // namespace canopy::balance
