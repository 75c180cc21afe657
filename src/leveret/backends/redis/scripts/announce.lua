-- Publish a model's card and show that one of its workers is alive; without a lease: that it goes.
-- KEYS: cards, presence
-- ARGV: model, card, model and worker, lease in ms
local model, card, member, lease = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if tonumber(lease) > 0 then
  redis.call('HSET', KEYS[1], model, card)
  redis.call('ZADD', KEYS[2], now + tonumber(lease), member)
else
  redis.call('ZREM', KEYS[2], member)
end
return 1
