"""Cards: what a worker with a key announces of its model, looked at before everybody is shown it."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

import jsonschema_rs
import msgspec
from msgspec.structs import replace

from leveret.core.card import Card
from leveret.core.wire import LATEST
from leveret.errors import InvalidRequest
from leveret.gateway.catalog import Catalog


class Cards:
    """Looks at cards, at those that have not changed once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._seen: dict[str, Card] = {}

    async def checked(self, card: Card, models: Collection[str]) -> Card:
        """The card as it may be shown: lists, estimates and documents of all models are made of it.

        Raises InvalidRequest, and Unavailable.
        """
        if self._seen.get(card.model) != card:
            _check(card)
            self._seen[card.model] = card
        return await self._with_own_version(card, models)

    async def _with_own_version(self, card: Card, models: Collection[str]) -> Card:
        """A version's id stands for a model in requests, and shall not lead away from one that is another key's."""
        for served in await self._catalog.models():
            other = served.card
            if other.version == card.version and other.model != card.model and other.model not in models:
                return replace(card, version=sha256(f"{card.model}:{card.version}".encode()).hexdigest())
        return card


def _check(card: Card) -> None:
    for schema in (card.input_schema, card.output_schema):
        if not _is_schema(bytes(schema)):
            raise InvalidRequest(reason=f"the card of {card.model} has what is no JSON Schema")
    times = (card.queue_timeout, card.total_timeout, card.retention, card.reuse)
    if card.slots < 1 or card.batch < 1 or not all(time is None or 0 < time <= LATEST for time in times):
        raise InvalidRequest(reason=f"the card of {card.model} has numbers that cannot be")
    if not 0 <= card.announced_at <= LATEST:
        raise InvalidRequest(reason="`announced_at` must be a time in Unix seconds")


def _is_schema(schema: bytes) -> bool:
    try:
        value = msgspec.json.decode(schema)
        return isinstance(value, dict) and jsonschema_rs.meta.is_valid(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
