-- The secret of an account; if it has none, this one from now on.
-- KEYS: secrets
-- ARGV: account, secret
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
