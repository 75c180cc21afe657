-- Remove the record of what has ended; answers 1, or 0 if it has not ended.
-- KEYS: record, log, expiry, account, unreplied, hooks, calls
-- ARGV: id
local id = ARGV[1]
local status, ended, once = unpack(redis.call('HMGET', KEYS[1], 'status', 'completed_at', 'once'))
if status and not ended then
  return 0
end
if once and string.match(redis.call('GET', once) or '', '%S+$') == id then
  redis.call('DEL', once)
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[7])
redis.call('ZREM', KEYS[3], id)
redis.call('ZREM', KEYS[4], id)
redis.call('ZREM', KEYS[5], id)
redis.call('ZREM', KEYS[6], id)
return 1
