#!lua flags=allow-oom
-- Moves the records before one into the list of garbage: their blobs can be deleted (R10). Allowed where memory is full.
-- KEYS: 1 the leader key, 2 hash of the job's checkpoints, 3 hash of their records, 4 set of garbage
-- ARGV: 1 the leader's token, 2 revision that the leader knows or '', 3 the oldest id that stays
-- Returns the new revision and how many ids are garbage. Errors FENCED; REVISION where Redis has lost data (R25).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
local revision = tonumber(redis.call('HGET', KEYS[2], 'revision') or '0')
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= revision then
  return redis.error_reply('REVISION ' .. revision .. ' is not ' .. ARGV[2])
end
for _, id in ipairs(redis.call('HKEYS', KEYS[3])) do
  if tonumber(id) < tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[3], id)
    redis.call('SADD', KEYS[4], id)
  end
end
return { redis.call('HINCRBY', KEYS[2], 'revision', 1), redis.call('SCARD', KEYS[4]) }
