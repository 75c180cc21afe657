-- The ids that have been due for at least `age`, oldest first; none of them is answered again for `hold`.
-- KEYS: a sorted set by when they are due, in ms
-- ARGV: age in ms, hold in ms, limit
local age, hold, limit = unpack(ARGV)
local time = redis.call('TIME')
local due = time[1] * 1000 + time[2] / 1000 - tonumber(age)
local ids = redis.call('ZRANGE', KEYS[1], '-inf', due, 'BYSCORE', 'LIMIT', 0, limit)
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], due + tonumber(hold), id)
end
return ids
