"""A scrape: what a process shows as its metrics at one time, read again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families


class Scrape(Struct, frozen=True):
    """The series of one answer: their values, by name and labels."""

    series: Mapping[str, list[tuple[Mapping[str, str], float]]]

    @classmethod
    def of(cls, text: str) -> Scrape:
        """What the text says."""
        series: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                series.setdefault(sample.name, []).append((sample.labels, sample.value))
        return cls(series)

    def total(self, name: str, **labels: str) -> float | None:
        """The sum of the series with these labels; None if there is none."""
        found = list(self._values(name, labels))
        return sum(found) if found else None

    def grown(self, before: Scrape, name: str, **labels: str) -> float:
        """By how much a counter has grown since then; a process that was started again counts from the beginning."""
        now, then = self.total(name, **labels) or 0.0, before.total(name, **labels) or 0.0
        return now - then if now >= then else now

    def quantile(self, part: float, name: str, *, before: Scrape | None = None, **labels: str) -> float | None:
        """About the value below which this part of a histogram lies, of what was measured since then."""
        buckets = self._buckets(name, labels)
        earlier = before._buckets(name, labels) if before is not None else {}
        if any(earlier.get(bound, 0.0) > count for bound, count in buckets.items()):
            earlier = {}
        counts = sorted((bound, count - earlier.get(bound, 0.0)) for bound, count in buckets.items())
        if not counts or not counts[-1][1]:
            return None
        return _between(counts, part * counts[-1][1])

    def _values(self, name: str, labels: Mapping[str, str]) -> Iterator[float]:
        for own, value in self.series.get(name, []):
            if labels.items() <= own.items():
                yield value

    def _buckets(self, name: str, labels: Mapping[str, str]) -> dict[float, float]:
        """How many lie at or below each bound, in all series with these labels."""
        found: dict[float, float] = {}
        for own, value in self.series.get(f"{name}_bucket", []):
            if labels.items() <= own.items():
                bound = float(own["le"])
                found[bound] = found.get(bound, 0.0) + value
        return found


def _between(counts: list[tuple[float, float]], rank: float) -> float:
    """Where this rank lies, if those of a bucket are spread evenly; beyond the last bound, at that."""
    below, floor = 0.0, 0.0
    for bound, count in counts:
        if count >= rank and count > below:
            return floor if math.isinf(bound) else floor + (bound - floor) * (rank - below) / (count - below)
        below, floor = count, bound
    return floor
