#pragma once
// For tests: the disk below SQLite, which can be told to fail, and can lose its power.
//
// Files are the system's own, so what a process sees is what it wrote. Beside them it keeps what a disk would
// have of each: what was written and then synced, and nothing else. As on Linux, a sync that fails takes what
// was written for written: a later one that succeeds says nothing about it.
//
//   kill()       what the next process finds in a folder after kill -9: everything, synced or not
//   cut_power()  what the next boot finds: what was synced, and any part of the rest
//
// Threads: all methods from any; one of it at a time in a process.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <sqlite3.h>

namespace canopy::store {

class FaultyDisk {
 public:
  FaultyDisk() : base_(sqlite3_vfs_find(nullptr)), vfs_(*base_) {
    vfs_.zName = "faulty";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + base_->szOsFile;
    vfs_.pAppData = this;
    vfs_.xOpen = open;
    vfs_.xDelete = erase;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~FaultyDisk() {
    sqlite3_vfs_register(base_, 1);
    sqlite3_vfs_unregister(&vfs_);
  }
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  std::atomic<int> sync_result = SQLITE_OK;
  std::atomic<int> write_result = SQLITE_OK;
  std::atomic<bool> lies = false;  // Syncs say that they succeeded, and nothing is written.

  // `to`, which is empty, becomes what `from` is to the next process.
  void kill(const std::filesystem::path& from, const std::filesystem::path& to) {
    const std::lock_guard lock(mutex_);
    std::map<std::string, Platter> known;
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
      if (!entry.is_regular_file() || entry.path().string().ends_with("-shm")) continue;
      const std::filesystem::path copy = to / entry.path().filename();
      std::filesystem::copy_file(entry.path(), copy);
      if (const auto at = files_.find(entry.path().string()); at != files_.end())
        known[copy.string()] = at->second;
    }
    files_.merge(known);
  }

  // The same with what is left when the power is cut. What was written and not synced since may be there or
  // not, in parts and in any order, as `chance` has it.
  void cut_power(const std::filesystem::path& from, const std::filesystem::path& to, std::mt19937& chance) {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
      const auto at = files_.find(entry.path().string());
      if (at != files_.end() || !entry.is_regular_file() || entry.path().string().ends_with("-shm")) continue;
      std::filesystem::copy_file(entry.path(), to / entry.path().filename());
    }
    for (const auto& [name, file] : files_) {
      const std::filesystem::path path(name);
      if (path.parent_path() != from || !file.exists) continue;
      std::string bytes = file.bytes;
      for (const Change& change : file.pending) apply_some(change, bytes, chance);
      std::ofstream(to / path.filename(), std::ios::binary) << bytes;
    }
  }

 private:
  // A write, or where `bytes` is empty a truncation.
  struct Change {
    std::size_t at = 0;
    std::string bytes;
  };
  struct Platter {
    bool exists = false;
    std::string bytes;
    std::vector<Change> pending;
  };
  struct File {
    sqlite3_file file;
    sqlite3_io_methods methods;
    FaultyDisk* disk;
    const char* name;  // SQLite keeps it; null for a file that is temporary.
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
    Platter& platter() { return disk->files_[name]; }
  };
  static constexpr std::size_t sector_bytes = 512;

  static File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

  static void apply(const Change& change, std::string& bytes) {
    if (change.bytes.empty()) return bytes.resize(change.at);
    if (bytes.size() < change.at + change.bytes.size()) bytes.resize(change.at + change.bytes.size());
    bytes.replace(change.at, change.bytes.size(), change.bytes);
  }
  static void apply_some(const Change& change, std::string& bytes, std::mt19937& chance) {
    const auto kind = chance() % 4;
    if (kind == 0) return;
    if (kind != 1 || change.bytes.empty()) return apply(change, bytes);
    Change torn = change;
    const std::size_t sectors = chance() % (torn.bytes.size() / sector_bytes + 1);
    const std::size_t end = (torn.at / sector_bytes + sectors) * sector_bytes;
    torn.bytes.resize(end > torn.at ? std::min(end - torn.at, torn.bytes.size()) : 0);
    if (!torn.bytes.empty()) apply(torn, bytes);
  }

