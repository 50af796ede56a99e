-- Writes one field of the job's checkpoints: a mark, a start, a ledger; or nothing but the revision, so that a wait for the
-- disk covers what was found (R3).
-- KEYS: 1 the leader key, 2 hash of the job's checkpoints
-- ARGV: 1 the leader's token, 2 revision that the leader knows or '', 3 field or '', 4 value
-- Returns the new revision. Errors FENCED; REVISION where Redis has lost data (R25).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
local revision = tonumber(redis.call('HGET', KEYS[2], 'revision') or '0')
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= revision then
  return redis.error_reply('REVISION ' .. revision .. ' is not ' .. ARGV[2])
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], ARGV[3], ARGV[4]) end
return { redis.call('HINCRBY', KEYS[2], 'revision', 1) }
