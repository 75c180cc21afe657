-- Add to the log what a run reports; answers 1, or 0 when the run is no longer this worker's.
-- KEYS: record, log, and the one that the record names in `on_report`, if its webhook heeds that
-- ARGV: attempt, worker, the status of what runs, the number of this append, events...
local attempt, worker, runs, number = unpack(ARGV, 1, 4)
local record = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'worker', 'appended', 'on_report')
if record[1] ~= runs or record[2] ~= attempt or record[3] ~= worker then
  return 0
end
if tonumber(record[4] or 0) >= tonumber(number) then
  return 1
end
if #ARGV == 4 then
  redis.call('HSET', KEYS[1], 'appended', number)
  return 1
end
redis.call('HSET', KEYS[1], 'appended', number, 'live', 1)
local last
for place = 5, #ARGV do
  last = redis.call('RPUSH', KEYS[2], ARGV[place])
end
if record[5] then
  redis.call('ZADD', record[5], 'NX', 0, string.match(KEYS[1], '[^:]+$'))
end
redis.call('PUBLISH', KEYS[2], (last - #ARGV + 5) .. '\n' .. table.concat(ARGV, '\n', 5))
return 1
