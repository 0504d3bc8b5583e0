#include "store/redis_scripts.h"

#include "store/redis_script_texts.h"

namespace canopy::store {
namespace {

// KEYS: the prefix, and the channel on which the others are told.
constexpr const char* shared = R"lua(
local P, channel, call = KEYS[1], KEYS[2], redis.call
local function key(n) return P .. 'c:' .. n end
-- Fields of a hash; none where something else has its key: such a one is damaged, and stops no other.
local function fields_of(hash, ...)
  local found = redis.pcall('HMGET', hash, ...)
  return found.err and {} or found
end
local function fields(n, ...) return fields_of(key(n), ...) end
-- Counts are read once, and written at the end of the script.
local counted, added = {}, {}
local function bump(hash, field, by)
  local of_hash = added[hash] or {}
  added[hash] = of_hash
  of_hash[field] = (of_hash[field] or 0) + by
end
local function count(hash, field)
  local of_hash = counted[hash] or {}
  counted[hash] = of_hash
  if not of_hash[field] then of_hash[field] = tonumber(call('HGET', P .. hash, field) or 0) end
  return of_hash[field] + (added[hash] and added[hash][field] or 0)
end
local function write_counts()
  for hash, fields in pairs(added) do
    for field, by in pairs(fields) do
      if by ~= 0 and call('HINCRBY', P .. hash, field, by) <= 0 then call('HDEL', P .. hash, field) end
    end
  end
end
local function count_waiting(o, f, by)
  bump('waiting', o .. '/' .. f, by)
  bump('waiting', o, by)
  bump('count', 'waiting', by)
end
local function count_running(o, f, by)
  bump('running', o .. '/' .. f, by)
  bump('running', o, by)
end
local function stand(o, f, n, first)
  if call(first and 'LPUSH' or 'RPUSH', P .. 'line:' .. o .. '/' .. f, n) > 1 then return end
  if call('RPUSH', P .. 'turns:' .. o, f) == 1 then call('RPUSH', P .. 'turns', o) end
end
-- Who was taken from the front stands before all that came later. Before it there is only what was given back
-- too; beyond so many it is not looked for.
local function stand_in_old_place(o, f, n)
  local line, number = P .. 'line:' .. o .. '/' .. f, tonumber(n) or 0
  local front = call('LRANGE', line, 0, 63)
  for _, other in ipairs(front) do
    if (tonumber(other) or 0) > number then return call('LINSERT', line, 'BEFORE', other, n) end
  end
  stand(o, f, n, #front == 64)
end
local function wait_until(n, o, f, due, first)
  if due == '' then
    call('HSET', key(n), 's', 'w')
    stand(o, f, n, first)
  else
    call('HSET', key(n), 's', 'd')
    call('ZADD', P .. 'delayed', due, n)
  end
end
local function refused(o, f, quota, max, max_flow, max_owner)
  local of_owner = count('waiting', o)
  if count('count', 'waiting') >= tonumber(max) then return -1 end
  if count('waiting', o .. '/' .. f) >= tonumber(max_flow) then return -2 end
  if quota ~= '' and of_owner >= tonumber(quota) then return -3 end
  if of_owner >= tonumber(max_owner) then return -4 end
end
local function may_take(held, by_all, max) return by_all < max and held < 2 * (max - by_all) end
local function look_at_payer(payer)
  local first = call('ZRANGE', P .. 'cb:' .. payer, 0, 0, 'WITHSCORES')
  if first[1] then call('ZADD', P .. 'payers', first[2], payer) else call('ZREM', P .. 'payers', payer) end
end
local function came_back(n, payer)
  if call('HDEL', key(n), 'x') == 0 then return end
  bump('sent', payer, -1)
  bump('count', 'sent', -1)
end
local function plan_callback(n, payer, due)
  came_back(n, payer)
  if call('ZADD', P .. 'cb:' .. payer, due, n) == 1 then bump('count', 'callbacks', 1) end
  look_at_payer(payer)
end
local function drop_callback(n)
  local payer = fields(n, 'w')[1]
  if not payer then return end
  came_back(n, payer)
  if call('ZREM', P .. 'cb:' .. payer, n) == 1 then bump('count', 'callbacks', -1) end
  look_at_payer(payer)
end
local function finish(n, row, expires, callback, payer, due, gone)
  call('HSET', key(n), 's', 'e', 'e', row)
  call('HDEL', key(n), 'h', 'p', 'g', 'v', gone)
  call('ZREM', P .. 'live', n)
  call('ZADD', P .. 'ended', n, n)
  call('ZADD', P .. 'expiry', expires, n)
  if callback == '' then return end
  call('HSET', key(n), 'b', callback, 'w', payer)
  plan_callback(n, payer, due)
  call('PUBLISH', channel, 'c' .. ARGV[1])
end
local function erase(n)
  drop_callback(n)
  local digest = fields(n, 'k')[1]
  if digest then call('DEL', P .. 'k:' .. digest) end
  for _, set in ipairs({'ended', 'dead', 'expiry'}) do call('ZREM', P .. set, n) end
  call('DEL', key(n))
end
)lua";

// ARGV: the key of the ids, where there is none yet, and the format of today. Of format 1 all is read as it
// is.
constexpr const char* init = R"lua(
if ARGV[1] ~= '' and call('EXISTS', P .. 'state') == 0 then
  call('HSET', P .. 'state', 'format', ARGV[2], 'id', ARGV[1], 'last', 0)
end
if call('HGET', P .. 'state', 'format') == '1' then call('HSET', P .. 'state', 'format', ARGV[2]) end
local state, now = call('HMGET', P .. 'state', 'format', 'id', 'last'), call('TIME')
return {state[1], state[2], state[3], now[1], now[2]}
)lua";

constexpr const char* counts = R"lua(
return {call('HGET', P .. 'state', 'last'), count('count', 'waiting'), call('ZCARD', P .. 'delayed'),
        call('ZCARD', P .. 'leases'), call('ZCARD', P .. 'dead'), count('count', 'callbacks'),
        call('LLEN', P .. 'turns')}
)lua";

