-- Removes the bundle of jobs that have ended.
-- KEYS: 1 the leader key, 2 the bundle
-- ARGV: 1 token of the caller
-- Returns 1 where it was there, else 0. Error FENCED: another one leads.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
return redis.call('DEL', KEYS[2])
