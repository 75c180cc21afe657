"""Permissions: what each role has to be allowed in Redis, and not more.

The rules stand here once: `leveret permissions` prints them, `leveret doctor` and the tests try them out. A test
compares the commands with those that the scripts and modules here use.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from leveret.backends.roles import Duties

CONNECTION: Final = ("select", "ping", "script|load", "evalsha", "time")
"""What a connection needs whatever it is for."""

EXAMINATION: Final = ("info", "multi", "discard")
"""What `leveret doctor` needs: it queues commands and discards them, so that nothing is done."""

RUNNING: Final = (
    *("exists", "get", "set"),
    *("hdel", "hget", "hgetall", "hincrby", "hincrbyfloat", "hmget", "hset"),
    *("lindex", "llen", "lrange", "rpush", "publish"),
    *("zadd", "zrange", "zrem"),
)
"""What claims, reports and ends runs, and announces models."""

LARGE: Final = ("eval", "expire", "persist", "rename", "sadd", "smembers", "srem", "unlink", "del")
"""What puts large values into the store, and removes them."""

ACCEPTING: Final = (
    *("hsetnx", "hvals", "lpush", "ltrim", "pexpire", "zcard", "zmscore", "zrevrangebylex", "zscore"),
    *("subscribe", "unsubscribe"),
)
"""What gateways need beside that."""

_WORKERS_KEYS: Final = (
    *("p:*", "e:*", "account:*", "outstanding", "lines", "outbox", "waiting", "leases", "deadlines", "expiry"),
    *("unreplied", "hooks", "cards", "presence", "problems", "usage", "leader:*", "dead", "dead:*", "dead-models"),
    *("blob:*", "blobs:*"),
)
"""What workers need of the namespace: no API keys, no secrets, no files of clients, no limits of accounts."""


class Permissions(Struct, frozen=True):
    """Patterns of keys and of channels, and commands."""

    keys: tuple[str, ...]
    channels: tuple[str, ...]
    commands: tuple[str, ...]

    def rules(self) -> list[str]:
        """As ACL SETUSER takes them."""
        return [
            *(f"~{key}" for key in self.keys),
            *(f"&{channel}" for channel in self.channels),
            "-@all",
            *(f"+{command}" for command in self.commands),
        ]


def permissions(duties: Duties, *, namespace: str) -> Permissions | None:
    """What it needs; None if that is no store at all."""
    if not duties.stores:
        return None
    logs = (f"{namespace}:e:*",)
    if duties.accepts:
        commands = (*CONNECTION, *EXAMINATION, *RUNNING, *LARGE, *ACCEPTING)
        return Permissions((f"{namespace}:*",), logs, commands)
    keys = [*_WORKERS_KEYS, *(["secret:*"] if duties.answers else [])]
    return Permissions(tuple(f"{namespace}:{key}" for key in keys), logs, (*CONNECTION, *EXAMINATION, *RUNNING, *LARGE))


def commands(user: str, found: Permissions, *, password: str = "PASSWORD") -> list[str]:  # noqa: S107 - a placeholder
    """What makes such a user, for redis-cli."""
    return [" ".join(["ACL", "SETUSER", user, "reset", "on", f">{password}", *found.rules()])]
