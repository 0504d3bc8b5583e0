// Which calls run next: one script, since it is the longest.

#include "store/redis_script_texts.h"

namespace canopy::store {

// ARGV: from, count, until, since, leases at most, bytes at most, "any" or "", then functions and how many of
// each may run. Owners take turns, and so do each owner's functions: who has had one goes to the end. Who may
// not run now keeps its place; but behind too many of those the next ones are looked at another time.
// Returns those that run now, and functions of which it has to be known how many may.
const char* const lease_script = R"lua(
local from, wanted, leased_until, since, leases_max = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local bytes_left, look = tonumber(ARGV[6]), 32
local limits, unknown, unknown_count, taken = {}, {}, 0, {}
for i = 8, #ARGV, 2 do limits[ARGV[i]] = tonumber(ARGV[i + 1]) end
local all = call('ZCARD', P .. 'leases')
-- So many for each server that was seen lately.
leases_max = leases_max * math.max(1, call('ZCARD', P .. 'servers'))
local budget = 64 * look + 4 * wanted
local function to_end(list, index, item)
  if index == 0 then return call('LMOVE', list, list, 'LEFT', 'RIGHT') end
  call('LREM', list, 1, item)
  call('RPUSH', list, item)
end
local function take_first(o, f)
  local line = P .. 'line:' .. o .. '/' .. f
  local n, c
  repeat
    budget = budget - 1
    n = call('LPOP', line)
    c = n and fields(n, 's', 't', 'h', 'i', 'p', 'a')
  until not n or c[1] == 'w' or budget <= 0
  if not n or c[1] ~= 'w' then return end
  local attempt = (tonumber(c[6] or '') or 0) + 1
  call('HSET', key(n), 's', 'r', 'a', attempt, 'g', from, 'v', since)
  call('ZADD', P .. 'leases', leased_until, n)
  count_waiting(o, f, -1)
  count_running(o, f, 1)
  all = all + 1
  bytes_left = bytes_left - #(c[4] or '') - 512
  taken[#taken + 1] = {n, attempt, c[2], c[3] or '', c[4] or '', c[5] or ''}
  return true
end
local function may_run(o, f, limit)
  local running, of_owner = count('running', o .. '/' .. f), count('running', o)
  return all < leases_max and running < limit and may_take(running, all, leases_max) and
         (of_owner == all or may_take(of_owner, all, leases_max))
end
local function take_of(o, alone)
  local flows = P .. 'turns:' .. o
  local of_all = call('LLEN', flows)
  for index, f in ipairs(call('LRANGE', flows, 0, look - 1)) do
    budget = budget - 1
    local limit = ARGV[7] == 'any' and leases_max or limits[f]
    local running = count('running', o .. '/' .. f)
    if not limit then
      if unknown_count < 64 and not unknown[f] then
        unknown[f] = true
        unknown_count = unknown_count + 1
      end
    elseif running < limit and may_take(running, all, leases_max) then
      local got = take_first(o, f)
      -- Nobody else is in line.
      while got and alone and of_all == 1 and #taken < wanted and budget > 0 and bytes_left > 0 and
            may_run(o, f, limit) and take_first(o, f) do end
      if call('EXISTS', P .. 'line:' .. o .. '/' .. f) == 1 then
        to_end(flows, index - 1, f)
      else
        call('LREM', flows, 1, f)
      end
      if got then return true end
    end
  end
  if of_all > look then
    for _ = 1, look do call('LMOVE', flows, flows, 'LEFT', 'RIGHT') end
  end
end
local function take_one()
  local owners = call('LRANGE', P .. 'turns', 0, look - 1)
  for index, o in ipairs(owners) do
    local running = count('running', o)
    local alone = #owners == 1 and running == all
    if (alone or may_take(running, all, leases_max)) and budget > 0 then
      local got = take_of(o, #owners == 1)
      if call('EXISTS', P .. 'turns:' .. o) == 1 then
        if got then to_end(P .. 'turns', index - 1, o) end
      else
        call('LREM', P .. 'turns', 1, o)
      end
      if got then return true end
    end
  end
  if call('LLEN', P .. 'turns') > look then
    for _ = 1, look do call('LMOVE', P .. 'turns', P .. 'turns', 'LEFT', 'RIGHT') end
  end
end
while #taken < wanted and all < leases_max and budget > 0 and bytes_left > 0 and take_one() do end
local names = {}
for f in pairs(unknown) do names[#names + 1] = f end
return {taken, names}
)lua";

}  // namespace canopy::store
