"""Scale: how many workers a model wants, for whoever starts and stops them."""

from __future__ import annotations

import math
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.line import Line
from leveret.core.ports import Lines, Queues
from leveret.core.prediction import MODEL_NAME
from leveret.core.scale import TARGET_WAIT, Load, desired
from leveret.errors import InvalidRequest, ModelNotFound
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.estimates import Estimates

_LONGEST: Final = 1e6
_encoder: Final = msgspec.json.Encoder()


class ScaleView(Struct, frozen=True, kw_only=True):
    """How many workers a model wants: ceil((queued * mean_run / target_wait + running) / slots)."""

    model: Annotated[str, Meta(description="owner/name")]
    queued: Annotated[int, Meta(description="how many wait, those whose next run is delayed included")]
    running: Annotated[int, Meta(description="how many are being run")]
    mean_run: Annotated[float | None, Meta(description="seconds of a run; null until one has ended")]
    slots: Annotated[int, Meta(description="how many runs one worker has under way at once")]
    target_wait: Annotated[float, Meta(description="for how many seconds what waits now may wait")]
    workers: Annotated[int, Meta(description="how many workers are alive")]
    desired: Annotated[int, Meta(description="how many workers there should be; 0: nothing is to be done")]


class ScalePages:
    """The endpoint of the scale."""

    def __init__(self, *, queues: Queues, lines: Lines, catalog: Catalog, estimates: Estimates) -> None:
        self._queues = queues
        self._lines = lines
        self._catalog = catalog
        self._estimates = estimates

    async def get(self, request: Request) -> Response:
        """What the model wants now.

        One that no worker has ever announced wants one: nobody can ask for it before its card is there.
        """
        model = "{owner}/{name}".format_map(request.path_params)
        target_wait = _target_wait(request)
        served = await self._served(model)
        line = (await self._lines.lines()).get(model, Line())
        # What programs have published without a gateway is in the broker only; what a worker holds, in the store only.
        queued = max(sum(line.waiting), sum(await self._queues.depth(model)))
        load = Load(
            queued=queued,
            running=line.running,
            mean_run=self._mean_run(model, line),
            slots=1 if served is None else served.card.slots,
        )
        view = ScaleView(
            model=model,
            queued=load.queued,
            running=load.running,
            mean_run=load.mean_run,
            slots=load.slots,
            target_wait=target_wait,
            workers=0 if served is None else served.workers,
            desired=max(desired(load, target_wait=target_wait), 1 if served is None else 0),
        )
        return Response(_encoder.encode(view), media_type="application/json")

    async def _served(self, model: str) -> Served | None:
        try:
            return await self._catalog.model(model)
        except ModelNotFound:
            if MODEL_NAME.fullmatch(model):
                return None
            raise

    def _mean_run(self, model: str, line: Line) -> float | None:
        lately = self._estimates.mean_run(model)
        if lately is None and line.ended:
            return line.seconds / line.ended
        return lately


def _target_wait(request: Request) -> float:
    given = request.query_params.get("target_wait")
    if given is None:
        return TARGET_WAIT
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST:
        raise InvalidRequest(reason=f"`target_wait` must be a number of seconds above 0, at most {_LONGEST:.0f}")
    return seconds
