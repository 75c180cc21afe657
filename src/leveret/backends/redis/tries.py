"""Tries: whether commands and keys are allowed, found out without anything being done.

Redis judges a command when it is queued behind MULTI. DISCARD forgets them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from redis.exceptions import NoPermissionError, ResponseError

from leveret.backends.redis.connection import Command, Connection, Part, Reply, pack

_BEHIND: Final[Mapping[str, tuple[Part, ...]]] = {
    "set": ("x",),
    "hdel": ("f",),
    "hget": ("f",),
    "hincrby": ("f", 1),
    "hincrbyfloat": ("f", 1),
    "hmget": ("f",),
    "hset": ("f", "x"),
    "hsetnx": ("f", "x"),
    "lindex": (0,),
    "lrange": (0, 0),
    "ltrim": (0, 0),
    "rpush": ("x",),
    "lpush": ("x",),
    "zadd": (1, "x"),
    "zrange": (0, 0),
    "zrem": ("x",),
    "zmscore": ("x",),
    "zscore": ("x",),
    "zrevrangebylex": ("+", "-"),
    "sadd": ("x",),
    "srem": ("x",),
    "expire": (1,),
    "pexpire": (1,),
}
"""What stands behind the key."""

_KEYLESS: Final[Mapping[str, tuple[Part, ...]]] = {
    "select": (0,),
    "ping": (),
    "time": (),
    "info": (),
    "script|load": ("return 0",),
    "eval": ("return 0", 0),
    "evalsha": ("0" * 40, 0),
}

_ELSEWHERE: Final = frozenset({"multi", "discard", "subscribe", "unsubscribe"})
"""Commands that cannot stand behind MULTI."""


class Refused(Exception):
    """There is no finding out: MULTI itself is not allowed."""


async def ask(connection: Connection, *command: Part) -> Reply | ResponseError:
    """The answer to one command. Raises one of LOST."""
    await connection.send([pack(command)])
    return await connection.read()


async def refused(connection: Connection, commands: Mapping[str, Command]) -> list[str]:
    """The names of those that are not allowed; none is carried out. Raises Refused and one of LOST."""
    if isinstance(await ask(connection, "MULTI"), ResponseError):
        raise Refused
    found = [name for name, command in commands.items() if await _refuses(connection, command)]
    await ask(connection, "DISCARD")
    return found


def commands(names: Sequence[str], *, key: str) -> Mapping[str, Command]:
    """A harmless form of each of these commands, as far as they can be tried so."""
    return {name: _command(name, key=key) for name in names if name not in _ELSEWHERE}


async def subscribes(connection: Connection, channel: str) -> bool:
    """Whether this user may listen to it. Nothing else can be asked on this connection before `unsubscribed`."""
    answer = await ask(connection, "SUBSCRIBE", channel)
    if isinstance(answer, ResponseError):
        return False
    await ask(connection, "UNSUBSCRIBE", channel)
    return True


def _command(name: str, *, key: str) -> Command:
    words = tuple(name.upper().split("|"))
    if name in _KEYLESS:
        return (*words, *_KEYLESS[name])
    if name == "publish":
        return (*words, key.replace(":p:", ":e:"), "x")
    if name == "rename":
        return (*words, key, key)
    return (*words, key, *_BEHIND.get(name, ()))


async def _refuses(connection: Connection, command: Command) -> bool:
    answer = await ask(connection, *command)
    return isinstance(answer, NoPermissionError)
