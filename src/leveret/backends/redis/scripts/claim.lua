-- Take a run, unless it is in the hands of another worker that is alive.
-- Answers the attempt and how many before it are charged, 0 (it has ended), -1 (another worker has it), -2 (there is
--   no record) or, when it shall end: a cancel was requested and -3 (it waits) or -4 (its worker was lost), or a
--   deadline has passed and -5 (it waits for its first run), -6 (for another one) or -7 (its worker was lost).
-- KEYS: record, log, leases, outbox, and if it has a deadline: deadlines
-- ARGV: id, worker, lease in ms, the status of what waits, the status of what runs,
--   the reset event in three parts between which its attempt and what is charged belong,
--   the started event in two parts between which its attempt belongs,
--   how many fields a reset deletes, their names..., the fields that a start sets, but for the attempt: name, value...,
--   and if it has a deadline: in ms, until when its first run may begin and until when another one ('': for ever)
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
local first, last = attempt == '0', #ARGV
local first_by, again_by
if KEYS[5] then
  first_by, again_by, last = ARGV[last - 1], ARGV[last], last - 2
  local due = tonumber(first and first_by or again_by)
  if due and due <= now and not alive then
    return status == runs and -7 or first and -5 or -6
  end
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
redis.call('HSET', KEYS[1], 'lease', renewed, 'attempt', attempt, unpack(ARGV, sets, last))
redis.call('ZREM', KEYS[4], id)
if first and first_by ~= again_by then
  if again_by == '' then
    redis.call('ZREM', KEYS[5], id)
  else
    redis.call('ZADD', KEYS[5], again_by, id)
  end
end
local length = redis.call('RPUSH', KEYS[2], unpack(events))
redis.call('PUBLISH', KEYS[2], (length - #events + 1) .. '\n' .. table.concat(events, '\n'))
return { attempt, charged }
