-- Record a prediction with its first event; answers its lane and its ticket, or -1 when it is there already.
-- What is sent again changes nothing: answers the id that it repeats, or -2 when its fingerprint is another one.
-- What its account may not is refused: answers -3 and how many of it wait, or -4 and in how many ms it may.
-- KEYS: record, log, account, outstanding, outbox, lines, deadlines, usage, and if it may be sent again: what is remembered of it
-- ARGV: id, spec, status, attempt, charged, the first event, owner (of what is outstanding),
--   lane ('': by how much the owner has outstanding, and into the outbox), when it was created in ms,
--   when its deadline passes in ms ('': it has none), how it is sent ('': once), its fingerprint,
--   for how many ms it is remembered, for how many ms its data stays after its end ('': for ever),
--   whether a reply will be owed ('': no), how many predictions its account may create in a second, how many at once,
--   how many may wait and how many may run (each '': any), how many fields its webhook adds, they: name, value..., thresholds...
local id, spec, status, attempt, charged, event, owner, lane, created = unpack(ARGV, 1, 9)
local due, sent, fingerprint, lifetime, retention, asked, rate, burst, queued, running, hook = unpack(ARGV, 10, 20)
local hooked = 20 + 2 * tonumber(hook)
if redis.call('EXISTS', KEYS[1]) == 1 then
  return -1
end
if sent == 'unmarked' then
  local missed, free = redis.call('HGETALL', KEYS[9]), nil
  for place = 1, #missed, 2 do
    if missed[place + 1] == id then
      return missed[place]
    elseif missed[place + 1] == '' then
      free = free or missed[place]
    end
  end
  if free then
    redis.call('HSET', KEYS[9], free, id)
    return free
  end
elseif sent == 'named' or sent == 'again' then
  local remembered = redis.call('GET', KEYS[9])
  if remembered then
    local its_fingerprint, earlier = string.match(remembered, '^(%S*) (%S+)$')
    return its_fingerprint == fingerprint and earlier or -2
  end
end
local account = string.match(owner, ' (.*)$')
if queued ~= '' then
  local waiting = tonumber(redis.call('HGET', KEYS[8], account .. ' waiting') or 0)
  if waiting >= tonumber(queued) then
    return { -3, waiting }
  end
end
if rate ~= '' then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local full, per_ms = tonumber(burst), tonumber(rate) / 1000
  local tokens, at = string.match(redis.call('HGET', KEYS[8], account .. ' bucket') or '', '^(%S+) (%S+)$')
  local passed = now - tonumber(at or now)
  if passed < -1000 then -- the clock was set back: see core.limits.refilled
    tokens = full
  end
  tokens = math.min(full, tonumber(tokens or full) + math.max(0, passed) * per_ms)
  if tokens < 1 then
    return { -4, math.ceil((1 - tokens) / per_ms) }
  end
  redis.call('HSET', KEYS[8], account .. ' bucket', (tokens - 1) .. ' ' .. string.format('%.0f', now))
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
if queued ~= '' or running ~= '' then
  redis.call('HSET', KEYS[1], 'cap', running)
  redis.call('HINCRBY', KEYS[8], account .. ' waiting', 1)
end
if hook ~= '0' then
  redis.call('HSET', KEYS[1], unpack(ARGV, 21, hooked))
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
  redis.call('SET', KEYS[9], fingerprint .. ' ' .. id, 'PX', lifetime)
  redis.call('HSET', KEYS[1], 'once', KEYS[9])
end
redis.call('RPUSH', KEYS[2], event)
redis.call('ZADD', KEYS[3], 0, id)
return { tonumber(lane), ticket }
