"""Monitor: what goes on at a gateway and its workers, as its admin API and its metrics tell."""

from __future__ import annotations

from msgspec import Struct

from leveret.client.caller import Caller
from leveret.client.exchange import Request, finish


class Load(Struct, frozen=True, kw_only=True):
    """How one model is doing; `submitted` and `ended` are per second, `mean_run` is in seconds."""

    model: str
    workers: int
    slots: int
    problem: str | None
    running: int
    lanes: list[int]
    submitted: float
    ended: float
    mean_run: float | None


class Worker(Struct, frozen=True, kw_only=True):
    """A worker that is alive; without a further sign of life it counts as gone at `expires_at` (Unix seconds)."""

    id: str
    model: str
    running: int
    slots: int
    problem: str | None
    expires_at: float


class Monitor:
    """What operators look at. It takes a key with the scope `admin`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def models(self) -> list[Load]:
        """All models, as they do now."""
        return finish(self._caller.call(Request(method="GET", path="/admin/v1/overview"), _Overview)).models

    def workers(self) -> list[Worker]:
        """Every worker that is alive, by model."""
        return finish(self._caller.call(Request(method="GET", path="/admin/v1/workers"), _Workers)).results

    def metrics(self) -> str:
        """What this gateway has counted, in the text format of Prometheus."""
        return finish(self._caller.ask(Request(method="GET", path="/metrics"))).content.decode()


class _Overview(Struct, frozen=True):
    models: list[Load]


class _Workers(Struct, frozen=True):
    results: list[Worker]
