-- Completes a checkpoint: its record is written once (I5).
-- KEYS: 1 the leader key, 2 hash of the job's checkpoints, 3 hash of their records
-- ARGV: 1 the leader's token, 2 revision that the leader knows or '', 3 id, 4 the record
-- Returns the new revision and 1, or 0 where there is a record of that id. Errors FENCED; REVISION where Redis has lost data (R25).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
local revision = tonumber(redis.call('HGET', KEYS[2], 'revision') or '0')
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= revision then
  return redis.error_reply('REVISION ' .. revision .. ' is not ' .. ARGV[2])
end
local written = redis.call('HSETNX', KEYS[3], ARGV[3], ARGV[4])
return { redis.call('HINCRBY', KEYS[2], 'revision', 1), written }
