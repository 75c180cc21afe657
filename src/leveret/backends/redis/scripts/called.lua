-- Remember a call of a webhook, and up to which number of the log the webhook knows it; answers 1.
-- KEYS: record, calls
-- ARGV: the call, how many are kept, the number, '1' if it was told of an update
local call, kept, number, update = unpack(ARGV)
local told = redis.call('HGET', KEYS[1], 'told')
if not told then
  return 1
end
if redis.call('LINDEX', KEYS[2], 0) ~= call then
  redis.call('LPUSH', KEYS[2], call)
  redis.call('LTRIM', KEYS[2], 0, kept - 1)
end
redis.call('HSET', KEYS[1], 'told', math.max(told, number))
if update == '1' then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'updated', time[1] * 1000 + math.floor(time[2] / 1000))
end
return 1
