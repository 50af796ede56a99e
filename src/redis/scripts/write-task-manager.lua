-- Registers a TaskManager and makes its inbox: the leader's messages make none (R22).
-- KEYS: 1 the leader key, 2 hash of TaskManagers, 3 stream of its inbox
-- ARGV: 1 token of the caller, 2 id of the TaskManager, 3 what is known of it as JSON
-- Returns 1 where it is a new one, else 0. Error FENCED: another one leads.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
if redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[3], 'made', '$', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[3], 'made')
end
return redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
