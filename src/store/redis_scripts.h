#pragma once
// What Redis does in one step: the transitions of durable calls as Lua scripts. Each is atomic, and is in the
// append-only file whole or not at all; so however many servers share the store, and whenever one of them
// dies, a call is in one place.
//
// The keys, all under one prefix ("canopy:"):
//
//   state        hash: format, id (the key of the ids), last (the last number given out)
//   c:<number>   hash, a call
//                  t token   o owner   f function   s state   a attempt   q queued   k key's digest
//                  h head    i input   p progress          while it waits or runs
//                  g who runs it   v since when            while it runs
//                  e row     y output  l log               once it has ended; i where it may be redriven
//                  b callback   w who pays for it   x it is on its way
//                  z the nonce of the last end that was recorded
//   k:<digest>   hash, an idempotency key: n number, t token, r sealed request
//   turns        list of the owners that have something in line; turns:<owner>: of their functions;
//   line:<owner>/<function>  list of the numbers that wait for their turn
//   delayed, leases          sorted sets of numbers, by when they are due, or lost
//   live, ended, dead        sorted sets of numbers, for lists; expiry: by the minute when they are forgotten
//   cb:<payer>, payers       sorted sets: callbacks by when they are due, payers by their first
//   servers      sorted set of those that take calls, by when they were seen last
//   catalog, catalog:rows, catalog:log, code:<digest>, codes   redis_catalog.h
//   waiting, running, sent, count   hashes of how many there are
//
// States: w waits in line, d waits until it is due, r runs, e has ended, x is damaged and stays where it is.
// A number in a line whose call does not wait any more is passed over. Times are microseconds since the
// epoch.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace canopy::store {

enum class Script : std::uint8_t {
  init,       // id -> {format, id, last, seconds, microseconds}
  counts,     // -> {last, waiting, delayed, running, dead, callbacks, owners in line}
  append,     // limits, from; (token owner function quota head input digest request queued)... -> each
  lease,      // see redis_scripts.cc
  renew,      // from, number, attempt, until -> 1, or 0 where it is not under way
  release,    // from, number, token, attempt, due -> 1 or 0
  bury,       // from, number, attempt -> 1 or 0
  end,        // from; (number token attempt nonce guard kind row time output log callback payer due)...
  cancel,     // from, number, token, running, attempt, row, expires, callback, payer, due
  redrive,    // limits, from, number, token, quota, head, progress
  sweep,      // from, now, woken at most, lost at most -> {woken, next due, next lost, oldest, lost...}
  callbacks,  // now, until, count, sent at most -> {number token row output callback}...
  callback,   // number, token, row, due or "" -> 1 or 0
  purge,      // minute, count -> how many
  forget,     // number, token -> 1, 0: not ended, -1: not there
  leave,      // from: it takes no calls any more
  page,       // which, below or "", count -> {number token state attempt since head progress row callback}...
  // Those of the catalog: redis_scripts_catalog.cc says what they take and give.
  catalog_read,
  catalog_commit,
  catalog_fold,
  code_drop,
};
inline constexpr std::size_t script_count = static_cast<std::size_t>(Script::code_drop) + 1;

// Its text, with what all of them share in front.
std::string script_text(Script script);

}  // namespace canopy::store
