-- Take a run, unless it is in the hands of another worker that is alive.
-- Answers the attempt, how many before it are charged and the suspect; 0 (it has ended, or is of another model), -1
--   (another worker has it), -2 (there is no record); when a cancel was requested so that it shall end, -3 (it waits) or -4 (its worker was
--   lost); when no run is left, -5 (it waits) or -6 (its worker was lost) with the attempt and how many are charged;
--   -7 with in how many ms it may be claimed; when a deadline has passed, -8 (it waits for its first run), -9 (for
--   another one) or -10 (its worker was lost).
-- What is over its account's limit of running ones is answered like what may be claimed later.
-- KEYS: record, log, leases, outbox, waiting, lines, usage, and if it has a deadline: deadlines;
--   and the one that the record names in `on_start`, if its webhook heeds that
-- ARGV: id, the model that its message names, worker, lease in ms, the status of what waits, the status of what runs, how many may be charged ('': any),
--   the reset event in three parts between which its attempt and what is charged belong,
--   the started event in two parts between which its attempt belongs,
--   how many fields a reset deletes, their names..., the fields that a start sets, but for the attempt: name, value...,
--   and if it has a deadline: in ms, until when its first run may begin and until when another one ('': for ever)
local id, model, worker, lease, waits, runs, most, reset, reset_middle, reset_tail, started, started_tail = unpack(
  ARGV, 1, 12
)
local status, attempt, holder, expiry, charged, canceling, suspect, due, owner, lane, ticket, on_start, cap = unpack(
  redis.call(
    'HMGET', KEYS[1], 'status', 'attempt', 'worker', 'lease', 'charged', 'canceling', 'suspect', 'due', 'owner', 'lane',
    'ticket', 'on_start', 'cap'
  )
)
if not status then
  return -2
end
if status ~= waits and status ~= runs or string.match(owner, '^[^ ]+') ~= model then
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
if KEYS[8] then
  first_by, again_by, last = ARGV[last - 1], ARGV[last], last - 2
  local passes = tonumber(first and first_by or again_by)
  if passes and passes <= now and not alive then
    return status == runs and -10 or first and -8 or -9
  end
end
charged = tonumber(charged or 0) + (status == runs and not alive and 1 or 0)
if most ~= '' and not alive and charged >= tonumber(most) then
  return { status == waits and -5 or -6, tonumber(attempt), charged }
end
if status == waits and due and tonumber(due) > now then
  return { -7, tonumber(due) - now }
end
local account = cap and string.match(owner, ' (.*)$')
if cap and cap ~= '' and status == waits then
  local running = tonumber(redis.call('HGET', KEYS[7], account .. ' running') or 0)
  if running >= tonumber(cap) then
    local waiting = tonumber(redis.call('HGET', KEYS[7], account .. ' waiting') or 0)
    return { -7, math.floor(1000 * math.min(60, math.max(1, waiting / tonumber(cap)))) }
  end
end
redis.call('ZADD', KEYS[3], renewed, id)
if alive then
  redis.call('HSET', KEYS[1], 'lease', renewed)
  return { tonumber(attempt), charged, suspect or '' }
end
if cap and status == waits then
  if redis.call('HINCRBY', KEYS[7], account .. ' waiting', -1) < 1 then
    redis.call('HDEL', KEYS[7], account .. ' waiting')
  end
  redis.call('HINCRBY', KEYS[7], account .. ' running', 1)
end
local events = {}
local sets = 14 + tonumber(ARGV[13])
if status == runs then
  redis.call('HDEL', KEYS[1], 'appended', unpack(ARGV, 14, sets - 1))
  redis.call('HSET', KEYS[1], 'charged', charged)
  events[1] = reset .. attempt .. reset_middle .. charged .. reset_tail
elseif ticket then
  redis.call('HINCRBY', KEYS[6], string.match(owner, '^[^ ]+') .. ' left ' .. lane, 1)
end
attempt = attempt + 1
events[#events + 1] = started .. attempt .. started_tail
redis.call('HSET', KEYS[1], 'lease', renewed, 'attempt', attempt, unpack(ARGV, sets, last))
redis.call('ZREM', KEYS[4], id)
redis.call('ZREM', KEYS[5], id)
if first and first_by ~= again_by then
  if again_by == '' then
    redis.call('ZREM', KEYS[8], id)
  else
    redis.call('ZADD', KEYS[8], again_by, id)
  end
end
if on_start then
  redis.call('ZADD', on_start, 'NX', 0, id)
end
local length = redis.call('RPUSH', KEYS[2], unpack(events))
redis.call('PUBLISH', KEYS[2], (length - #events + 1) .. '\n' .. table.concat(events, '\n'))
return { attempt, charged, suspect or '' }
