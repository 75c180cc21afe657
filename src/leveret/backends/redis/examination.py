"""The examination of the store: is it there, new enough, does it keep what it is told, and allow what it should?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from redis.exceptions import RedisError, ResponseError

from leveret import tls
from leveret.backends import certificates
from leveret.backends.findings import Finding, Level, in_the_clear
from leveret.backends.redis import replies, tries
from leveret.backends.redis.connection import Connection, Connector, Reply, encrypted
from leveret.backends.redis.permissions import Permissions, permissions
from leveret.backends.roles import Duties
from leveret.tls import Files

OLDEST: Final = (7, 0)
"""The first version with the rules of access that are used here."""

APART: Final = 2.0
"""Seconds by which clocks may differ before it is worth a word."""

FAR_APART: Final = 30.0
"""Seconds from which on deadlines and retention go wrong so that it shows."""

_FULL: Final = 0.9
_PATIENCE: Final = 30.0
_PART: Final = "store"


async def examine(url: str, duties: Duties, *, namespace: str, files: Files) -> list[Finding]:
    """What there is to say about it. Raises InvalidSetting."""
    wanted = permissions(duties, namespace=namespace)
    if wanted is None:
        return [Finding(_PART, Level.FINE, f"the role {duties.role} has nothing to do with it")]
    found = in_the_clear(_PART, url, setting="store_url", scheme="rediss://")
    connector = Connector(url, files)
    try:
        async with asyncio.timeout(_PATIENCE), connector.connect() as connection:
            found += await _server(connection)
            if (place := encrypted(url)) is not None:
                found += await certificates.examine(_PART, *place, files)
            found += await _permissions(connection, wanted, duties, namespace)
    except (RedisError, OSError, TimeoutError) as error:
        says = f"it cannot be used: {str(error) or f'no answer within {_PATIENCE:g} s'}"
        fix = "check the address, the user and the password in store_url, and that Redis runs there"
        found.append(Finding(_PART, Level.PROBLEM, says, "" if tls.explained(error, tls.STORE) else fix))
    return found


async def _server(connection: Connection) -> list[Finding]:
    before = time.time()
    clock = await tries.ask(connection, "TIME")
    local = (before + time.time()) / 2
    info = await tries.ask(connection, "INFO")
    found = [clocks(_seconds(clock) - local)] if isinstance(clock, list) else []
    if not isinstance(info, bytes):
        fix = "allow it INFO, as `leveret permissions` prints; servers do not need it, the doctor does"
        return [*found, Finding(_PART, Level.WARNING, f"it does not tell how it is set up: {info}", fix)]
    fields = dict(line.split(":", 1) for line in info.decode(errors="replace").splitlines() if ":" in line)
    return [_version(fields), *found, *durability(fields)]


def clocks(apart: float) -> Finding:
    """What it means that the store's clock is so many seconds before this one's."""
    says = f"its clock and this machine's are {abs(apart):.1f} s apart"
    if abs(apart) <= APART:
        return Finding("clock", Level.FINE, says)
    level = Level.PROBLEM if abs(apart) > FAR_APART else Level.WARNING
    return Finding("clock", level, says, "have both synchronised, as by chrony: deadlines and retention go by them")


def durability(fields: Mapping[str, str]) -> list[Finding]:
    """Whether what it is told stays, by what INFO says."""
    found: list[Finding] = []
    if fields.get("aof_enabled") != "1":
        fix = "set `appendonly yes` in redis.conf, and `CONFIG SET appendonly yes` now"
        found.append(Finding(_PART, Level.PROBLEM, "it forgets predictions when it is restarted: there is no AOF", fix))
    elif fields.get("aof_last_write_status", "ok") != "ok":
        says = "it cannot write its AOF any more"
        found.append(Finding(_PART, Level.PROBLEM, says, "look at its log, and make room on its disk"))
    if fields.get("role") == "slave":
        says = "it is a replica, which takes no changes"
        found.append(Finding(_PART, Level.PROBLEM, says, "let store_url name the primary"))
    if fields.get("cluster_enabled") == "1":
        says = "it is a Redis Cluster, over which one script cannot reach all keys"
        found.append(Finding(_PART, Level.PROBLEM, says, "use one Redis without cluster mode"))
    found += _memory(fields)
    return found or [Finding(_PART, Level.FINE, "it keeps what it is told: AOF is on, and nothing is evicted")]


def _memory(fields: Mapping[str, str]) -> list[Finding]:
    policy, limit = fields.get("maxmemory_policy", "noeviction"), int(fields.get("maxmemory", "0"))
    found: list[Finding] = []
    if policy != "noeviction":
        level = Level.PROBLEM if limit else Level.WARNING
        says = f"when memory is short it throws keys away: maxmemory-policy is {policy}"
        found.append(Finding(_PART, level, says, "set `maxmemory-policy noeviction`"))
    if limit and int(fields.get("used_memory", "0")) > _FULL * limit:
        says = f"more than {_FULL:.0%} of its maxmemory is used"
        found.append(Finding(_PART, Level.WARNING, says, "raise maxmemory, or shorten `retention`"))
    return found


async def _permissions(connection: Connection, wanted: Permissions, duties: Duties, namespace: str) -> list[Finding]:
    fix = f"give it what `leveret permissions {duties.role}` prints"
    commands = tries.commands(wanted.commands, key=f"{namespace}:p:doctor")
    keys = {key: ("EXISTS", key.replace("*", "doctor")) for key in wanted.keys}
    beyond = {"keys outside of the namespace": ("EXISTS", f"{namespace}-doctor")}
    if not duties.accepts:
        beyond["API keys"] = ("EXISTS", f"{namespace}:credentials")
    try:
        lacks = await tries.refused(connection, {**commands, **keys})
        reached = beyond.keys() - set(await tries.refused(connection, beyond))
    except tries.Refused:
        return [Finding(_PART, Level.WARNING, "its rights cannot be found out: MULTI is refused", fix)]
    extra = sorted(reached)
    if not isinstance(await tries.ask(connection, "CONFIG", "GET", "maxmemory"), ResponseError):
        extra.append("CONFIG")
    if "subscribe" in wanted.commands and not await tries.subscribes(connection, f"{namespace}:e:doctor"):
        lacks.append("subscribe")
    found: list[Finding] = []
    if lacks:
        found.append(Finding(_PART, Level.PROBLEM, f"this user may not use: {', '.join(lacks)}", fix))
    if extra:
        found.append(Finding(_PART, Level.WARNING, f"this user reaches, without need: {', '.join(extra)}", fix))
    return found or [Finding(_PART, Level.FINE, f"its rights are those of the role {duties.role}")]


def _version(fields: Mapping[str, str]) -> Finding:
    name, version = "Redis", fields.get("redis_version", "")
    if "valkey_version" in fields:
        name, version = "Valkey", fields["valkey_version"]
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        says = f"it is {name} {version or 'of an unknown version'}, and Redis 7 or Valkey is needed"
        return Finding(_PART, Level.PROBLEM, says, "upgrade it")
    return Finding(_PART, Level.FINE, f"it answers: {name} {version}")


def _seconds(clock: Sequence[Reply]) -> float:
    seconds, micros = replies.strings(list(clock))
    return int(seconds) + int(micros) / 1e6
