"""The store on Redis 7 or Valkey 8: records as hashes, logs as lists, changes as scripts, one pipeline per tick."""
