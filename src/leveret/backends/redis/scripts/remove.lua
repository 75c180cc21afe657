-- Remove the data of what has ended, and if it shall be `hidden` all but a stub that keeps its messages from running.
-- Answers 1, or 0 (it has not ended) or -2 (there is no record that is not hidden); then nothing is changed.
-- KEYS: record, log, expiry, account, unreplied, hooks, calls, letter, dead letters, dead letters by model
-- ARGV: id, what was submitted, without the input; in how many ms the record goes ('': never); '1' if hidden;
--   the fields to delete...
local id, spec, rest, hidden = unpack(ARGV, 1, 4)
local status, ended, gone, once, removed =
  unpack(redis.call('HMGET', KEYS[1], 'status', 'completed_at', 'gone', 'once', 'data_removed'))
if not status or gone then
  return -2
end
if not ended then
  return 0
end
if removed and hidden ~= '1' then
  return 1
end
redis.call('HSET', KEYS[1], 'spec', spec, 'data_removed', 1)
redis.call('HDEL', KEYS[1], unpack(ARGV, 5))
redis.call('DEL', KEYS[2])
if rest == '' then
  redis.call('ZREM', KEYS[3], id)
else
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[3], time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(rest), id)
end
if hidden ~= '1' then
  return 1
end
redis.call('HSET', KEYS[1], 'gone', 1)
redis.call('HDEL', KEYS[1], 'error', 'once', 'told')
redis.call('ZREM', KEYS[4], id)
redis.call('ZREM', KEYS[5], id)
redis.call('ZREM', KEYS[6], id)
redis.call('DEL', KEYS[7])
if once and string.match(redis.call('GET', once) or '', '%S+$') == id then
  redis.call('DEL', once)
end
local model = redis.call('HGET', KEYS[8], 'model')
if model then
  redis.call('DEL', KEYS[8])
  redis.call('ZREM', KEYS[9], id)
  redis.call('ZREM', KEYS[10], model .. ' ' .. id)
end
return 1
