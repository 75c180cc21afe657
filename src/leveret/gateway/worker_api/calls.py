"""Calls: what a worker says in one request, done at once and answered in its order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Final, Protocol

import structlog
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from leveret.core import ports, worker_api
from leveret.core.ports import Models, Registry, Runs
from leveret.core.prediction import Prediction
from leveret.core.worker_api import (
    Announce,
    Answer,
    Append,
    Beat,
    Call,
    CountRunning,
    Counts,
    Found,
    Get,
    Lead,
    Led,
    ListCards,
    Listings,
    Refused,
    Replied,
    Settle,
    Show,
    Shown,
    Take,
    Taken,
)
from leveret.errors import InvalidRequest, LeveretError, PredictionNotFound, ScopeMissing
from leveret.gateway import body
from leveret.gateway.identity import identity
from leveret.gateway.views import Views
from leveret.gateway.worker_api.cards import Cards
from leveret.gateway.worker_api.ownership import Ownership
from leveret.gateway.worker_api.runs import WORKER_SCOPE, WorkerRuns

_JSON: Final = "application/json"
_NUMBER: Final = "the number of requests"
_log = structlog.get_logger()


class WorkerStore(Runs, ports.Reuse, Registry, Models, ports.Replies, Protocol):
    """What this needs of the store."""

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        ...


class WorkerCalls:
    """The endpoint of calls."""

    def __init__(self, *, store: WorkerStore, ownership: Ownership, cards: Cards, views: Views) -> None:
        self._store = store
        self._ownership = ownership
        self._cards = cards
        self._views = views
        self._runs = WorkerRuns(runs=store, ownership=ownership)

    async def post(self, request: Request) -> Response:
        """The answers to the calls in the body. What one of them is refused for concerns none of the others."""
        calls = worker_api.decode_calls(await body.read(request, limit=worker_api.LARGEST, setting=_NUMBER))
        if len(calls) > worker_api.MOST:
            raise InvalidRequest(reason=f"at most {worker_api.MOST} calls travel together")
        models = identity(request).models
        answers = await _together([self._answered(call, models) for call in calls])
        return Response(worker_api.encode_answers(answers), media_type=_JSON)

    async def _answered(self, call: Call, models: Collection[str]) -> Answer:
        try:
            return await self._answer(call, models)
        except LeveretError as error:
            about = {name: value for name, value in error.data.items() if isinstance(value, str)}
            return Refused(error.code, str(error), about)
        except Exception:
            _log.exception("a worker's call failed", call=type(call).__name__)
            return Refused(LeveretError.code, LeveretError.message)

    async def _answer(self, call: Call, models: Collection[str]) -> Answer:
        match call:
            case Take() | Beat() | Append() | Settle():
                return await self._runs.answer(call, models)
            case Announce() | ListCards() | CountRunning():
                return await self._register(call, models)
            case Lead():
                return await self._lead(call, models)
            case Get(id=prediction_id):
                return Found(await self._get(prediction_id, models))
            case Show(id=prediction_id):
                return Shown(Raw(await self._views.message(await self._get(prediction_id, models))))
            case Replied(ids=ids):
                foreign = await self._ownership.foreign(ids, models)
                await self._store.replied([one for one in ids if one not in foreign])
                return Taken()

    async def _register(self, call: Announce | ListCards | CountRunning, models: Collection[str]) -> Answer:
        match call:
            case Announce(card=card, worker=worker, lease=lease, problem=problem):
                if card.model not in models:
                    raise ScopeMissing(scope=WORKER_SCOPE + card.model)
                shown = await self._cards.checked(card, models)
                await self._store.announce(shown, worker=worker, lease=lease, problem=problem)
                return Taken()
            case ListCards():
                return Listings([one for one in await self._store.cards() if one.card.model in models])
            case CountRunning():
                running = await self._store.running()
                return Counts({model: count for model, count in running.items() if model in models})

    async def _lead(self, call: Lead, models: Collection[str]) -> Answer:
        """What asks for the same has a key that begins with its model."""
        model = call.key.partition(":")[0]
        if model not in models:
            raise ScopeMissing(scope=WORKER_SCOPE + model)
        await self._ownership.check(call.id, models)
        return Led(await self._store.lead(call.id, call.key, lifetime=call.lifetime, instead=call.instead))

    async def _get(self, prediction_id: str, models: Collection[str]) -> Prediction:
        prediction = await self._store.get(prediction_id)
        if prediction.model not in models:
            raise PredictionNotFound(prediction_id=prediction_id)
        return prediction


async def _together(answers: list[Coroutine[None, None, Answer]]) -> list[Answer]:
    """All of them, begun in their order, so that the store has them in it."""
    if len(answers) == 1:
        return [await answers[0]]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(answer) for answer in answers]
    return [task.result() for task in tasks]
