"""The catalog: which models are served, remembered for a second so that no request has to ask the store."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from leveret.core.card import Card, Listing
from leveret.core.ports import Registry
from leveret.core.prediction import MODEL_NAME
from leveret.errors import ModelNotFound, StoreUnavailable, Unavailable, VersionNotFound
from leveret.gateway.inputs import InputSchema

PERIOD: Final = 1.0
"""Seconds between two renewals."""

GAP: Final = 0.1
"""Seconds that at least lie between two renewals, however many unknown models are asked for."""

_VERSION_ID: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN: Final = 20

_log = structlog.get_logger()


class Served(Struct, frozen=True):
    """A model as it is served: its card, how many workers are alive, what is wrong, and its input schema, compiled.

    `able` is how many of the workers have no problem.
    """

    card: Card
    workers: int
    able: int
    problem: str | None
    schema: InputSchema

    @property
    def slots(self) -> int:
        """How many of its runs can be under way at once, if all its workers are alike."""
        return self.able * self.card.slots


class Catalog:
    """The models that the registry lists.

    `run` renews it every second. Who asks for what it does not know waits for a renewal begun after the
    question, so a model is found as soon as it is announced; all who ask at that moment share one.
    """

    def __init__(self, *, registry: Registry) -> None:
        self.revision = 0
        """Counts the changes to the cards."""
        self._registry = registry
        self._models: dict[str, Served] = {}
        self._versions: dict[str, Served] = {}
        self._renewing = asyncio.Lock()
        self._began = -inf
        self._trouble: Unavailable | None = StoreUnavailable(reason="it has not been asked yet")

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            healthy = self._trouble is None
            try:
                await self.renew()
            except Unavailable as error:
                if healthy:
                    _log.warning("the catalog grows old", reason=str(error))
            await asyncio.sleep(PERIOD)

    async def renew(self) -> None:
        """Ask the registry, or share the answer to somebody who asks now. Raises Unavailable."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        async with self._renewing:
            if self._began <= asked:
                await asyncio.sleep(max(0.0, self._began + GAP - clock()))
                self._began = clock()
                await self._ask()
        if self._trouble is not None:
            raise type(self._trouble)(**self._trouble.data)

    async def models(self) -> Sequence[Served]:
        """Every model, by name. Raises Unavailable if it knows none and cannot learn."""
        if not self._models:
            await self.renew()
        return list(self._models.values())

    async def model(self, name: str) -> Served:
        """The model `owner/name`. Raises ModelNotFound."""
        if MODEL_NAME.fullmatch(name):
            served = await self._find(lambda: self._models.get(name))
            if served is not None:
                return served
        raise ModelNotFound(model=name, known=self._known())

    def known(self, name: str) -> Served | None:
        """The model, if it has been seen."""
        return self._models.get(name)

    async def version(self, reference: str) -> Served:
        """The model that `owner/name`, `owner/name:version` or a version's id stands for.

        Raises ModelNotFound or VersionNotFound.
        """
        name, _, version = reference.partition(":")
        if "/" not in name:
            return await self._version(reference, lambda: self._versions.get(reference))
        served = await self.model(name)
        if not version or served.card.version == version:
            return served
        return await self._version(version, lambda: self._exactly(name, version))

    async def _version(self, version: str, pick: Callable[[], Served | None]) -> Served:
        served = await self._find(pick) if _VERSION_ID.fullmatch(version) else pick()
        if served is None:
            raise VersionNotFound(version=version)
        return served

    async def _find(self, pick: Callable[[], Served | None]) -> Served | None:
        served = pick()
        if served is None:
            await self.renew()
            served = pick()
        return served

    def _exactly(self, name: str, version: str) -> Served | None:
        served = self._models.get(name)
        return served if served is not None and served.card.version == version else None

    async def _ask(self) -> None:
        try:
            listings = await self._registry.cards()
        except Unavailable as error:
            self._trouble = error
            return
        self._trouble = None
        models = {listing.card.model: self._serve(listing) for listing in listings}
        if [served.schema for served in models.values()] != [served.schema for served in self._models.values()]:
            self.revision += 1
        self._models = models
        self._versions = {served.card.version: served for served in models.values()}

    def _serve(self, listing: Listing) -> Served:
        known = self._models.get(listing.card.model)
        if known is not None and known.card == replace(listing.card, announced_at=known.card.announced_at):
            schema = known.schema
        else:
            schema = InputSchema(listing.card)
        problem = listing.problems[0] if listing.problems else None
        able = listing.workers - len(listing.problems)
        return Served(card=listing.card, workers=listing.workers, able=able, problem=problem, schema=schema)

    def _known(self) -> str:
        names = list(self._models)
        shown = ", ".join(names[:_SHOWN]) or "none yet"
        return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
