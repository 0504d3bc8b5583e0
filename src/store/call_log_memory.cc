// The rows in memory: for tests, and where nothing need outlive the process.

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/id.h"
#include "store/call_log_shelf.h"

namespace canopy::store {
namespace {

struct Live {
  std::string head;
  std::string progress;
  std::string input;
};

struct Ended {
  std::string row;
  std::string output;
  std::string log;
  std::string input;
  bool is_dead = false;
};

struct Content {
  ShelfState state;
  std::map<std::uint64_t, Live> live;
  std::map<std::uint64_t, Ended> ended;
  std::map<std::string, std::string, std::less<>> keys;
  std::map<std::uint64_t, std::string> callbacks;
  std::set<std::pair<std::int64_t, std::uint64_t>> expiry;
};

class MemoryShelf final : public CallShelf {
 public:
  MemoryShelf() { fill_random(&content_.state.id_key, sizeof content_.state.id_key); }

  ShelfState state() const override {
    const std::lock_guard lock(mutex_);
    return content_.state;
  }
  // What changes is changed at once, and undone step by step: nothing fails here but what a test makes fail.
  Result<void> begin() override { return {}; }
  Result<void> commit(const ShelfState& state) override {
    const std::lock_guard lock(mutex_);
    content_.state = state;
    undo_.clear();
    return {};
  }
  void rollback() override {
    const std::lock_guard lock(mutex_);
    for (auto at = undo_.rbegin(); at != undo_.rend(); ++at) (*at)();
    undo_.clear();
  }

  Result<void> put_live(std::uint64_t number, std::string_view head, std::string_view input) override {
    const std::lock_guard lock(mutex_);
    set(content_.live, number, Live{.head = std::string(head), .progress = {}, .input = std::string(input)});
    return {};
  }
  Result<void> put_progress(std::uint64_t number, std::string_view progress) override {
    const std::lock_guard lock(mutex_);
    const auto at = content_.live.find(number);
    if (at == content_.live.end()) return {};
    Live changed = at->second;
    changed.progress = progress;
    set(content_.live, number, std::move(changed));
    return {};
  }
  Result<bool> erase_live(std::uint64_t number) override {
    const std::lock_guard lock(mutex_);
    return erase(content_.live, number);
  }
  Result<void> put_ended(const NewEnded& call) override {
    const std::lock_guard lock(mutex_);
    set(content_.ended, call.number,
        Ended{.row = std::string(call.row),
              .output = std::string(call.output),
              .log = std::string(call.log),
              .input = std::string(call.input),
              .is_dead = call.is_dead});
    const std::pair entry(call.expires_minute, call.number);
    content_.expiry.insert(entry);
    undo_.emplace_back([this, entry] { content_.expiry.erase(entry); });
    return {};
  }
  Result<void> erase_ended(std::uint64_t number, std::int64_t expires_minute) override {
    const std::lock_guard lock(mutex_);
    erase(content_.ended, number);
    const std::pair entry(expires_minute, number);
    content_.expiry.erase(entry);
    undo_.emplace_back([this, entry] { content_.expiry.insert(entry); });
    return {};
  }
  Result<void> put_key(std::string_view digest, std::string_view value) override {
    const std::lock_guard lock(mutex_);
    set(content_.keys, std::string(digest), std::string(value));
    return {};
  }
  Result<std::optional<std::string>> key(std::string_view digest) override {
    const std::lock_guard lock(mutex_);
    const auto at = content_.keys.find(digest);
    if (at == content_.keys.end()) return std::nullopt;
    return at->second;
  }
  Result<void> erase_key(std::string_view digest) override {
    const std::lock_guard lock(mutex_);
    erase(content_.keys, std::string(digest));
    return {};
  }
  Result<void> put_callback(std::uint64_t number, std::string_view row) override {
    const std::lock_guard lock(mutex_);
    set(content_.callbacks, number, std::string(row));
    return {};
  }
  Result<void> erase_callback(std::uint64_t number) override {
    const std::lock_guard lock(mutex_);
    erase(content_.callbacks, number);
    return {};
  }
  Result<std::optional<ShelvedCall>> read_own(std::uint64_t number, Part part) override {
    return read(number, part);
  }
  Result<std::vector<std::pair<std::int64_t, std::uint64_t>>> expired(std::int64_t minute,
                                                                      std::size_t count_max) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<std::int64_t, std::uint64_t>> numbers;
    for (const auto& entry : content_.expiry) {
      if (entry.first > minute || numbers.size() == count_max) break;
      numbers.push_back(entry);
    }
    return numbers;
  }

