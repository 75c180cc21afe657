-- Every card, the models with the workers who are alive, and the problems by these.
-- KEYS: cards, presence, problems
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local present = redis.call('ZRANGE', KEYS[2], '(' .. now, '+inf', 'BYSCORE')
return { redis.call('HVALS', KEYS[1]), present, redis.call('HGETALL', KEYS[3]) }
