-- Remember that the answer to a create has not reached its client; answers 1.
-- KEYS: what was missed
-- ARGV: id, for how many ms
redis.call('HSET', KEYS[1], ARGV[1], '')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
