"""The steps the tests of the Redis store are told in."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Raw

from leveret.backends.redis import replies, scripts
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.connection import Connector, Part, Reply
from leveret.core.events import Output
from leveret.core.ports import Running
from leveret.testing.conformance.arrange import PATIENCE


@asynccontextmanager
async def open_line(url: str, *, patience: float = PATIENCE) -> AsyncIterator[Batcher]:
    line = Batcher(Connector(url), scripts=list(scripts.load()), patience=patience)
    task = asyncio.create_task(line.run())
    yield line
    task.cancel()
    await asyncio.wait([task])


async def ask(line: Batcher, *command: Part) -> Reply:
    (reply,) = await line.send([command])
    return reply


async def statistic(line: Batcher, name: str) -> int:
    """What the server counts under this name."""
    found = re.search(rb"%s:(\d+)" % name.encode(), replies.text(await ask(line, "INFO", "stats")) or b"")
    assert found is not None
    return int(found[1])


async def keys(line: Batcher, namespace: str) -> list[bytes]:
    return sorted(replies.strings(await ask(line, "KEYS", f"{namespace}:*")))


async def state(line: Batcher, namespace: str) -> dict[bytes, Reply]:
    """Everything in the namespace, but for when leases expire."""
    return {key: await _value(line, key) for key in await keys(line, namespace)}


def output(run: Running) -> Output:
    return Output(at=time.time(), attempt=run.attempt, chunks=[Raw(b"1")])


async def _value(line: Batcher, key: bytes) -> Reply:
    match await ask(line, "TYPE", key):
        case b"hash":
            fields = replies.mapping(await ask(line, "HGETALL", key))
            return [part for name, value in sorted(fields.items()) if name != b"lease" for part in (name, value)]
        case b"list":
            return await ask(line, "LRANGE", key, 0, -1)
        case _:
            return await ask(line, "ZRANGE", key, 0, -1)
