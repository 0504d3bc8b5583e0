// The shared catalog: what was changed, in order. redis_catalog.h says how it is used.

#include "store/redis_script_texts.h"

namespace canopy::store {

// ARGV: the version that the asker has, and the schema of its tables. {version, schema, whether it begins
// anew, what there was at the first of the changes, changes...}
const char* const catalog_read_script = R"lua(
if call('HSETNX', P .. 'catalog', 'schema', ARGV[2]) == 1 then call('HSET', P .. 'catalog', 'version', 0, 'base', 0) end
local s = call('HMGET', P .. 'catalog', 'version', 'base', 'schema')
local version, base, have = tonumber(s[1]), tonumber(s[2]), tonumber(ARGV[1])
if have == version then return {version, s[3], 0, '', {}} end
if have > version or have < base then
  return {version, s[3], 1, call('GET', P .. 'catalog:rows') or '', call('LRANGE', P .. 'catalog:log', 0, -1)}
end
return {version, s[3], 0, '', call('LRANGE', P .. 'catalog:log', have - base, -1)}
)lua";

// ARGV: the version that was changed, and the change. {1, how many changes there are, their bytes}, or {0}
// where another was faster.
const char* const catalog_commit_script = R"lua(
if call('HGET', P .. 'catalog', 'version') ~= ARGV[1] then return {0, 0, 0} end
call('HINCRBY', P .. 'catalog', 'version', 1)
local bytes = call('HINCRBY', P .. 'catalog', 'bytes', #ARGV[2])
return {1, call('RPUSH', P .. 'catalog:log', ARGV[2]), bytes}
)lua";

// ARGV: a version, and all rows as they were then, in place of the changes until then.
const char* const catalog_fold_script = R"lua(
if call('HGET', P .. 'catalog', 'version') ~= ARGV[1] then return 0 end
call('SET', P .. 'catalog:rows', ARGV[2])
call('DEL', P .. 'catalog:log')
call('HSET', P .. 'catalog', 'base', ARGV[1], 'bytes', 0)
return 1
)lua";

// ARGV: a digest, and the time since which it must not have been stored again. The bytes freed.
const char* const code_drop_script = R"lua(
local stored = call('ZSCORE', P .. 'codes', ARGV[1])
if not stored or tonumber(stored) > tonumber(ARGV[2]) then return 0 end
local bytes = call('STRLEN', P .. 'code:' .. ARGV[1])
call('DEL', P .. 'code:' .. ARGV[1])
call('ZREM', P .. 'codes', ARGV[1])
return bytes
)lua";

}  // namespace canopy::store