  Result<std::optional<ShelvedCall>> read(std::uint64_t number, Part part) override {
    const std::lock_guard lock(mutex_);
    if (const auto at = content_.live.find(number); at != content_.live.end()) {
      const Live& live = at->second;
      const bool with_body = part == Part::body || part == Part::input;
      return ShelvedCall{.has_ended = false,
                         .row = live.head,
                         .progress = live.progress,
                         .body = with_body ? live.input : std::string()};
    }
    const auto at = content_.ended.find(number);
    if (at == content_.ended.end()) return std::nullopt;
    const Ended& ended = at->second;
    ShelvedCall call{.has_ended = true, .row = ended.row, .progress = {}, .body = {}};
    if (part == Part::body) call.body = ended.output;
    if (part == Part::log) call.body = ended.log;
    if (part == Part::input) call.body = ended.input;
    return call;
  }
  Result<std::optional<std::string>> read_callback(std::uint64_t number) override {
    const std::lock_guard lock(mutex_);
    const auto at = content_.callbacks.find(number);
    if (at == content_.callbacks.end()) return std::nullopt;
    return at->second;
  }
  Result<std::vector<Numbered>> page(Which which, std::uint64_t below, std::size_t count_max) override {
    const std::lock_guard lock(mutex_);
    std::vector<Numbered> found;
    if (which == Which::all || which == Which::live) {
      for (const auto& [number, live] : content_.live) {
        if (number >= below) break;
        found.push_back(
            {number, {.has_ended = false, .row = live.head, .progress = live.progress, .body = {}}});
      }
    }
    if (which != Which::live) {
      for (const auto& [number, ended] : content_.ended) {
        if (number >= below) break;
        if (which == Which::dead && !ended.is_dead) continue;
        found.push_back({number, {.has_ended = true, .row = ended.row, .progress = {}, .body = {}}});
      }
    }
    std::ranges::sort(found, std::greater(), &Numbered::number);
    if (found.size() > count_max) found.resize(count_max);
    return found;
  }
  Result<void> each_live(const VisitLive& visit) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, live] : content_.live) visit(number, live.head, live.progress);
    return {};
  }
  Result<void> each_callback(
      const std::function<void(std::uint64_t number, std::string_view row)>& visit) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, row] : content_.callbacks) visit(number, row);
    return {};
  }
  Result<std::uint64_t> dead_count() override {
    const std::lock_guard lock(mutex_);
    return static_cast<std::uint64_t>(
        std::ranges::count_if(content_.ended, [](const auto& entry) { return entry.second.is_dead; }));
  }
  std::uint64_t wal_bytes() const override { return 0; }

  Result<void> put_file(const std::string& name, std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    files_[name] = bytes;
    return {};
  }
  Result<std::string> read_file(const std::string& name, std::uint64_t /*size*/) override {
    const std::lock_guard lock(mutex_);
    const auto at = files_.find(name);
    if (at == files_.end()) return fail(Code::internal, "the file " + name + " of a call is missing");
    return at->second;
  }
  void erase_file(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    files_.erase(name);
  }
  void sweep_files(const std::function<bool(const std::string& name)>& keep) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(files_, [&keep](const auto& entry) { return !keep(entry.first); });
  }

 private:
  template <class Map, class Key, class Value>
  void set(Map& map, const Key& key, Value value) {
    std::optional<typename Map::mapped_type> before;
    if (const auto at = map.find(key); at != map.end()) before = at->second;
    map[key] = std::move(value);
    undo_.emplace_back([&map, key, before] {
      if (before) {
        map[key] = *before;
      } else {
        map.erase(key);
      }
    });
  }
  template <class Map, class Key>
  bool erase(Map& map, const Key& key) {
    const auto at = map.find(key);
    if (at == map.end()) return false;
    undo_.emplace_back([&map, key, before = at->second] { map[key] = before; });
    map.erase(at);
    return true;
  }

  mutable std::mutex mutex_;
  Content content_;  // This and the rest: guarded by mutex_.
  std::map<std::string, std::string> files_;
  std::vector<std::function<void()>> undo_;
};

}  // namespace

std::unique_ptr<CallShelf> make_memory_shelf() { return std::make_unique<MemoryShelf>(); }

}  // namespace canopy::store
