"""The steps the broker suite is told in: predictions to publish, and taking them before a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Raw

from leveret.core.ports import Broker, Deliveries, Delivery
from leveret.core.prediction import Prediction, new_id

MODEL: Final = "local/echo"
PATIENCE: Final = 30.0
"""Seconds after which what should have happened counts as missing; long enough for a machine under load."""


def prediction(number: int = 0, *, lane: int = 0, model: str = MODEL) -> Prediction:
    """A prediction that differs from those with other arguments."""
    randomness = f"{model:.3}{lane}{number:06}".encode()
    return Prediction(
        id=new_id(1.7e9, randomness), model=model, input=Raw(b'{"n":%d}' % number), created_at=1.7e9, lane=lane
    )


async def publish(broker: Broker, *predictions: Prediction) -> None:
    """Declare what is needed, then publish one after the other."""
    for model in {one.model for one in predictions}:
        await broker.declare(model)
    for one in predictions:
        await broker.publish(one)


async def take(deliveries: Deliveries, count: int, *, most: int | None = None) -> list[Delivery]:
    """Take until there are `count` deliveries."""
    taken: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < count:
            taken += await deliveries.take(most or count - len(taken))
    return taken


async def take_one(deliveries: Deliveries) -> Delivery:
    """The next delivery."""
    return (await take(deliveries, 1))[0]


async def given_up(broker: Broker, *, limit: int = 100) -> list[str]:
    """The ids of what was given up, or whole bodies where they are not ours; all of it is acknowledged."""
    async with broker.rejected(limit=limit) as found:
        for one in found:
            one.ack()
        return [one.body.decode(errors="replace") if one.prediction is None else one.prediction.id for one in found]


async def eventually(probe: Callable[[], Awaitable[object]], expected: object) -> None:
    """Ask until the answer is as expected."""
    answer: object = None
    try:
        async with asyncio.timeout(PATIENCE):
            while (answer := await probe()) != expected:  # noqa: ASYNC110 - brokers have no event for it
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"expected {expected!r}, and it stays {answer!r}") from None
