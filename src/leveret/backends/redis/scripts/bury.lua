-- Keep a dead letter, unless there is one with its id; answers 1.
-- KEYS: letter, dead letters, dead letters by model
-- ARGV: id, model ('': it is no prediction), body, failure
local id, model, body, failure = unpack(ARGV)
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'model', model, 'body', body, 'failure', failure)
  redis.call('ZADD', KEYS[2], 0, id)
  if model ~= '' then
    redis.call('ZADD', KEYS[3], 0, model .. ' ' .. id)
  end
end
return 1
