-- Who leads the predictions that ask for the same: answers the id, this one's if nobody else does. What is led waits.
-- KEYS: leader, waiting
-- ARGV: id, for how many ms it leads, whom it leads instead of ('': nobody)
local id, lifetime, instead = unpack(ARGV)
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= instead then
  if leader ~= id then
    local time = redis.call('TIME')
    redis.call('ZADD', KEYS[2], 'XX', time[1] * 1000 + math.floor(time[2] / 1000), id)
  end
  return leader
end
redis.call('SET', KEYS[1], id, 'PX', lifetime)
return id
