-- Mints the id of a checkpoint that begins (R2).
-- KEYS: 1 the leader key, 2 hash of the job's checkpoints, 3 hash of their records
-- ARGV: 1 the leader's token, 2 revision that the leader knows or '', 3 an id that the new one must exceed
-- Returns the new revision and the id. Errors FENCED; REVISION where Redis has lost data (R25).
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
local revision = tonumber(redis.call('HGET', KEYS[2], 'revision') or '0')
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= revision then
  return redis.error_reply('REVISION ' .. revision .. ' is not ' .. ARGV[2])
end
local id = math.max(tonumber(redis.call('HGET', KEYS[2], 'begun') or '0'), tonumber(ARGV[3])) + 1
for _, recorded in ipairs(redis.call('HKEYS', KEYS[3])) do id = math.max(id, tonumber(recorded) + 1) end
redis.call('HSET', KEYS[2], 'begun', id)
return { redis.call('HINCRBY', KEYS[2], 'revision', 1), id }
