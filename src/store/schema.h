#pragma once
// Brings catalog.db to the format of today, or says why not. Nothing is changed before the file was found
// sound, and then only in one transaction.
//
// PRAGMA user_version: 1 in format 0, 2 in format 1, 3 in format 2.

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/units.h"
#include "store/disk.h"
#include "store/sqlite.h"

namespace canopy::store {

// Up to this size every page is looked at when the file is opened.
inline constexpr std::uint64_t full_check_bytes_max = 64 * MiB;

// Opens `catalog.db` of `folder`, makes it if it is not there, migrates it from format 0 or 1 (with a copy
// beside, catalog.db.before-format-2). `format` is what the folder says of itself, `in_use` whether it was
// ever used. Its write-ahead log is not moved into the file on closing before set_checkpoint_on_close() says
// so: whoever finds damage later can still leave the file as it was.
//   refused      damaged, not ours, newer, or gone although `in_use`: the file is as it was
//   unavailable  missing rights, read-only, full disk
Result<Database> open_database(const Folder& folder, std::optional<int> format, bool in_use);

// The tables of format 0, for migration and its tests.
const char* format_0_tables();

}  // namespace canopy::store
