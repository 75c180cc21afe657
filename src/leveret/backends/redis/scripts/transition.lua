-- Compare and set: if the record is as the event demands, change it and add the event to the log.
-- Answers 1 (changed, or this is the repetition of the call that changed it), 0 (refused, nothing changed) or -2 (there
--   is no record).
-- KEYS: record, log, leases, outstanding, outbox, waiting, deadlines, unreplied, expiry, lines, usage;
--   if it becomes a dead letter by this: letter, dead letters, dead letters by model;
--   and the one that the record names in `on_end`, if its webhook heeds that
-- ARGV: id, event, the expected attempt ('': any), the expected worker ('': any), the status it leads to,
--   '1' if that is final, in how many ms it may be claimed again, when it happened, in s,
--   how many statuses are allowed, they...,
--   how many fields to delete, their names..., the fields to set: name, value...
local id, event, attempt, worker, leads_to, final, delay, at, count = unpack(ARGV, 1, 9)
local status, its_attempt, its_worker, owner, bounded, asked, retention, on_end, lane, ticket, began, cap = unpack(
  redis.call(
    'HMGET', KEYS[1], 'status', 'attempt', 'worker', 'owner', 'bounded', 'asked', 'retention', 'on_end', 'lane', 'ticket',
    'started_at', 'cap'
  )
)
if not status then
  return -2
end
local deletes = 11 + tonumber(count)
local allowed = false
for place = 10, deletes - 2 do
  allowed = allowed or ARGV[place] == status
end
if not (allowed and (attempt == '' or attempt == its_attempt) and (worker == '' or worker == its_worker)) then
  if attempt == '' then
    return redis.call('LINDEX', KEYS[2], -1) == event and 1 or 0
  end
  -- a reset has taken the worker out of the record, and then it was the only one who had this attempt
  local same = status == leads_to and attempt == its_attempt and (worker == its_worker or not its_worker)
  return same and 1 or 0
end
local sets = deletes + tonumber(ARGV[deletes - 1])
redis.call('HDEL', KEYS[1], 'lease', 'appended', 'due', unpack(ARGV, deletes, sets - 1))
redis.call('HSET', KEYS[1], unpack(ARGV, sets))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(delay) > 0 then
  redis.call('HSET', KEYS[1], 'due', now + tonumber(delay))
end
redis.call('ZREM', KEYS[3], id)
if final == '1' then
  redis.call('ZREM', KEYS[5], id)
  redis.call('ZREM', KEYS[6], id)
  if bounded then
    redis.call('ZREM', KEYS[7], id)
  end
  if asked then
    redis.call('ZADD', KEYS[8], now, id)
  end
  if retention then
    redis.call('ZADD', KEYS[9], now + tonumber(retention), id)
  end
  if on_end then
    redis.call('ZADD', on_end, 'NX', 0, id)
  end
  if redis.call('HINCRBY', KEYS[4], owner, -1) < 1 then
    redis.call('HDEL', KEYS[4], owner)
  end
else
  redis.call('ZADD', KEYS[6], now + tonumber(delay), id)
end
if cap then
  local account = string.match(owner, ' (.*)$')
  local left = account .. (its_worker and ' running' or ' waiting')
  if redis.call('HINCRBY', KEYS[11], left, -1) < 1 then
    redis.call('HDEL', KEYS[11], left)
  end
  if final ~= '1' then
    redis.call('HINCRBY', KEYS[11], account .. ' waiting', 1)
  end
end
local model = string.match(owner, '^[^ ]+')
if ticket then
  if its_worker then
    redis.call('HINCRBY', KEYS[10], model .. ' ended', 1)
    redis.call('HINCRBYFLOAT', KEYS[10], model .. ' seconds', math.max(0, tonumber(at) - tonumber(began)))
    if final ~= '1' then
      redis.call('HINCRBY', KEYS[10], model .. ' entered ' .. lane, 1)
    end
  else
    redis.call('HINCRBY', KEYS[10], model .. ' left ' .. lane, 1)
    redis.call('HINCRBY', KEYS[10], model .. ' quit', 1)
  end
end
if KEYS[12] then
  redis.call('HSET', KEYS[12], 'model', model, 'body', redis.call('HGET', KEYS[1], 'spec'), 'failure', event)
  redis.call('ZADD', KEYS[13], 0, id)
  redis.call('ZADD', KEYS[14], 0, model .. ' ' .. id)
end
redis.call('PUBLISH', KEYS[2], redis.call('RPUSH', KEYS[2], event) .. '\n' .. event)
return 1
