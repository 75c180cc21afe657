"""The runs, as a worker with a key may claim them, show signs of life, report and settle.

The store fences a run by its worker and its attempt. What comes in here is fenced by the model of the key as well, and
says nothing of anything but its own run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from leveret.core import blobs, wire
from leveret.core.events import Ending, Report, Reset, Succeeded
from leveret.core.ports import Claimed, Pulse, Running, Runs
from leveret.core.wire import LATEST, MOST_ATTEMPTS
from leveret.core.worker_api import Answer, Append, Beat, Claims, Pulses, Settle, Take, Taken
from leveret.errors import InvalidRequest, ScopeMissing
from leveret.gateway.worker_api.ownership import Ownership

WORKER_SCOPE: Final = "worker:"
"""What the scope of a worker's key begins with, before the name of the model."""


class WorkerRuns:
    """Answers the calls of core.ports.Runs, for a key of these models."""

    def __init__(self, *, runs: Runs, ownership: Ownership) -> None:
        self._runs = runs
        self._ownership = ownership

    async def answer(self, call: Take | Beat | Append | Settle, models: Collection[str]) -> Answer:
        """What has become of it. Raises ScopeMissing, InvalidRequest, Undecodable and Unavailable."""
        match call:
            case Take():
                return await self._claim(call, models)
            case Beat():
                return await self._beat(call, models)
            case Append():
                return await self._append(call, models)
            case Settle():
                return await self._settle(call, models)

    async def _claim(self, call: Take, models: Collection[str]) -> Answer:
        """The store refuses by itself what names another model than its record does."""
        predictions = [wire.checked(prediction) for prediction in call.predictions]
        for prediction in predictions:
            if prediction.model not in models:
                raise ScopeMissing(scope=WORKER_SCOPE + prediction.model)
        claims = await self._runs.claim(predictions, worker=call.worker, lease=call.lease, most=call.most)
        for prediction, claim in zip(predictions, claims, strict=True):
            if isinstance(claim, Claimed):
                self._ownership.learn(prediction.id, prediction.model)
        return Claims(claims)

    async def _beat(self, call: Beat, models: Collection[str]) -> Answer:
        foreign = await self._ownership.foreign([run.id for run in call.runs], models)
        own = [run for run in call.runs if run.id not in foreign]
        pulses = iter(await self._runs.beat(own, worker=call.worker, lease=call.lease))
        return Pulses([Pulse.LOST if run.id in foreign else next(pulses) for run in call.runs])

    async def _append(self, call: Append, models: Collection[str]) -> Answer:
        for report in call.reports:
            _check(call.run, report)
        if await self._ownership.foreign([call.run.id], models):
            return Taken(taken=False)
        return Taken(
            taken=await self._runs.append(call.run, call.reports, worker=call.worker, number=call.number),
        )

    async def _settle(self, call: Settle, models: Collection[str]) -> Answer:
        for run, ending in call.endings:
            _check_ending(run, ending)
        foreign = await self._ownership.foreign([run.id for run, _ in call.endings], models)
        own = [(run, ending) for run, ending in call.endings if run.id not in foreign]
        pulses = iter(await self._settled(own, worker=call.worker))
        return Pulses([Pulse.LOST if run.id in foreign else next(pulses) for run, _ in call.endings])

    async def _settled(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> Sequence[Pulse]:
        return await self._runs.settle(endings, worker=worker) if endings else []


def _check(run: Running, event: Report | Ending) -> None:
    """Raises InvalidRequest if it is not of this run, or at no time."""
    if event.attempt != run.attempt:
        raise InvalidRequest(reason=f"an event of attempt {event.attempt} is none of attempt {run.attempt}")
    if not 0 <= event.at <= LATEST:
        raise InvalidRequest(reason="`at` must be a time in Unix seconds")


def _check_ending(run: Running, ending: Ending) -> None:
    """Raises InvalidRequest, for what names large values of others, too: they would be shown as its own."""
    _check(run, ending)
    match ending:
        case Succeeded(output_blob=blob) if blob is not None:
            if not blob.key.startswith(f"{blobs.outputs(run.id)}/"):
                raise InvalidRequest(reason=f"{blob.key!r} is no output of this run")
        case Reset(charged=charged, delay=delay):
            if not (0 <= charged <= MOST_ATTEMPTS and 0 <= delay <= LATEST):
                raise InvalidRequest(reason=f"`charged` must be 0 to {MOST_ATTEMPTS}, `delay` a number of seconds")
        case _:
            pass