// Each is answered with its number; with the call that its key names; or with which limit it is past.
constexpr const char* append = R"lua(
local answers, any = {}, false
for i = 5, #ARGV, 9 do
  local token, o, f, quota, head, input, digest, request, queued = unpack(ARGV, i, i + 8)
  local known = digest ~= '' and fields_of(P .. 'k:' .. digest, 'n', 't', 'r')
  if known and known[1] and fields(known[1], 't')[1] == known[2] then
    answers[#answers + 1] = known
  else
    local limit = refused(o, f, quota, ARGV[1], ARGV[2], ARGV[3])
    if limit then
      answers[#answers + 1] = limit
    else
      local n = call('HINCRBY', P .. 'state', 'last', 1)
      call('HSET', key(n), 't', token, 'o', o, 'f', f, 's', 'w', 'a', 0, 'h', head, 'i', input, 'q', queued)
      if digest ~= '' then
        call('HSET', key(n), 'k', digest)
        if known[1] == nil then call('DEL', P .. 'k:' .. digest) end
        call('HSET', P .. 'k:' .. digest, 'n', n, 't', token, 'r', request)
      end
      call('ZADD', P .. 'live', n, n)
      stand(o, f, n, false)
      count_waiting(o, f, 1)
      answers[#answers + 1] = n
      any = true
    end
  end
end
if any then call('PUBLISH', channel, 'r' .. ARGV[4]) end
return answers
)lua";

constexpr const char* renew = R"lua(
local n = ARGV[2]
local c = fields(n, 's', 'a', 'g')
if c[1] ~= 'r' or c[2] ~= ARGV[3] or c[3] ~= ARGV[1] then return 0 end
call('ZADD', P .. 'leases', 'XX', ARGV[4], n)
return 1
)lua";

constexpr const char* release = R"lua(
local n = ARGV[2]
local c = fields(n, 's', 'a', 'g', 't', 'o', 'f')
if c[1] ~= 'r' or c[2] ~= ARGV[4] or c[3] ~= ARGV[1] or c[4] ~= ARGV[3] then return 0 end
call('HINCRBY', key(n), 'a', -1)
call('ZREM', P .. 'leases', n)
count_running(c[5], c[6], -1)
count_waiting(c[5], c[6], 1)
if ARGV[5] == '' then
  call('HSET', key(n), 's', 'w')
  stand_in_old_place(c[5], c[6], n)
else
  wait_until(n, c[5], c[6], ARGV[5], true)
  call('HSET', key(n), 'j', 1)
end
if ARGV[5] == '' then call('PUBLISH', channel, 'r' .. ARGV[1]) end
return 1
)lua";

constexpr const char* bury = R"lua(
local n = ARGV[2]
local c = fields(n, 's', 'a', 'o', 'f')
if c[1] ~= 'r' or c[2] ~= ARGV[3] then return 0 end
call('HSET', key(n), 's', 'x')
call('ZREM', P .. 'leases', n)
count_running(c[3], c[4], -1)
return 1
)lua";

