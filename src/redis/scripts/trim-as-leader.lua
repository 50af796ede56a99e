-- Removes the entries of a stream that its reader has taken, never one that nobody has read (facts: MAXLEN does).
-- KEYS: 1 the leader key, 2 the stream
-- ARGV: 1 the leader's token, 2 the lowest id that is kept
-- Returns the number of removed entries; an error FENCED where the token is not the leader's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED the token is not the leader\'s')
end
return redis.call('XTRIM', KEYS[2], 'MINID', ARGV[2])
