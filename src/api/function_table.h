#pragma once
// The functions that one core has been called for: what the catalog says of them, their templates, their
// counters. Finding one costs a hash of its name; the catalog is looked at only when it has changed.
//
// Threads: its core's.
// Life:    a Version stays while a call of it runs: begin_call() and end_call() around each.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/counters.h"
#include "api/owners.h"
#include "api/places.h"
#include "exec/runtime.h"
#include "model/function.h"
#include "policy/evict.h"
#include "store/catalog.h"

namespace canopy::api {

struct Entry;

// One version of a function on one core.
struct Version {
  Entry& entry;
  std::shared_ptr<const Function> deployed;
  std::shared_ptr<const Function> function;  // The same with its secrets.
  std::shared_ptr<const Owner> owner;        // Null where its namespace is nobody's.
  std::optional<Error> refusal{};            // Why no call of it begins here, if none does.
  std::shared_ptr<exec::Template> ready{};   // Null until it was made.
  bool loaded = false;                       // Its module may be in this core's memory.
  std::uint32_t call_count = 0;              // Calls that run here.
};

// A function of one name on one core.
struct Entry {
  FunctionName name;
  std::shared_ptr<Places> places;
  std::unique_ptr<Version> current{};           // Null once the function is removed.
  std::vector<std::unique_ptr<Version>> old{};  // Earlier ones whose calls still run.
  std::uint32_t call_count = 0;                 // Of all versions.
  Time used{};
  CallCounters counters{};
};

class FunctionTable {
 public:
  FunctionTable(exec::Core& core, const store::Catalog& catalog, PlacesByName& places, Owners& owners)
      : core_(core), catalog_(catalog), places_(places), owners_(owners) {}
  ~FunctionTable();
  FunctionTable(const FunctionTable&) = delete;
  FunctionTable& operator=(const FunctionTable&) = delete;

  // The current version of that function; null where there is none. Valid until the next find().
  Version* find(const FunctionName& name);

  void begin_call(Version& version, Time now) {
    ++version.call_count;
    ++version.entry.call_count;
    version.entry.used = now;
  }
  // `version` may be gone after this.
  void end_call(Version& version);

  // Unloads what was not used for longest, until the modules on this core fit in `room`.
  void unload_beyond(const policy::Room& room);
  std::uint64_t resident_bytes() const;
  std::uint64_t unload_count() const { return unload_count_; }

  // All functions this core has counters of.
  void for_each(const std::function<void(const Entry& entry)>& visit) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct NameHash {
    std::size_t operator()(const FunctionName& name) const noexcept {
      const std::hash<std::string_view> hash;
      return hash(name.space) * 31 + hash(name.name);
    }
  };

  void refresh();
  std::unique_ptr<Version> make(Entry& entry, const std::shared_ptr<const Function>& deployed);
  void renew(Entry& entry);
  Version* add(const FunctionName& name);
  static void unload(Version& version, exec::Core& core);
  void retire(Entry& entry);

  exec::Core& core_;
  const store::Catalog& catalog_;
  PlacesByName& places_;
  Owners& owners_;
  std::uint64_t seen_version_ = 0;
  std::uint64_t seen_owners_ = 0;
  std::shared_ptr<const store::Snapshot> snapshot_;
  std::unordered_map<FunctionName, std::unique_ptr<Entry>, NameHash> entries_;
  std::uint64_t unload_count_ = 0;
  std::vector<std::unique_ptr<Entry>> removed_;  // Whose calls still run.
};

}  // namespace canopy::api
