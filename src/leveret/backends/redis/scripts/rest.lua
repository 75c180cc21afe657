-- There is nothing to tell up to this number of the log. If more has happened, somebody may see to it now; answers 1.
-- KEYS: record, log, hooks
-- ARGV: id, number
local id, number = unpack(ARGV)
local told, silenced = unpack(redis.call('HMGET', KEYS[1], 'told', 'silenced'))
if not told or silenced then
  redis.call('ZREM', KEYS[3], id)
  return 1
end
told = math.max(told, number)
redis.call('HSET', KEYS[1], 'told', told)
if redis.call('LLEN', KEYS[2]) > told then
  redis.call('ZADD', KEYS[3], 0, id)
else
  redis.call('ZREM', KEYS[3], id)
end
return 1
