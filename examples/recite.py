"""Recites a text to many listeners at once, word by word: an asynchronous model that waits most of the time.

    leveret serve examples/recite.py

    curl -s -H 'Content-Type: application/json' -d '{"input": {"start": 10, "pause": 0.3}}' \
      http://127.0.0.1:8000/v1/models/local/recite/predictions
    curl -sN http://127.0.0.1:8000/v1/predictions/ID/events

A model that asks another service, or that hands its prompts to an engine which batches by itself, looks the same.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from leveret import Context, model

TEXT = Path(__file__).parent / "texts" / "harbour.txt"


@model(name="recite", concurrency=32)
class Recite:
    """Recites from a text, word by word."""

    async def setup(self) -> None:
        """Read the text."""
        self.words = (await asyncio.to_thread(TEXT.read_text, encoding="utf-8")).split()

    async def predict(
        self,
        context: Context,
        start: Annotated[int, Field(ge=0, description="how many words to leave out")] = 0,
        words: Annotated[int, Field(ge=1, le=1000, description="how many words to recite")] = 60,
        pause: Annotated[float, Field(ge=0, le=10, description="seconds between two words")] = 0.1,
    ) -> AsyncIterator[str]:
        """Recite, each word with the space before it."""
        try:
            for place, word in enumerate(self.words[start : start + words]):
                await asyncio.sleep(pause)
                yield f" {word}" if place else word
        except asyncio.CancelledError:
            context.log("interrupted")
            raise
