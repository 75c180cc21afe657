-- The record's fields, the whole log, and when it is now in ms; nothing if there is no record.
-- KEYS: record, log
local fields = redis.call('HGETALL', KEYS[1])
if #fields == 0 then
  return {}
end
local time = redis.call('TIME')
return { fields, redis.call('LRANGE', KEYS[2], 0, -1), time[1] * 1000 + math.floor(time[2] / 1000) }
