#pragma once
// Which functions there are: names, versions, limits; and their code, by digest.
//
// Layout of a data folder, format 2:
//   format          the number of the format, as text
//   lock            held (flock) by the process that has the folder open
//   catalog.db      SQLite, WAL, synchronous=FULL: functions and versions; users.h's tables
//   secret.key      what secrets are sealed with, made with the first of them
//   code/ab/<sha256>      what was uploaded (modules and function files), read-only
//   calls.db, calls.marks, calls/   the durable calls: call_log.h
//   compiled/<engine>/…   made from the code; may be deleted at any time
//
// put(), rollback() and remove() return when the change is on disk: a kill -9 after that loses nothing, and
// one before leaves nothing half-visible. Code is written and synced before the row that names it.
//
// Threads: all methods may be called from any thread. The changing ones block on the disk: not for an I/O
//          thread. snapshot() and version() do not block and do not touch the disk.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "model/function.h"
#include "store/users.h"

namespace canopy::store {

// All functions as they are called now, at one moment. Immutable.
struct Snapshot {
  std::map<FunctionName, std::shared_ptr<const Function>> functions;
};

// Who makes a change of functions, and who has a say in it. The change and its line in the audit log are one
// transaction.
struct Change {
  Actor actor = {};
  // Asked with the version that would be the current one, before put() or rollback() makes it so; what it
  // refuses does not happen, for that reason. No other change comes in between. Quick: it may look at
  // snapshots and at nothing that blocks. Empty: all is allowed.
  std::function<Result<void>(const Function& next)> allow = {};
};

struct PutResult {
  std::shared_ptr<const Function> function;
  bool created = false;    // The name is new; else a new version of it,
  bool unchanged = false;  // or exactly what was current already.
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  // Grows by one with each change: compare it to know whether a kept snapshot is stale.
  virtual std::uint64_t version() const = 0;
  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;

  // Takes in what others that share it have changed up to now, which the snapshots show sooner or later in
  // any case. Nothing to do where nobody shares it. Blocks.
  //   unavailable  they cannot be asked now
  virtual Result<void> catch_up() { return {}; }

  // Stores `code` under its digest; a second time is free. Returns the digest.
  //   unavailable  the disk is full or read-only; nothing is left behind
  virtual Result<std::string> put_code(std::string_view code) = 0;
  // Where the code of that digest lies. Not found: the digest was never stored.
  virtual Result<std::filesystem::path> code_path(std::string_view digest) const = 0;

  // Makes `function` (version and created are set here) the current version of its name. Putting exactly
  // what is current already changes nothing and returns it. Where the function has more than versions_max
  // now, the oldest are forgotten, but never the one that was current until now.
  //   not_found    its digest, or a file's, was never stored
  //   unavailable  the disk is full or read-only
  //   and what `change` refuses with
  virtual Result<PutResult> put(Function function, const Change& change = {}) = 0;

  // Newest first, the current one marked by being equal to snapshot()'s. Blocks.
  //   not_found
  virtual Result<std::vector<Function>> versions(const FunctionName& name) const = 0;

  // Makes an earlier version current again: the one given, or the one before the current (0).
  //   not_found  no such function or version
  //   conflict   there is no earlier version
  //   and what `change` refuses with
  virtual Result<std::shared_ptr<const Function>> rollback(const FunctionName& name, std::uint32_t to,
                                                           const Change& change = {}) = 0;

  //   not_found
  virtual Result<void> remove(const FunctionName& name, const Change& change = {}) = 0;

  // Who may use them.
  virtual Users& users() = 0;

  // Deletes code that no version names, if it is older than an hour. Returns bytes freed. Blocks.
  virtual Result<std::uint64_t> sweep() = 0;
};

struct CatalogOptions {
  std::filesystem::path secret_key_file = {};  // "": secret.key in the folder.
  std::uint32_t versions_max = 20;             // Of each function; at least 2.
};

// Opens, creates or migrates the catalog of `folder`, made if missing.
//   conflict     another process has it open; the message names its process id
//   refused      a newer format, a damaged file (named, kept as it is, and not started empty), or secrets
//                without their key
//   unavailable  missing rights, read-only, full disk
Result<std::unique_ptr<Catalog>> open_catalog(const std::filesystem::path& folder, const Clock& clock,
                                              const CatalogOptions& options = {});

// The same promises but for the disk; for tests.
std::unique_ptr<Catalog> make_memory_catalog(const Clock& clock, const CatalogOptions& options = {});

}  // namespace canopy::store
