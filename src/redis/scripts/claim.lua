-- Makes the caller the leader, under a token that was never given before and above every epoch that was seen (I1, I2, R23 g).
-- Not fenced: it is what fences the others. Whoever has the lease runs it.
-- KEYS: 1 epoch, 2 the leader key, 3 incarnation, 4 address of the leader, 5 the leader's inbox, 6 set of accepted losses
-- ARGV: 1 a new id, 2 the highest epoch that was seen elsewhere, 3 a new incarnation, 4 address of the caller
-- Returns token, epoch that was found, incarnation, last id of the inbox, then the accepted incarnations.
local found = tonumber(redis.call('GET', KEYS[1]) or '0')
local token = ARGV[1] .. ':' .. string.format('%.0f', math.max(found, tonumber(ARGV[2])) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', math.max(found, tonumber(ARGV[2])) + 1))
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[3], ARGV[3], 'NX')
redis.call('SET', KEYS[4], ARGV[4])
local last = '0-0'
if redis.call('EXISTS', KEYS[5]) == 1 then
  local about = redis.call('XINFO', 'STREAM', KEYS[5])
  for index = 1, #about, 2 do
    if about[index] == 'last-generated-id' then last = about[index + 1] end
  end
end
local answer = { token, string.format('%.0f', found), redis.call('GET', KEYS[3]), last }
for _, incarnation in ipairs(redis.call('SMEMBERS', KEYS[6])) do
  answer[#answer + 1] = incarnation
end
return answer
