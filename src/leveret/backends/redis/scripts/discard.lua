-- Forget a dead letter; answers 1, or 0 when there is none (any more: sent again, it has been forgotten before).
-- KEYS: letter, dead letters, dead letters by model
-- ARGV: id
local model = redis.call('HGET', KEYS[1], 'model')
redis.call('ZREM', KEYS[2], ARGV[1])
if not model then
  return 0
end
redis.call('ZREM', KEYS[3], model .. ' ' .. ARGV[1])
return redis.call('DEL', KEYS[1])
