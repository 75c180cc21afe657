"""Health: whether the process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from leveret.core.ports import Broker
from leveret.errors import Unavailable
from leveret.gateway.catalog import Catalog

PATIENCE: Final = 2.0
"""Seconds in which the store must answer."""


class Health:
    """The endpoints for whoever starts, stops and routes to gateways."""

    def __init__(self, *, broker: Broker, catalog: Catalog) -> None:
        self._broker = broker
        self._catalog = catalog

    async def live(self, _request: Request) -> Response:
        """The process answers: do not restart it."""
        return JSONResponse({"status": "live"})

    async def ready(self, _request: Request) -> Response:
        """It can accept predictions; otherwise what is wrong."""
        if wrong := await self.wrong():
            raise Unavailable(**wrong)
        return JSONResponse({"status": "ready"})

    async def wrong(self) -> Mapping[str, str]:
        """What keeps it from accepting predictions: a broker that takes no messages, a store that does not answer."""
        wrong: dict[str, str] = {}
        if not self._broker.accepting:
            wrong["broker"] = "it is not connected, or an alarm blocks publishers"
        try:
            async with asyncio.timeout(PATIENCE):
                await self._catalog.renew()
        except TimeoutError:
            wrong["store"] = f"it has not answered for {PATIENCE:g} seconds"
        except Unavailable as error:
            wrong["store"] = str(error)
        return wrong
