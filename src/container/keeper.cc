#include "container/keeper.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/hex.h"
#include "base/id.h"
#include "policy/share.h"

namespace canopy::container {
namespace {

bool is_same(const std::weak_ptr<Tenant>& a, const std::shared_ptr<Tenant>& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

// Different for each process that ever ran here.
std::string make_prefix() {
  std::array<unsigned char, 6> bytes{};
  fill_random(bytes.data(), bytes.size());
  std::string text;
  for (const unsigned char byte : bytes) append_hex(byte, text);
  return text;
}

}  // namespace

std::string Keeper::next_id() {
  static const std::string prefix = make_prefix();
  return prefix + "-" + std::to_string(++last_number_);
}

void Keeper::add(std::weak_ptr<Tenant> tenant) {
  std::erase_if(tenants_, [](const std::weak_ptr<Tenant>& one) { return one.expired(); });
  tenants_.push_back(std::move(tenant));
}

bool Keeper::may_take(const std::string& space, std::size_t free) const {
  const auto own = used_by_.find(space);
  return policy::may_have_more(own == used_by_.end() ? 0 : own->second, free);
}

// Whether one of that namespace less would let somebody who waits have one, now or when more of his own end.
bool Keeper::is_wanted(const std::string& space) const {
  return std::ranges::any_of(wanting_, [this, &space](const std::weak_ptr<Tenant>& one) {
    const auto waits = one.lock();
    return waits != nullptr && (waits->space() == space || may_take(waits->space(), free_room() + 1));
  });
}

bool Keeper::take_room(const std::shared_ptr<Tenant>& wanting, For what) {
  if (closed_) return false;
  if (may_take(wanting->space(), free_room())) {
    ++used_;
    ++used_by_[wanting->space()];
    return true;
  }
  const auto stands = [&wanting](const std::weak_ptr<Tenant>& one) { return is_same(one, wanting); };
  Tenants& line = what == For::calls ? wanting_ : wanting_later_;
  if (std::ranges::none_of(line, stands)) line.push_back(wanting);
  make_room();
  return false;
}

// Of all idle containers that whoever waits could have the place of, the one that has been so longest ends.
void Keeper::make_room() {
  std::erase_if(wanting_, [](const std::weak_ptr<Tenant>& one) { return one.expired(); });
  is_room_wanted_.store(!wanting_.empty(), std::memory_order_relaxed);
  if (stopping_count_ >= wanting_.size()) return;
  std::shared_ptr<Tenant> oldest;
  for (const auto& weak : tenants_) {
    const auto tenant = weak.lock();
    if (tenant == nullptr || tenant->idle_since() == never || !is_wanted(tenant->space())) continue;
    if (oldest == nullptr || tenant->idle_since() < oldest->idle_since()) oldest = tenant;
  }
  if (oldest == nullptr) return;
  ++stopping_count_;
  oldest->stop_idle();
}

// Whose turn it is may not want it any more: then it is the next one's. Who wants more stands last again.
void Keeper::offer_room(Tenants& line) {
  for (std::size_t count = line.size(); count > 0 && used_ < containers_max_ && !line.empty(); --count) {
    const auto next = line.front().lock();
    line.pop_front();
    if (next != nullptr) next->on_room();
  }
}

void Keeper::give_room(const std::string& space) {
  --used_;
  const auto own = used_by_.find(space);
  if (--own->second == 0) used_by_.erase(own);
  if (stopping_count_ > 0) --stopping_count_;
  offer_room(wanting_);
  offer_room(wanting_later_);
  is_room_wanted_.store(!wanting_.empty(), std::memory_order_relaxed);
}

void Keeper::start(Plan plan, OnStarted done) {
  auto work = [this, plan = std::move(plan), done] {
    auto started = engine_.start(plan);
    auto result = std::make_shared<Result<std::shared_ptr<Started>>>();
    if (started) {
      *result = std::shared_ptr<Started>(*std::move(started));
    } else {
      *result = tl::unexpected(std::move(started).error());
    }
    core_.post([result, done] { done(std::move(*result)); });
  };
  CANOPY_CHECK(post_blocking_(std::move(work)));
}

void Keeper::bury(std::shared_ptr<Started> started, std::function<void()> done) {
  auto work = [this, started, done] {
    started->remove();
    core_.post(done);
  };
  CANOPY_CHECK(post_blocking_(work));
}

void Keeper::close() {
  closed_ = true;
  for (const auto& weak : tenants_) {
    if (const auto tenant = weak.lock()) tenant->end();
  }
}

}  // namespace canopy::container
