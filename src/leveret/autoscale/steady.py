"""Steadiness: up at once, down only when less has been enough for a while."""

from __future__ import annotations

from collections import deque


class Steady:
    """Answers the most that was wanted within the last `patience` seconds."""

    def __init__(self, *, patience: float) -> None:
        self._patience = patience
        self._seen: deque[tuple[float, int]] = deque()
        """When so much was last wanted; from the most to the least, and from the oldest to the newest."""

    def of(self, wanted: int, *, at: float) -> int:
        """So much is wanted at this time, on a clock that only goes forward."""
        while self._seen and self._seen[-1][1] <= wanted:
            self._seen.pop()
        self._seen.append((at, wanted))
        while self._seen[0][0] < at - self._patience:
            self._seen.popleft()
        return self._seen[0][1]
