-- The webhook wants no calls any more; answers 1.
-- KEYS: record, hooks
-- ARGV: id
if redis.call('HDEL', KEYS[1], 'on_start', 'on_report', 'on_end') > 0 then
  redis.call('HSET', KEYS[1], 'silenced', 1)
end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