  static int open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
    auto* const disk = static_cast<FaultyDisk*>(vfs->pAppData);
    File* const own = of(file);
    own->disk = disk;
    own->name = name;
    own->file.pMethods = nullptr;
    if (name != nullptr) disk->meet(name);
    const int opened = disk->base_->xOpen(disk->base_, name, own->real(), flags, out_flags);
    if (opened != SQLITE_OK) return opened;
    own->methods = make_methods();
    own->file.pMethods = &own->methods;
    return SQLITE_OK;
  }

  // What was there before anybody looked was synced.
  void meet(const char* name) {
    const std::lock_guard lock(mutex_);
    if (files_.contains(name)) return;
    Platter& platter = files_[name];
    std::ifstream present(name, std::ios::binary);
    platter.exists = present.is_open();
    platter.bytes.assign(std::istreambuf_iterator<char>(present), {});
  }

  static int erase(sqlite3_vfs* vfs, const char* name, int sync) {
    auto* const disk = static_cast<FaultyDisk*>(vfs->pAppData);
    {
      const std::lock_guard lock(disk->mutex_);
      disk->files_.erase(name);
    }
    return disk->base_->xDelete(disk->base_, name, sync);
  }

  static int write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
    FaultyDisk& disk = *of(f)->disk;
    if (const int wanted = disk.write_result; wanted != SQLITE_OK) return wanted;
    const int done = of(f)->real()->pMethods->xWrite(of(f)->real(), from, size, at);
    if (done != SQLITE_OK || of(f)->name == nullptr) return done;
    const std::lock_guard lock(disk.mutex_);
    of(f)->platter().pending.push_back(
        {static_cast<std::size_t>(at), {static_cast<const char*>(from), static_cast<std::size_t>(size)}});
    return done;
  }

  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    const int done = of(f)->real()->pMethods->xTruncate(of(f)->real(), size);
    if (done != SQLITE_OK || of(f)->name == nullptr) return done;
    const std::lock_guard lock(of(f)->disk->mutex_);
    of(f)->platter().pending.push_back({static_cast<std::size_t>(size), {}});
    return done;
  }

  static int sync(sqlite3_file* f, int how) {
    FaultyDisk& disk = *of(f)->disk;
    const int wanted = disk.sync_result;
    if (of(f)->name != nullptr && !disk.lies) {
      const std::lock_guard lock(disk.mutex_);
      Platter& platter = of(f)->platter();
      platter.exists = true;
      for (const Change& change : platter.pending) {
        if (wanted == SQLITE_OK || change.bytes.empty()) apply(change, platter.bytes);
      }
      platter.pending.clear();
    }
    return wanted != SQLITE_OK ? wanted : of(f)->real()->pMethods->xSync(of(f)->real(), how);
  }

  static sqlite3_io_methods make_methods() {
    sqlite3_io_methods methods{};
    methods.iVersion = 2;
    methods.xWrite = write;
    methods.xTruncate = truncate;
    methods.xSync = sync;
    methods.xClose = [](sqlite3_file* f) { return of(f)->real()->pMethods->xClose(of(f)->real()); };
    methods.xRead = [](sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
      return of(f)->real()->pMethods->xRead(of(f)->real(), to, size, at);
    };
    methods.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return of(f)->real()->pMethods->xFileSize(of(f)->real(), size);
    };
    methods.xLock = [](sqlite3_file* f, int how) {
      return of(f)->real()->pMethods->xLock(of(f)->real(), how);
    };
    methods.xUnlock = [](sqlite3_file* f, int how) {
      return of(f)->real()->pMethods->xUnlock(of(f)->real(), how);
    };
    methods.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return of(f)->real()->pMethods->xCheckReservedLock(of(f)->real(), out);
    };
    methods.xFileControl = [](sqlite3_file* f, int what, void* with) {
      return of(f)->real()->pMethods->xFileControl(of(f)->real(), what, with);
    };
    methods.xSectorSize = [](sqlite3_file* f) { return of(f)->real()->pMethods->xSectorSize(of(f)->real()); };
    methods.xDeviceCharacteristics = [](sqlite3_file* f) {
      return of(f)->real()->pMethods->xDeviceCharacteristics(of(f)->real());
    };
    methods.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return of(f)->real()->pMethods->xShmMap(of(f)->real(), page, size, extend, out);
    };
    methods.xShmLock = [](sqlite3_file* f, int at, int count, int how) {
      return of(f)->real()->pMethods->xShmLock(of(f)->real(), at, count, how);
    };
    methods.xShmBarrier = [](sqlite3_file* f) { of(f)->real()->pMethods->xShmBarrier(of(f)->real()); };
    methods.xShmUnmap = [](sqlite3_file* f, int remove) {
      return of(f)->real()->pMethods->xShmUnmap(of(f)->real(), remove);
    };
    return methods;
  }

  sqlite3_vfs* const base_;
  sqlite3_vfs vfs_;
  std::mutex mutex_;
  std::map<std::string, Platter> files_;  // By path; guarded by mutex_.
};

}  // namespace canopy::store
