"""What the tests of webhooks arrange: predictions with one, and what calls it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from msgspec import Raw
from msgspec.structs import replace

from leveret.backends import Backends
from leveret.config import OutboundSettings, WebhookSettings
from leveret.core.events import Logs, Output, Succeeded
from leveret.core.ports import Pulse, Running
from leveret.core.prediction import HookEvent, Prediction, Webhook
from leveret.core.webhooks import Call
from leveret.gateway.files.links import Links
from leveret.gateway.views import Views
from leveret.outbound import Guard, open_client
from leveret.testing.conformance.arrange import a_prediction, claimed
from leveret.webhooks.caller import Caller
from leveret.webhooks.dispatcher import Dispatcher
from leveret.webhooks.teller import Teller
from tests.webhooks.receiver import PATIENCE

T = TypeVar("T")

LOOPBACK: Final = OutboundSettings(allow_http=True, allow="127.0.0.1/32")
QUICK: Final = WebhookSettings(timeout=10, max_attempts=3)
SHORTLY: Final = (0.05,)
"""A plan by which what fails is soon repeated; on RabbitMQ that takes a second."""

BASE: Final = "https://gateway.example"


@asynccontextmanager
async def telling(
    backends: Backends,
    settings: WebhookSettings = QUICK,
    *,
    outbound: OutboundSettings = LOOPBACK,
    plan: Sequence[float] = SHORTLY,
) -> AsyncIterator[None]:
    """Webhooks are called for as long as the body runs."""
    async with open_client(Guard(outbound), patience=settings.timeout) as client:
        teller = Teller(
            hooks=backends.store,
            queues=backends.broker,
            caller=Caller(client=client, patience=settings.timeout),
            render=Views(
                blobs=backends.blobs, links=Links(secrets=backends.store, lifetime=3600.0), base_url=""
            ).prediction,
            settings=settings,
            base_url="",
            plan=plan,
        )
        dispatcher = Dispatcher(hooks=backends.store, queues=backends.broker)
        tasks = [asyncio.create_task(role.run()) for role in (dispatcher, teller)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.cancelled() for task in tasks), tasks


def hooked(url: str, *events: HookEvent) -> Prediction:
    return replace(a_prediction(), webhook=Webhook(url, events or tuple(HookEvent), BASE))


async def begun(backends: Backends, url: str, *events: HookEvent) -> Running:
    """A prediction with this webhook that runs."""
    return await claimed(backends.store, await backends.store.create(hooked(url, *events)))


async def ended(backends: Backends, url: str, *events: HookEvent) -> Running:
    """One that has run."""
    run = await begun(backends, url, *events)
    await succeed(backends, run)
    return run


async def succeed(backends: Backends, run: Running, output: bytes = b'"done"') -> None:
    ending = Succeeded(at=time.time(), attempt=run.attempt, output=Raw(output))
    assert [Pulse.OURS] == await backends.store.settle([(run, ending)], worker="w1")


async def finish(backends: Backends, run: Running) -> None:
    """It ends with what it has put out."""
    assert [Pulse.OURS] == await backends.store.settle(
        [(run, Succeeded(at=time.time(), attempt=run.attempt))], worker="w1"
    )


async def say(backends: Backends, run: Running, number: int, text: str = "") -> None:
    """It puts out the number, as the append of that number; and the text, if any, is written to its logs."""
    reports: list[Output | Logs] = [Output(at=time.time(), attempt=run.attempt, chunks=[Raw(b"%d" % number)])]
    if text:
        reports.append(Logs(at=time.time(), attempt=run.attempt, text=text))
    assert await backends.store.append(run, reports, worker="w1", number=number)


async def called(backends: Backends, run: Running, count: int) -> list[Call]:
    """The calls, oldest first, as soon as so many are remembered."""
    found = await eventually(lambda: backends.store.calls(run.id), lambda calls: len(calls) >= count)
    return found[::-1]


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool]) -> T:
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await look()):
            await asyncio.sleep(0.01)
    return found
