"""What the conformance tests of a store arrange, and how they wait."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from leveret.core.events import Canceled, Ending, Entry, Failed, Report, Reset, Succeeded
from leveret.core.ports import Claimed, Pulse, Running, Store
from leveret.core.prediction import Prediction, new_id

T = TypeVar("T")

LONG: Final = 60.0
"""A lease or hold that does not end within a test, in seconds."""

PATIENCE: Final = 30.0
"""How long a test waits for what must happen, in seconds."""


def fresh_id() -> str:
    """An id that no other test has."""
    return new_id(time.time(), os.urandom(10))


def a_prediction(
    *, model: str = "local/echo", account: str = "alice", attempt: int = 0, lane: int = 0, text: str = "hello"
) -> Prediction:
    """A prediction as a client submits it."""
    return Prediction(
        id=fresh_id(),
        model=model,
        input=Raw(b'{"text":"%s"}' % text.encode()),
        created_at=time.time(),
        account=account,
        attempt=attempt,
        lane=lane,
    )


def unnumbered(prediction: Prediction) -> Prediction:
    """It without the ticket that its store has drawn."""
    return replace(prediction, ticket=0)


async def a_run(store: Store, *, worker: str = "w1", lease: float = LONG) -> Running:
    """A prediction that `worker` has just claimed for the first time."""
    return await claimed(store, await store.create(a_prediction()), worker=worker, lease=lease)


async def claimed(
    store: Store, prediction: Prediction, *, worker: str = "w1", lease: float = LONG, most: int | None = None
) -> Running:
    """The run that `worker` gets by claiming the prediction, as soon as no other worker's lease is in the way."""

    async def claim() -> Running | None:
        (claim,) = await store.claim([prediction], worker=worker, lease=lease, most=most)
        return Running(prediction.id, claim.attempt) if isinstance(claim, Claimed) else None

    run = await eventually(claim, lambda run: run is not None)
    assert run is not None  # noqa: S101 - that is what was waited for
    return run


async def settle(store: Store, run: Running, ending: Ending, *, worker: str = "w1") -> bool:
    """Whether the store has ended this one run."""
    (pulse,) = await store.settle([(run, ending)], worker=worker)
    return pulse is Pulse.OURS


async def beat(store: Store, run: Running, *, worker: str = "w1", lease: float = LONG) -> bool:
    """Whether the store has renewed the lease of this one run."""
    (pulse,) = await store.beat([run], worker=worker, lease=lease)
    return pulse in {Pulse.OURS, Pulse.CANCEL}


async def append(store: Store, run: Running, number: int, *reports: Report, worker: str = "w1") -> bool:
    """Whether the store takes the reports of this run."""
    return await store.append(run, reports, worker=worker, number=number)


async def entries(store: Store, prediction_id: str, count: int, *, after: int = 0) -> list[Entry]:
    """The first `count` entries behind `after`, as soon as there are so many."""
    found: list[Entry] = []
    async with asyncio.timeout(PATIENCE), aclosing(store.follow(prediction_id, after=after)) as log:
        while len(found) < count:
            found.append(await anext(log))
    return found


async def whole_log(store: Store, prediction_id: str, *, after: int = 0) -> list[Entry]:
    """Every entry behind `after` up to the final one."""
    async with asyncio.timeout(PATIENCE), aclosing(store.follow(prediction_id, after=after)) as log:
        return [entry async for entry in log]


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool]) -> T:
    """What `look` answers as soon as it is wanted; the test fails if it never is."""
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await look()):  # noqa: ASYNC110 - a store has no event for it
            await asyncio.sleep(0.005)
    return found


def succeeded(run: Running, output: bytes = b'"done"') -> Succeeded:
    """The run's good end."""
    return Succeeded(at=time.time(), attempt=run.attempt, output=Raw(output))


def streamed(run: Running) -> Succeeded:
    """The good end of a run whose output is what it has streamed."""
    return Succeeded(at=time.time(), attempt=run.attempt)


def failed(run: Running, error: str = "ValueError: no") -> Failed:
    """The run's bad end."""
    return Failed(at=time.time(), attempt=run.attempt, error=error)


def reset(
    run: Running, reason: str = "the model process crashed", *, charged: int = 1, suspect: str | UnsetType = UNSET
) -> Reset:
    """The end of a run that another one shall follow."""
    return Reset(at=time.time(), attempt=run.attempt, reason=reason, charged=charged, suspect=suspect)


def canceled(error: str | None = None) -> Canceled:
    """The end that a client asks for."""
    return Canceled(at=time.time(), error=error)
