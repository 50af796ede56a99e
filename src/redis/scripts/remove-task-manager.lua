-- Forgets a TaskManager and deletes its inbox: if it lives, it notices that it was declared lost (R22).
-- KEYS: 1 the leader key, 2 hash of TaskManagers, 3 stream of its inbox
-- ARGV: 1 token of the caller, 2 id of the TaskManager
-- Returns 1 where it was there, else 0. Error FENCED: another one leads.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
redis.call('DEL', KEYS[3])
return redis.call('HDEL', KEYS[2], ARGV[2])
