-- Writes the record of a job (R23 a), if it is the one that the caller has seen (R25).
-- KEYS: 1 the leader key, 2 the set of jobs, 3 hash of the job
-- ARGV: 1 token of the caller, 2 id of the job, 3 revision that the caller has seen, 0: none, 4 the record as JSON
-- Returns the new revision. Error FENCED: another one leads. Error REVISION: another record is stored.
-- Higher revisions that the caller itself has written are those whose answers were lost on their way to it.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
local current = redis.call('HGET', KEYS[3], 'revision') or '0'
local isOwn = redis.call('HGET', KEYS[3], 'writer') == ARGV[1]
if current ~= ARGV[3] and not (isOwn and tonumber(current) > tonumber(ARGV[3])) then
  return redis.error_reply('REVISION ' .. current .. ' of job ' .. ARGV[2] .. ' is stored, ' .. ARGV[3] .. ' was expected')
end
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[3], 'record', ARGV[4], 'writer', ARGV[1])
return redis.call('HINCRBY', KEYS[3], 'revision', 1)
