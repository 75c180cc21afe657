"""A tiny language model that streams: it learned which word follows which two from one short text.

    leveret serve examples/textgen.py

    curl -s -H 'Content-Type: application/json' -d '{"input": {"prompt": "The harbour", "pause": 0.1}}' \
      http://127.0.0.1:8000/v1/models/local/textgen/predictions
    curl -sN http://127.0.0.1:8000/v1/predictions/ID/events
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from leveret import model

TEXT = Path(__file__).parent / "texts" / "harbour.txt"
MEMORY = 2
"""How many words the next one depends on."""


@model(name="textgen")
class TextGen:
    """Goes on from a prompt, word by word."""

    def setup(self) -> None:
        """Learn from the text: what follows each word, and each pair of words."""
        words = TEXT.read_text(encoding="utf-8").split()
        self.followers: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for length in range(MEMORY + 1):
            for end in range(length, len(words)):
                self.followers[tuple(words[end - length : end])][words[end]] += 1

    def predict(
        self,
        prompt: Annotated[str, Field(max_length=10_000, description="what to go on from")] = "",
        words: Annotated[int, Field(ge=1, le=10_000, description="how many words to write")] = 60,
        temperature: Annotated[float, Field(gt=0, le=10, description="below 1: tame, above 1: wild")] = 1.0,
        seed: Annotated[int | None, Field(description="the same seed writes the same words")] = None,
        pause: Annotated[float, Field(ge=0, le=1, description="seconds between two words")] = 0.0,
    ) -> Iterator[str]:
        """Write on, each word with the space before it."""
        chance = random.Random(seed)
        written = prompt.split()
        for _ in range(words):
            word = self._next(written, temperature, chance)
            yield f" {word}" if written else word
            written = [*written, word][-MEMORY:]
            time.sleep(pause)

    def _next(self, written: list[str], temperature: float, chance: random.Random) -> str:
        """A word that has followed the last ones; if they never stood together, one that followed the last."""
        for length in range(min(MEMORY, len(written)), -1, -1):
            known = self.followers.get(tuple(written[len(written) - length :]))
            if known:
                weights = [count ** (1 / temperature) for count in known.values()]
                return chance.choices(list(known), weights)[0]
        raise ValueError(f"nothing was learned from {TEXT}; it needs some words")
