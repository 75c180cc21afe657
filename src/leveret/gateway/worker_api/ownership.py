"""Ownership: of which model predictions are, remembered, since it never changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from leveret.core.ports import Models
from leveret.errors import PredictionNotFound

MOST: Final = 50_000
"""How many predictions it remembers."""


class Ownership:
    """What a worker claims is remembered, so that whatever else it says of that costs no other look into the store."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._known: dict[str, str] = {}

    def learn(self, prediction_id: str, model: str) -> None:
        """The store has said so."""
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[prediction_id] = model

    async def foreign(self, prediction_ids: Sequence[str], models: Collection[str]) -> frozenset[str]:
        """Those of another model than these. What has no record is nobody's: nothing can be done with it."""
        unknown = [one for one in prediction_ids if one not in self._known]
        if unknown:
            for one, model in zip(unknown, await self._models.models(unknown), strict=True):
                if model is not None:
                    self.learn(one, model)
        found = self._known
        return frozenset(one for one in prediction_ids if one in found and found[one] not in models)

    async def check(self, prediction_id: str, models: Collection[str]) -> None:
        """Raises PredictionNotFound if it is of another model than these."""
        if await self.foreign([prediction_id], models):
            raise PredictionNotFound(prediction_id=prediction_id)
