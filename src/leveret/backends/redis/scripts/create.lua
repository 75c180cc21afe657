-- Record a prediction with its first event; answers its lane and its ticket, or -1 when it is there already.
-- KEYS: record, log, account, outstanding, outbox, lines, and if it has a deadline: deadlines
-- ARGV: id, spec, status, attempt, charged, the first event, owner (of what is outstanding),
--   lane ('': by how much the owner has outstanding, and into the outbox), when it was created in ms, thresholds...,
--   and if it has a deadline: when that passes in ms
local id, spec, status, attempt, charged, event, owner, lane, created = unpack(ARGV, 1, 9)
if redis.call('EXISTS', KEYS[1]) == 1 then
  return -1
end
local before = redis.call('HINCRBY', KEYS[4], owner, 1) - 1
if lane == '' then
  lane = 0
  for place = 10, #ARGV - (KEYS[7] and 1 or 0) do
    if before >= tonumber(ARGV[place]) then
      lane = lane + 1
    end
  end
  redis.call('ZADD', KEYS[5], created, id)
end
local ticket = redis.call('HINCRBY', KEYS[6], string.match(owner, '^[^ ]+') .. ' entered ' .. lane, 1)
redis.call(
  'HSET', KEYS[1], 'spec', spec, 'status', status, 'attempt', attempt, 'lane', lane, 'owner', owner, 'ticket', ticket
)
if charged ~= '0' then
  redis.call('HSET', KEYS[1], 'charged', charged)
end
if KEYS[7] then
  redis.call('HSET', KEYS[1], 'bounded', 1)
  redis.call('ZADD', KEYS[7], ARGV[#ARGV], id)
end
redis.call('RPUSH', KEYS[2], event)
redis.call('ZADD', KEYS[3], 0, id)
return { tonumber(lane), ticket }
