-- Every card, and the models with the workers who are alive.
-- KEYS: cards, presence
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return { redis.call('HVALS', KEYS[1]), redis.call('ZRANGE', KEYS[2], '(' .. now, '+inf', 'BYSCORE') }
