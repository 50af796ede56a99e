-- Removes the record of a job that has ended.
-- KEYS: 1 the leader key, 2 the set of jobs, 3 hash of the job
-- ARGV: 1 token of the caller, 2 id of the job
-- Returns 1 where it was there, else 0. Error FENCED: another one leads.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
redis.call('DEL', KEYS[3])
return redis.call('SREM', KEYS[2], ARGV[2])
