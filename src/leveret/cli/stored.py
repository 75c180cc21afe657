"""What a command asks of the store itself: it is run where the servers' settings are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from leveret import config
from leveret.backends import connect
from leveret.core.ports import Store

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""For how long a store may be away, in seconds."""


def do(what: Callable[[Store], Awaitable[T]]) -> T:
    """What that answers. Raises InvalidSetting, DataFolderInUse and StoreUnavailable."""

    async def done() -> T:
        settings = config.load(environment=os.environ, flags={})
        async with connect(settings, patience=_PATIENCE) as backends:
            return await what(backends.store)

    return asyncio.run(done())
