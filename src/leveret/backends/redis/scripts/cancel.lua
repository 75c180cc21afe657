-- Record that a cancel is requested of what runs.
-- Answers its worker, 1 (it waits), 0 (it has ended) or -2 (there is no record).
-- KEYS: record
-- ARGV: the status of what waits, the status of what runs
local waits, runs = unpack(ARGV)
local status, worker = unpack(redis.call('HMGET', KEYS[1], 'status', 'worker'))
if not status then
  return -2
end
if status == runs then
  redis.call('HSET', KEYS[1], 'canceling', 1)
  return worker
end
return status == waits and 1 or 0
