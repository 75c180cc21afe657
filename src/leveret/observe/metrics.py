"""Metrics: what this process has counted, in the text format of Prometheus.

Each process shows what it has seen itself, so counters and histograms are summed over all of them; what the gateways
read off the store is the same at each of them, and taken from any one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from leveret.core.meters import Phase, Reading, Told

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""The buckets of phases: from a fast model to one that runs for half an hour."""

QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60)
"""The buckets of HTTP requests; one that waits takes up to a minute."""

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)


class Level(Struct, frozen=True):
    """What is read off when somebody asks."""

    help: str
    labels: tuple[str, ...] = ()


LEVELS: Final[Mapping[str, Level]] = {
    "leveret_queue_depth": Level("predictions that wait, by lane; the same at every gateway", ("model", "lane")),
    "leveret_running": Level("predictions that are being run; the same at every gateway", ("model",)),
    "leveret_workers": Level("workers that are alive; the same at every gateway", ("model",)),
    "leveret_slots": Level("runs that can be under way at once; the same at every gateway", ("model",)),
    "leveret_outbox": Level("predictions that are not known to be queued yet; the same at every gateway"),
    "leveret_outbox_age_seconds": Level("how long the oldest of them has been; the same at every gateway"),
    "leveret_followers": Level("clients that wait or follow a stream"),
    "leveret_slots_busy": Level("runs under way in this worker", ("model",)),
    "leveret_ready": Level("1 if this process can do its work, as /health/ready says"),
}
"""By their names."""


class Metrics:
    """Implements core.meters.Meter."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Iterable[Reading]]] = []
        self._registry = registry = CollectorRegistry()
        requests = Histogram(
            "leveret_http_request_seconds",
            "HTTP requests until their answer begins",
            ("route", "status"),
            buckets=QUICK,
            registry=registry,
        )
        # The child of a pair of labels is looked up again and again: a cache of its own takes a fifth of the time.
        self._request = cache(lambda route, status: requests.labels(route, str(status)))
        self._refusals = Counter(
            "leveret_problems", "HTTP requests that were answered with a problem", ("code",), registry=registry
        )
        phases = Histogram(
            "leveret_phase_seconds",
            "phases of predictions: queued, setup (of a process), run, delivery",
            ("model", "phase"),
            buckets=SECONDS,
            registry=registry,
        )
        self._phase = cache(phases.labels)
        self._batches = Histogram(
            "leveret_batch_size", "predictions in one call of the model", ("model",), buckets=SIZES, registry=registry
        )
        self._ended = Counter(
            "leveret_predictions_ended", "predictions that a run has ended", ("model", "status"), registry=registry
        )
        self._reruns = Counter(
            "leveret_reruns", "runs that came to nothing and are followed by another", ("model",), registry=registry
        )
        self._told = Counter("leveret_webhook_calls", "calls of webhooks", ("result",), registry=registry)
        self._connections = Counter(
            "leveret_connections_opened", "connections opened; beyond the first: again", ("to",), registry=registry
        )

    def request(self, route: str, status: int, seconds: float) -> None:
        """See Meter."""
        self._request(route, status).observe(seconds)

    def refused(self, code: str) -> None:
        """See Meter."""
        self._refusals.labels(code).inc()

    def phase(self, model: str, phase: Phase, seconds: float) -> None:
        """See Meter."""
        self._phase(model, phase.value).observe(max(0.0, seconds))

    def batch(self, model: str, size: int) -> None:
        """See Meter."""
        self._batches.labels(model).observe(size)

    def ended(self, model: str, status: str) -> None:
        """See Meter."""
        self._ended.labels(model, status).inc()

    def rerun(self, model: str) -> None:
        """See Meter."""
        self._reruns.labels(model).inc()

    def told(self, result: Told) -> None:
        """See Meter."""
        self._told.labels(result.value).inc()

    def connected(self, to: str) -> None:
        """See Meter."""
        self._connections.labels(to).inc()

    def watch(self, source: Callable[[], Iterable[Reading]]) -> None:
        """Read off this source as well, whenever somebody asks."""
        self._sources.append(source)

    def text(self, readings: Iterable[Reading]) -> bytes:
        """All of it as it is now, with what was read off."""
        shown = CollectorRegistry(auto_describe=False)
        read = [*readings, *(reading for source in self._sources for reading in source())]
        shown.register(_Shown(self._registry, read))
        return generate_latest(shown)


class _Shown(Collector):
    """What one answer has: everything that was counted, and what was read off."""

    def __init__(self, counted: CollectorRegistry, readings: Sequence[Reading]) -> None:
        self._counted = counted
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        for counted in self._counted.collect():
            # when each began to be counted would double the series, and nobody asks for it
            counted.samples = [sample for sample in counted.samples if not sample.name.endswith("_created")]
            yield counted
        for name, level in LEVELS.items():
            family = GaugeMetricFamily(name, level.help, labels=level.labels)
            for reading in self._readings:
                if reading.name == name:
                    family.add_metric(reading.labels, reading.value)
            if family.samples:
                yield family
