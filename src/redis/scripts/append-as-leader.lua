-- A message of the leader to a TaskManager (I1). A stream that was deleted with its TaskManager is not made again (R22).
-- KEYS: 1 the leader key, 2 the stream
-- ARGV: 1 the leader's token, 2 entries that the stream holds at most, 3 the envelope
-- Returns 'appended', 'full', or 'missing'; an error FENCED where the token is not the leader's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
local length = redis.call('XLEN', KEYS[2])
if length >= tonumber(ARGV[2]) then
  return 'full'
end
if not redis.call('XADD', KEYS[2], 'NOMKSTREAM', '*', 'm', ARGV[3]) then
  return 'missing'
end
return 'appended'
