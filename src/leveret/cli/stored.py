"""What a command asks of the store itself: it is run where the servers' settings are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from leveret import config
from leveret.backends import connect
from leveret.core.ports import Store
from leveret.errors import DataFolderInUse, ServerHasStore

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""For how long a store may be away, in seconds."""


def do(what: Callable[[Store], Awaitable[T]]) -> T:
    """What that answers. Raises InvalidSetting, ServerHasStore and StoreUnavailable."""

    async def done() -> T:
        settings = config.load(environment=os.environ, flags={})
        async with connect(settings, patience=_PATIENCE) as backends:
            return await what(backends.store)

    try:
        return asyncio.run(done())
    except DataFolderInUse as error:
        raise ServerHasStore(**error.data) from error
