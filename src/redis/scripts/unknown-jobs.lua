#!lua flags=allow-oom
-- Marks jobs of which there are blobs and that nobody knows (R10).
-- KEYS: 1 the leader key, 2 hash of the marks: job to when it was first found unknown
-- ARGV: 1 the leader's token, 2 now in epoch milliseconds, 3 age in milliseconds, 4 and further unknown jobs
-- Returns the unknown jobs that were marked at least that long ago. Error FENCED: another one leads.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return redis.error_reply('FENCED by ' .. tostring(redis.call('GET', KEYS[1])))
end
local unknown = {}
for position = 4, #ARGV do unknown[ARGV[position]] = true end
for _, job in ipairs(redis.call('HKEYS', KEYS[2])) do
  if not unknown[job] then redis.call('HDEL', KEYS[2], job) end
end
local aged = {}
for job in pairs(unknown) do
  redis.call('HSETNX', KEYS[2], job, ARGV[2])
  if tonumber(redis.call('HGET', KEYS[2], job)) <= tonumber(ARGV[2]) - tonumber(ARGV[3]) then table.insert(aged, job) end
end
return aged