// Answers: 1 it is recorded, 2 it was before, 0 that attempt is not under way.
constexpr const char* end_of_attempt = R"lua(
local answers, news, any = {}, {}, false
for i = 2, #ARGV, 13 do
  local n, token, attempt, nonce, guard, kind, row, time, output, log, callback, payer, due =
      unpack(ARGV, i, i + 12)
  local c = fields(n, 's', 'a', 't', 'z', 'o', 'f')
  local lost = guard == '' or tonumber(call('ZSCORE', P .. 'leases', n) or 'inf') <= tonumber(guard)
  if c[3] ~= token then
    answers[#answers + 1] = 0
  elseif c[4] == nonce then
    answers[#answers + 1] = 2
  elseif c[1] ~= 'r' or c[2] ~= attempt or not c[5] or not c[6] or not lost then
    answers[#answers + 1] = 0
  else
    local o, f = c[5], c[6]
    call('ZREM', P .. 'leases', n)
    count_running(o, f, -1)
    if kind == 'w' then
      call('HSET', key(n), 'p', row, 'z', nonce)
      call('HDEL', key(n), 'g', 'v')
      count_waiting(o, f, 1)
      wait_until(n, o, f, time, true)
      any = true
    else
      call('HSET', key(n), 'z', nonce, 'y', output, 'l', log)
      if kind == 'f' then call('ZADD', P .. 'dead', n, n) end
      finish(n, row, time, callback, payer, due, kind == 'f' and 'g' or 'i')
      news[#news + 1] = n .. ' ' .. token .. ' ' .. kind .. ' ' .. f
    end
    answers[#answers + 1] = 1
  end
end
if any then call('PUBLISH', channel, 'r' .. ARGV[1]) end
if #news > 0 then call('PUBLISH', channel, 'e' .. ARGV[1] .. '\n' .. table.concat(news, '\n')) end
return answers
)lua";

// 1; 0 where it has moved since it was read; -1 where it is not there.
constexpr const char* cancel = R"lua(
local from, n, token, running, attempt, row, expires, callback, payer, due = unpack(ARGV, 1, 10)
local c = fields(n, 's', 'a', 't', 'o', 'f')
if c[3] ~= token then return -1 end
if (c[1] == 'r') ~= (running == '1') or c[2] ~= attempt or c[1] == 'e' or c[1] == 'x' then return 0 end
if c[1] == 'r' then
  call('ZREM', P .. 'leases', n)
  count_running(c[4], c[5], -1)
else
  call('ZREM', P .. 'delayed', n)
  count_waiting(c[4], c[5], -1)
end
finish(n, row, expires, callback, payer, due, 'i')
call('PUBLISH', channel, 'e' .. from .. '\n' .. n .. ' ' .. token .. ' x ' .. c[5])
return 1
)lua";

// As cancel; below -1 it is past a limit: one less than of append.
constexpr const char* redrive = R"lua(
local from, n, token, quota, head, progress = unpack(ARGV, 4, 9)
local c = fields(n, 's', 't', 'o', 'f')
if c[2] ~= token then return -1 end
if c[1] ~= 'e' or not call('ZSCORE', P .. 'dead', n) then return 0 end
local o, f = c[3], c[4]
local limit = refused(o, f, quota, ARGV[1], ARGV[2], ARGV[3])
if limit then return limit - 1 end
drop_callback(n)
call('HDEL', key(n), 'e', 'y', 'l', 'b', 'w')
call('HSET', key(n), 'h', head, 'p', progress)
for _, set in ipairs({'ended', 'dead', 'expiry'}) do call('ZREM', P .. set, n) end
call('ZADD', P .. 'live', n, n)
count_waiting(o, f, 1)
wait_until(n, o, f, '', false)
call('PUBLISH', channel, 'r' .. from)
return 1
)lua";

constexpr const char* sweep = R"lua(
local from, now, woken_max, lost_max = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local seen = tonumber(call('ZSCORE', P .. 'servers', from) or 0)
if math.abs(tonumber(now) - seen) > 5000000 then
  call('ZADD', P .. 'servers', now, from)
  call('ZREMRANGEBYSCORE', P .. 'servers', '-inf', '(' .. string.format('%.0f', tonumber(now) - 60000000))
end
local due = call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, woken_max)
-- The last comes first: then none has to pass those that come back with it.
table.sort(due, function(a, b) return (tonumber(a) or 0) > (tonumber(b) or 0) end)
local retried = {}
for _, n in ipairs(due) do
  call('ZREM', P .. 'delayed', n)
  local c = fields(n, 's', 'o', 'f', 'j')
  if c[1] == 'd' and c[2] and c[3] then
    call('HSET', key(n), 's', 'w')
    if c[4] then
      call('HDEL', key(n), 'j')
      stand_in_old_place(c[2], c[3], n)
    else
      retried[#retried + 1] = {c[2], c[3], n}
    end
  end
end
for i = #retried, 1, -1 do stand(retried[i][1], retried[i][2], retried[i][3], false) end
if #due > 0 then call('PUBLISH', channel, 'r' .. from) end
local lost = {}
if lost_max > 0 then
  for _, n in ipairs(call('ZRANGEBYSCORE', P .. 'leases', '-inf', now, 'LIMIT', 0, lost_max)) do
    local c = fields(n, 't', 'a', 'v', 'h', 'p')
    if c[1] then
      lost[#lost + 1] = {n, c[1], c[2] or '', c[3] or '', c[4] or '', c[5] or ''}
    else
      call('ZREM', P .. 'leases', n)
    end
  end
end
local next_due = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
local next_lost = call('ZRANGEBYSCORE', P .. 'leases', '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local oldest = ''
for _, o in ipairs(call('LRANGE', P .. 'turns', 0, 15)) do
  for _, f in ipairs(call('LRANGE', P .. 'turns:' .. o, 0, 3)) do
    local n = call('LINDEX', P .. 'line:' .. o .. '/' .. f, 0)
    local queued = n and fields(n, 'q')[1]
    if queued and tonumber(queued) and (oldest == '' or tonumber(queued) < tonumber(oldest)) then oldest = queued end
  end
end
return {#due, next_due[2] or '', next_lost[2] or '', oldest, lost}
)lua";

constexpr const char* callbacks = R"lua(
local now, send_until, wanted, sent_max = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local taken = {}
local function take_one()
  for _, payer in ipairs(call('ZRANGEBYSCORE', P .. 'payers', '-inf', now, 'LIMIT', 0, 64)) do
    local first = call('ZRANGE', P .. 'cb:' .. payer, 0, 0)
    if first[1] and may_take(count('sent', payer), count('count', 'sent'), sent_max) then
      local n = first[1]
      local c = fields(n, 't', 'e', 'y', 'b')
      if c[1] then
        came_back(n, payer)
        call('ZADD', P .. 'cb:' .. payer, send_until, n)
        call('HSET', key(n), 'x', 1)
        bump('sent', payer, 1)
        bump('count', 'sent', 1)
      else
        call('ZREM', P .. 'cb:' .. payer, n)
        bump('count', 'callbacks', -1)
      end
      look_at_payer(payer)
      taken[#taken + 1] = {n, c[1] or '', c[2] or '', c[3] or '', c[4] or ''}
      return true
    end
  end
end
while #taken < wanted and take_one() do end
return taken
)lua";

constexpr const char* callback = R"lua(
local n, token, row, due = unpack(ARGV, 1, 4)
local c = fields(n, 't', 's', 'w', 'b')
if c[1] ~= token or c[2] ~= 'e' or not c[4] then return 0 end
call('HSET', key(n), 'b', row)
if due == '' then drop_callback(n) else plan_callback(n, c[3], due) end
return 1
)lua";

constexpr const char* purge = R"lua(
local numbers = call('ZRANGEBYSCORE', P .. 'expiry', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, n in ipairs(numbers) do erase(n) end
return #numbers
)lua";

constexpr const char* forget = R"lua(
local n = ARGV[1]
local c = fields(n, 't', 's')
if c[1] ~= ARGV[2] then return -1 end
if c[2] ~= 'e' then return 0 end
erase(n)
return 1
)lua";

constexpr const char* leave = R"lua(
return call('ZREM', P .. 'servers', ARGV[1])
)lua";

constexpr const char* page = R"lua(
local which, below, wanted = ARGV[1], ARGV[2], tonumber(ARGV[3])
local numbers = {}
for _, set in ipairs(which == 'all' and {'live', 'ended'} or {which}) do
  local top = below == '' and '+inf' or '(' .. below
  for _, n in ipairs(call('ZREVRANGEBYSCORE', P .. set, top, '-inf', 'LIMIT', 0, wanted)) do
    numbers[#numbers + 1] = tonumber(n)
  end
end
table.sort(numbers, function(a, b) return a > b end)
local rows = {}
for i = 1, math.min(#numbers, wanted) do
  local n = numbers[i]
  local c = fields(n, 't', 's', 'a', 'v', 'h', 'p', 'e', 'b')
  local row = {n}
  for j = 1, 8 do row[j + 1] = c[j] or '' end
  rows[i] = row
end
return rows
)lua";

}  // namespace

std::string script_text(Script script) {
  const char* const bodies[script_count] = {init,
                                            counts,
                                            append,
                                            lease_script,
                                            renew,
                                            release,
                                            bury,
                                            end_of_attempt,
                                            cancel,
                                            redrive,
                                            sweep,
                                            callbacks,
                                            callback,
                                            purge,
                                            forget,
                                            leave,
                                            page,
                                            catalog_read_script,
                                            catalog_commit_script,
                                            catalog_fold_script,
                                            code_drop_script};
  return std::string(shared) + "local function run()" + bodies[static_cast<std::size_t>(script)] +
         "end\nlocal answer = run()\nwrite_counts()\nreturn answer\n";
}

}  // namespace canopy::store
