"""The overview: how much there is to do and how fast it is done, now and in the last minutes."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.line import Line
from leveret.core.ports import Attendance, Lines
from leveret.core.prediction import MODEL_NAME
from leveret.errors import InvalidRequest
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.history import PERIOD, History, Stand

_encoder: Final = msgspec.json.Encoder()


class LoadView(Struct, frozen=True, kw_only=True):
    """How one model is doing; rates are those of the last minute."""

    model: Annotated[str, Meta(description="owner/name")]
    workers: Annotated[int, Meta(description="how many workers are alive")]
    slots: Annotated[int, Meta(description="how many runs can be under way at once")]
    problem: Annotated[str | None, Meta(description="why a worker cannot run it now")]
    running: Annotated[int, Meta(description="how many runs go on")]
    lanes: Annotated[tuple[int, ...], Meta(description="how many wait in each lane, the best one first")]
    submitted: Annotated[float, Meta(description="how many come per second")]
    ended: Annotated[float, Meta(description="how many runs end per second")]
    mean_run: Annotated[float | None, Meta(description="how long a run takes, in seconds; null if none has ended")]


class MomentView(Struct, frozen=True, kw_only=True):
    """One look at all lines. What is counted from the beginning only grows: the difference of two looks is a rate."""

    at: Annotated[float, Meta(description="when it was, in Unix seconds")]
    submitted: Annotated[int, Meta(description="how many have come to wait, as far as is known")]
    ended: Annotated[int, Meta(description="how many runs have ended, as far as is known")]
    seconds: Annotated[float, Meta(description="how long those have taken together")]
    running: Annotated[int, Meta(description="how many runs went on")]
    lanes: Annotated[tuple[int, ...], Meta(description="how many waited in each lane")]


class OverviewView(Struct, frozen=True, kw_only=True):
    """All models, and the looks of the last five minutes, oldest first."""

    period: Annotated[float, Meta(description="seconds between two looks")]
    models: list[LoadView]
    history: list[MomentView]


class WorkerView(Struct, frozen=True, kw_only=True):
    """A worker that is alive."""

    id: Annotated[str, Meta(description="its host, its process and something random")]
    model: Annotated[str, Meta(description="owner/name")]
    running: Annotated[int, Meta(description="how many runs it has under way")]
    slots: Annotated[int, Meta(description="how many it can have under way")]
    problem: Annotated[str | None, Meta(description="why it cannot run its model now")]
    expires_at: Annotated[
        float, Meta(description="when it counts as gone without a further sign of life, Unix seconds")
    ]


class WorkerList(Struct, frozen=True):
    """All of them, by model."""

    results: list[WorkerView]


class OverviewPages:
    """The endpoints of what goes on."""

    def __init__(self, *, catalog: Catalog, history: History, lines: Lines, attendance: Attendance) -> None:
        self._catalog = catalog
        self._history = history
        self._lines = lines
        self._attendance = attendance

    async def get(self, request: Request) -> Response:
        """All models, and the last minutes of all of them together or, with `?model=`, of one."""
        model = request.query_params.get("model") or None
        if model is not None and not MODEL_NAME.fullmatch(model):
            raise InvalidRequest(reason="`model` must be `owner/name`")
        lines = await self._lines.lines()
        overview = OverviewView(
            period=PERIOD,
            models=[
                self._load(served, lines.get(served.card.model, Line())) for served in await self._catalog.models()
            ],
            history=[_moment(at, stand) for at, stand in self._history.looks(model)],
        )
        return Response(_encoder.encode(overview), media_type="application/json")

    async def workers(self, _request: Request) -> Response:
        """Every worker that is alive."""
        found = [
            WorkerView(
                id=present.worker,
                model=present.model,
                running=present.running,
                slots=0 if (served := self._catalog.known(present.model)) is None else served.card.slots,
                problem=present.problem,
                expires_at=present.expires_at,
            )
            for present in await self._attendance.present()
        ]
        return Response(_encoder.encode(WorkerList(found)), media_type="application/json")

    def _load(self, served: Served, line: Line) -> LoadView:
        pace = self._history.pace(served.card.model)
        return LoadView(
            model=served.card.model,
            workers=served.workers,
            slots=served.slots,
            problem=served.problem,
            running=line.running,
            lanes=line.waiting,
            submitted=round(pace.submitted, 3),
            ended=round(pace.ended, 3),
            mean_run=None if pace.run is None else round(pace.run, 6),
        )


def _moment(at: float, stand: Stand) -> MomentView:
    return MomentView(
        at=round(at, 3),
        submitted=stand.submitted,
        ended=stand.ended,
        seconds=round(stand.seconds, 6),
        running=stand.running,
        lanes=stand.lanes,
    )
