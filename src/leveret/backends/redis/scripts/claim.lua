-- Take a run, unless it is in the hands of another worker that is alive.
-- Answers the attempt and how many before it are charged, 0 (it has ended), -1 (another worker has it), -2 (there is
--   no record) or, when a cancel was requested so that it shall end, -3 (it waits) or -4 (its worker was lost).
-- KEYS: record, log, leases, outbox, waiting
-- ARGV: id, worker, lease in ms, the status of what waits, the status of what runs,
--   the reset event in three parts between which its attempt and what is charged belong,
--   the started event in two parts between which its attempt belongs,
--   how many fields a reset deletes, their names..., the fields that a start sets, but for the attempt: name, value...
local id, worker, lease, waits, runs, reset, reset_middle, reset_tail, started, started_tail = unpack(ARGV, 1, 10)
local status, attempt, holder, expiry, charged, canceling =
  unpack(redis.call('HMGET', KEYS[1], 'status', 'attempt', 'worker', 'lease', 'charged', 'canceling'))
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
if canceling and not alive then
  return status == waits and -3 or -4
end
charged = tonumber(charged or 0)
redis.call('ZADD', KEYS[3], renewed, id)
if alive then
  redis.call('HSET', KEYS[1], 'lease', renewed)
  return { tonumber(attempt), charged }
end
local events = {}
local sets = 12 + tonumber(ARGV[11])
if status == runs then
  charged = charged + 1
  redis.call('HDEL', KEYS[1], 'appended', unpack(ARGV, 12, sets - 1))
  redis.call('HSET', KEYS[1], 'charged', charged)
  events[1] = reset .. attempt .. reset_middle .. charged .. reset_tail
end
attempt = attempt + 1
events[#events + 1] = started .. attempt .. started_tail
redis.call('HSET', KEYS[1], 'lease', renewed, 'attempt', attempt, unpack(ARGV, sets))
redis.call('ZREM', KEYS[4], id)
redis.call('ZREM', KEYS[5], id)
local last = redis.call('RPUSH', KEYS[2], unpack(events))
redis.call('PUBLISH', KEYS[2], (last - #events + 1) .. '\n' .. table.concat(events, '\n'))
return { attempt, charged }
