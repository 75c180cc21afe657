-- A page of a log: the entries behind a number, as many as it holds; if there are none, the log's last entry.
-- Answers the number of the first one, 1 if more follow (otherwise 0), and the entries; nothing without a log.
-- KEYS: log
-- ARGV: the number, the most entries, how many bytes fill a page
local from, most, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local length = redis.call('LLEN', KEYS[1])
if length == 0 then
  return false
end
from = math.min(from, length - 1)
local entries, size, step = {}, 0, 1
while from + #entries < length and #entries < most and size < bytes do
  local start = from + #entries
  local some = redis.call('LRANGE', KEYS[1], start, start + math.min(step, most - #entries) - 1)
  for _, entry in ipairs(some) do
    entries[#entries + 1] = entry
    size = size + #entry
  end
  step = math.min(2 * step, 32) -- large entries are found out before many of them are read
end
return { from + 1, from + #entries < length and 1 or 0, entries }
