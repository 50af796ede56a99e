-- Sets one control key, if the caller still leads (I1).
-- KEYS: 1 the leader key, 2 the key
-- ARGV: 1 the token of the caller, 2 the value
-- Returns OK. Error FENCED: another one leads.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
return redis.call('SET', KEYS[2], ARGV[2])
