#include "api/function_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/evict.h"

namespace canopy::api {

FunctionTable::~FunctionTable() {
  CANOPY_CHECK(removed_.empty());
  for (const auto& [name, entry] : entries_) CANOPY_CHECK(entry->call_count == 0);
}

Version* FunctionTable::find(const FunctionName& name) {
  if (catalog_.version() != seen_version_ || owners_.version() != seen_owners_) refresh();
  const auto at = entries_.find(name);
  return at == entries_.end() ? add(name) : at->second->current.get();
}

Version* FunctionTable::add(const FunctionName& name) {
  const auto at = snapshot_->functions.find(name);
  if (at == snapshot_->functions.end()) return nullptr;
  auto entry = std::make_unique<Entry>(Entry{.name = name, .places = places_.get(*at->second)});
  entry->current = make(*entry, at->second);
  return entries_.emplace(name, std::move(entry)).first->second->current.get();
}

std::unique_ptr<Version> FunctionTable::make(Entry& entry, const std::shared_ptr<const Function>& deployed) {
  auto called = owners_.as_called(deployed);
  std::unique_ptr<Version> made(new Version{.entry = entry,
                                            .deployed = deployed,
                                            .function = called.value_or(deployed),
                                            .owner = owners_.of(deployed->name.space)});
  if (!called) made->refusal = std::move(called).error();
  return made;
}

// Its owner or its secrets may be others now. Calls that run keep those they began with.
void FunctionTable::renew(Entry& entry) {
  Version& before = *entry.current;
  auto after = make(entry, before.deployed);
  if (after->owner == before.owner && after->function->env == before.function->env &&
      after->refusal.has_value() == before.refusal.has_value()) {
    return;
  }
  if (after->function->env == before.function->env) {
    after->ready = before.ready;
    after->loaded = std::exchange(before.loaded, false);  // The module stays; the new one answers for it.
  } else {
    unload(before, core_);  // Containers have their variables from their start: it is made ready anew.
  }
  if (before.call_count > 0) entry.old.push_back(std::move(entry.current));
  entry.current = std::move(after);
}

void FunctionTable::refresh() {
  // Before the snapshots: a change in between is seen next time.
  seen_version_ = catalog_.version();
  const std::uint64_t owners_version = owners_.version();
  const bool owners_changed = std::exchange(seen_owners_, owners_version) != owners_version;
  snapshot_ = catalog_.snapshot();
  for (auto at = entries_.begin(); at != entries_.end();) {
    Entry& entry = *at->second;
    const auto now = snapshot_->functions.find(entry.name);
    const bool removed = now == snapshot_->functions.end();
    if (!removed && now->second == entry.current->deployed) {
      if (owners_changed) renew(entry);
      ++at;
      continue;
    }
    retire(entry);
    if (removed) {
      if (entry.call_count > 0) removed_.push_back(std::move(at->second));
      at = entries_.erase(at);
      continue;
    }
    entry.current = make(entry, now->second);
    entry.places = places_.get(*now->second);
    ++at;
  }
}

// The current version is no longer it.
void FunctionTable::retire(Entry& entry) {
  unload(*entry.current, core_);
  if (entry.current->call_count > 0) {
    entry.old.push_back(std::move(entry.current));
  } else {
    entry.current.reset();
  }
}

void FunctionTable::end_call(Version& version) {
  Entry& entry = version.entry;
  --version.call_count;
  --entry.call_count;
  if (version.call_count == 0 && &version != entry.current.get()) {
    unload(version, core_);
    std::erase_if(entry.old, [&version](const auto& old) { return old.get() == &version; });
  }
  if (entry.call_count == 0 && !entry.current) {
    std::erase_if(removed_, [&entry](const auto& gone) { return gone.get() == &entry; });
  }
}

void FunctionTable::unload(Version& version, exec::Core& core) {
  if (!version.loaded) return;
  version.ready->unload(core);
  version.loaded = version.ready->resident_bytes(core) > 0;
}

void FunctionTable::unload_beyond(const policy::Room& room) {
  std::vector<Version*> versions;
  std::vector<policy::Resident> residents;
  for (const auto& [name, entry] : entries_) {
    Version& version = *entry->current;
    if (!version.loaded) continue;
    versions.push_back(&version);
    residents.push_back(
        {.bytes = version.ready->resident_bytes(core_), .used = entry->used, .busy = version.call_count > 0});
  }
  const auto chosen = policy::choose_unloads(residents, room);
  for (const std::size_t index : chosen) unload(*versions[index], core_);
  unload_count_ += chosen.size();
}

std::uint64_t FunctionTable::resident_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, entry] : entries_) {
    if (entry->current->loaded) bytes += entry->current->ready->resident_bytes(core_);
  }
  return bytes;
}

void FunctionTable::for_each(const std::function<void(const Entry& entry)>& visit) const {
  for (const auto& [name, entry] : entries_) visit(*entry);
}

}  // namespace canopy::api
