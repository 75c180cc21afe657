-- Hold this prediction's news for longer, if it is still held: who has seen to it already has let it go. Answers 1.
-- KEYS: hooks
-- ARGV: id, hold in ms
local id, hold = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('ZSCORE', KEYS[1], id)
if held and tonumber(held) > now then
  redis.call('ZADD', KEYS[1], now + tonumber(hold), id)
end
return 1
