-- Record a prediction with its first event; answers its lane and its ticket, or -1 when it is there already.
-- What is sent again changes nothing: answers the id that it repeats, or -2 when its fingerprint is another one.
-- KEYS: record, log, account, outstanding, outbox, lines, deadlines, and if it may be sent again: what is remembered of it
-- ARGV: id, spec, status, attempt, charged, the first event, owner (of what is outstanding),
--   lane ('': by how much the owner has outstanding, and into the outbox), when it was created in ms,
--   when its deadline passes in ms ('': it has none), how it is sent ('': once), its fingerprint,
--   for how many ms it is remembered, for how many ms its data stays after its end ('': for ever),
--   whether a reply will be owed ('': no), how many fields its webhook adds, they: name, value..., thresholds...
local id, spec, status, attempt, charged, event, owner, lane, created = unpack(ARGV, 1, 9)
local due, sent, fingerprint, lifetime, retention, asked, hook = unpack(ARGV, 10, 16)
local hooked = 16 + 2 * tonumber(hook)
if redis.call('EXISTS', KEYS[1]) == 1 then
  return -1
end
if sent == 'unmarked' then
  local missed, free = redis.call('HGETALL', KEYS[8]), nil
  for place = 1, #missed, 2 do
    if missed[place + 1] == id then
      return missed[place]
    elseif missed[place + 1] == '' then
      free = free or missed[place]
    end
  end
  if free then
    redis.call('HSET', KEYS[8], free, id)
    return free
  end
elseif sent == 'named' or sent == 'again' then
  local remembered = redis.call('GET', KEYS[8])
  if remembered then
    local its_fingerprint, earlier = string.match(remembered, '^(%S*) (%S+)$')
    return its_fingerprint == fingerprint and earlier or -2
  end
end
local before = redis.call('HINCRBY', KEYS[4], owner, 1) - 1
if lane == '' then
  lane = 0
  for place = hooked + 1, #ARGV do
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
if hook ~= '0' then
  redis.call('HSET', KEYS[1], unpack(ARGV, 17, hooked))
end
if charged ~= '0' then
  redis.call('HSET', KEYS[1], 'charged', charged)
end
if retention ~= '' then
  redis.call('HSET', KEYS[1], 'retention', retention)
end
if asked ~= '' then
  redis.call('HSET', KEYS[1], 'asked', 1)
end
if due ~= '' then
  redis.call('HSET', KEYS[1], 'bounded', 1)
  redis.call('ZADD', KEYS[7], due, id)
end
if sent ~= '' and sent ~= 'unmarked' then
  redis.call('SET', KEYS[8], fingerprint .. ' ' .. id, 'PX', lifetime)
  redis.call('HSET', KEYS[1], 'once', KEYS[8])
end
redis.call('RPUSH', KEYS[2], event)
redis.call('ZADD', KEYS[3], 0, id)
return { tonumber(lane), ticket }
