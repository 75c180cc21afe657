-- What was confirmed is no longer in the outbox but waits; what has begun or ended meanwhile does neither.
-- KEYS: outbox, waiting
-- ARGV: ids...
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[1], id) == 1 then
    redis.call('ZADD', KEYS[2], now, id)
  end
end
return 1
