-- Publish a model's card and show that one of its workers is alive; without a lease: that it goes.
-- KEYS: cards, presence, problems
-- ARGV: model, card, model and worker, lease in ms, why it cannot serve now or ''
local model, card, member, lease, problem = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE')) do
  redis.call('ZREM', KEYS[2], gone)
  redis.call('HDEL', KEYS[3], gone)
end
if tonumber(lease) > 0 then
  redis.call('HSET', KEYS[1], model, card)
  redis.call('ZADD', KEYS[2], now + tonumber(lease), member)
else
  redis.call('ZREM', KEYS[2], member)
end
if tonumber(lease) > 0 and problem ~= '' then
  redis.call('HSET', KEYS[3], member, problem)
else
  redis.call('HDEL', KEYS[3], member)
end
return 1
