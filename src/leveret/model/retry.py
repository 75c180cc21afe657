"""Retry: what a model raises that wants to try this prediction again later."""

from __future__ import annotations


class Retry(Exception):
    """Run this prediction again, `after` so many seconds if that is known: `raise Retry("quota", after=30)`.

    It counts against the limit of runs; the last one fails the prediction with the reason. What the run has put out
    no longer counts.
    """

    reason: str = ""
    after: float | None = None

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(*filter(None, [reason]))
        self.reason = reason
        self.after = None if after is None else float(after)
