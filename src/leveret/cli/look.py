"""A look at a gateway: what `leveret top` shows, as numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from leveret.core.meters import Phase
from leveret.observe.scrape import Scrape

if TYPE_CHECKING:
    from leveret.client.monitor import Load, Monitor
    from leveret.client.monitor import Worker as Alive

MOST: Final = 0.95
"""Latencies are shown so that this part of them is shorter."""

_REQUESTS: Final = "leveret_http_request_seconds"


class Gateway(Struct, frozen=True, kw_only=True):
    """The gateway that was asked. Rates are per second since the look before; without one there is none.

    `answer` is how long 95 % of its answers take at most to begin, in seconds, those left out that wait.
    """

    ready: bool
    requests: float | None
    problems: float | None
    answer: float | None
    followers: int
    outbox: int | None
    outbox_age: float | None


class Model(Struct, frozen=True, kw_only=True):
    """A model. `submitted` and `ended` are per second, in the last minute; times are in seconds.

    Of the latencies of the last looks `queued_95`, `run_95` and `delivery_95` are known where the gateway itself has
    measured them: all of them under `leveret serve`. `wait` is what the next one has to expect, at this pace.
    """

    model: str
    workers: int
    running: int
    slots: int
    waiting: int
    lanes: list[int]
    submitted: float
    ended: float
    mean_run: float | None
    wait: float | None
    queued_95: float | None
    run_95: float | None
    delivery_95: float | None
    problem: str | None


class Worker(Struct, frozen=True, kw_only=True):
    """A worker that is alive."""

    id: str
    model: str
    running: int
    slots: int
    problem: str | None


class Look(Struct, frozen=True, kw_only=True):
    """What there was to see."""

    at: float
    gateway: Gateway
    models: list[Model]
    workers: list[Worker]


class Watcher:
    """Looks again and again; what is measured between two looks needs both."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._before: tuple[float, Scrape] | None = None

    def look(self) -> Look:
        """Look now. Raises what the client does."""
        loads, workers = self._monitor.models(), self._monitor.workers()
        scrape, at = Scrape.of(self._monitor.metrics()), time.time()
        former, self._before = self._before, (at, scrape)
        before = None if former is None else former[1]
        seconds = None if former is None else max(at - former[0], 0.001)
        return Look(
            at=round(at, 3),
            gateway=_gateway(scrape, before, seconds),
            models=sorted((_model(load, scrape, before) for load in loads), key=_busiest),
            workers=[_worker(worker) for worker in workers],
        )


def _gateway(scrape: Scrape, before: Scrape | None, seconds: float | None) -> Gateway:
    rates: list[float | None] = [None, None]
    if before is not None and seconds is not None:
        names = (f"{_REQUESTS}_count", "leveret_problems_total")
        rates = [round(scrape.grown(before, name) / seconds, 3) for name in names]
    outbox = scrape.total("leveret_outbox")
    return Gateway(
        ready=scrape.total("leveret_ready") == 1.0,
        requests=rates[0],
        problems=rates[1],
        answer=scrape.quantile(MOST, _REQUESTS, before=before, status="200"),
        followers=int(scrape.total("leveret_followers") or 0),
        outbox=None if outbox is None else int(outbox),
        outbox_age=scrape.total("leveret_outbox_age_seconds"),
    )


def _model(load: Load, scrape: Scrape, before: Scrape | None) -> Model:
    phases = [
        scrape.quantile(MOST, "leveret_phase_seconds", before=before, model=load.model, phase=phase.value)
        for phase in (Phase.QUEUED, Phase.RUN, Phase.DELIVERY)
    ]
    waiting = sum(load.lanes)
    return Model(
        model=load.model,
        workers=load.workers,
        running=load.running,
        slots=load.slots,
        waiting=waiting,
        lanes=load.lanes,
        submitted=load.submitted,
        ended=load.ended,
        mean_run=load.mean_run,
        wait=_wait(load, waiting),
        queued_95=phases[0],
        run_95=phases[1],
        delivery_95=phases[2],
        problem=load.problem,
    )


def _wait(load: Load, waiting: int) -> float | None:
    """None if nobody knows: nothing ends."""
    if not waiting:
        return 0.0 if load.running < load.slots else load.mean_run
    return waiting / load.ended if load.ended > 0 else None


def _worker(alive: Alive) -> Worker:
    return Worker(id=alive.id, model=alive.model, running=alive.running, slots=alive.slots, problem=alive.problem)


def _busiest(model: Model) -> tuple[int, int, str]:
    return (-model.waiting, -model.running, model.model)
