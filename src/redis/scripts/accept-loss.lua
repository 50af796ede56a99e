-- Notes that the loss of an earlier incarnation's data was accepted, so that no other process asks again (R25).
-- KEYS: 1 the leader key, 2 set of accepted losses
-- ARGV: 1 token of the caller, 2 the incarnation that was lost
-- Returns 1 where it is a new one, else 0. Error FENCED: another one leads.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
return redis.call('SADD', KEYS[2], ARGV[2])
