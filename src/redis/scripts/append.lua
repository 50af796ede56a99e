-- A message of a TaskManager or a client to the process whose inbox the stream is.
-- Not fenced: whoever sends to a leader need not know which one it is.
-- KEYS: 1 the stream
-- ARGV: 1 entries that the stream holds at most, 2 the envelope
-- Returns 'appended', or 'full'.
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then
  return 'full'
end
redis.call('XADD', KEYS[1], '*', 'm', ARGV[2])
return 'appended'
