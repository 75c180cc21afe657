-- Renew the lease of a run; answers 1, 2 when a cancel was requested of it, 0 when it is no longer this worker's, or
--   -2 (there is no record).
-- KEYS: record, leases
-- ARGV: id, attempt, worker, the status of what runs, lease in ms
local id, attempt, worker, runs, lease = unpack(ARGV)
local record = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'worker', 'canceling')
if not record[1] then
  return -2
end
if record[1] ~= runs or record[2] ~= attempt or record[3] ~= worker then
  return 0
end
local time = redis.call('TIME')
local renewed = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(lease)
redis.call('HSET', KEYS[1], 'lease', renewed)
redis.call('ZADD', KEYS[2], renewed, id)
return record[4] and 2 or 1
