-- Take a run, unless it is in the hands of another worker that is alive.
-- Answers the attempt, 0 (it has ended), -1 (another worker has it) or -2 (there is no record).
-- KEYS: record, log, leases, outbox
-- ARGV: id, worker, lease in ms, the status of what waits, the status of what runs,
--   the reset event in two parts between which its attempt belongs, the started event likewise,
--   how many fields a reset deletes, their names..., the fields that a start sets, but for the attempt: name, value...
local id, worker, lease, waits, runs, reset, reset_tail, started, started_tail = unpack(ARGV, 1, 9)
local status, attempt, holder, expiry = unpack(redis.call('HMGET', KEYS[1], 'status', 'attempt', 'worker', 'lease'))
if not status then
  return -2
end
if status ~= waits and status ~= runs then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local renewed = now + tonumber(lease)
local alive = status == runs and tonumber(expiry) > now
if alive and holder ~= worker then
  return -1
end
redis.call('ZADD', KEYS[3], renewed, id)
if alive then
  redis.call('HSET', KEYS[1], 'lease', renewed)
  return tonumber(attempt)
end
local events = {}
local sets = 11 + tonumber(ARGV[10])
if status == runs then
  redis.call('HDEL', KEYS[1], 'appended', unpack(ARGV, 11, sets - 1))
  events[1] = reset .. attempt .. reset_tail
end
attempt = attempt + 1
events[#events + 1] = started .. attempt .. started_tail
redis.call('HSET', KEYS[1], 'lease', renewed, 'attempt', attempt, unpack(ARGV, sets))
redis.call('ZREM', KEYS[4], id)
local last = redis.call('RPUSH', KEYS[2], unpack(events))
redis.call('PUBLISH', KEYS[2], (last - #events + 1) .. '\n' .. table.concat(events, '\n'))
return attempt
