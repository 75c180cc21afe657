"""Replies: whoever has asked over AMQP is told what has become of the prediction, once it has ended.

    end it, and note that a reply is owed ─▶ send it, confirmed ─▶ clear the note

The worker that has ended it sends the reply at once. What is still owed a little later, or was ended by somebody else,
a sweep sends. Who dies in between has it sent twice: a reply may come again, but never fails to come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol, TypeVar

import structlog

from leveret.core import ports
from leveret.core.ports import Broker
from leveret.core.prediction import Prediction, ReplyTo
from leveret.errors import LeveretError, NoReplyQueue, PredictionNotFound, Unavailable
from leveret.observe.logs import about

T = TypeVar("T")

AGE: Final = 2.0
"""Seconds that a worker has for the replies to what it has ended, before a sweep sends them."""

LIMIT: Final = 1000
"""How many replies a sweep sends, and how many a worker remembers; the sweeps send the others."""

TOGETHER: Final = 50
"""How many replies are sent at once: each may be some MiB."""

_log = structlog.get_logger()


class Replying(ports.Replies, Protocol):
    """What this needs of the store."""

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        ...


class Replies:
    """Sends replies. `show` makes the body of one. Any number may do so at once."""

    def __init__(
        self, *, broker: Broker, store: Replying, show: Callable[[Prediction], Awaitable[bytes]], hold: float
    ) -> None:
        self._broker = broker
        self._store = store
        self._show = show
        self._hold = hold
        self._added: deque[Prediction] = deque()
        self._some = asyncio.Event()

    def add(self, prediction: Prediction) -> None:
        """This one is dealt with; if its message says where the reply goes, and it has ended, `run` sends it."""
        if prediction.reply_to is not None and len(self._added) < LIMIT:
            self._added.append(prediction)
            self._some.set()

    async def run(self) -> None:
        """Send what is added, for ever; cancelled, send what there is and end."""
        try:
            while True:
                await self._some.wait()
                await self._send_added()
        finally:
            await self._send_added()

    async def collect(self) -> None:
        """Send what is owed. Raises Unavailable."""
        owed = deque(await self._store.unreplied(age=AGE, hold=self._hold, limit=LIMIT))
        while owed:
            await self._send([(prediction_id, None) for prediction_id in _next(owed)])

    async def _send_added(self) -> None:
        self._some.clear()
        while self._added:
            try:
                await self._send([(prediction.id, prediction.reply_to) for prediction in _next(self._added)])
            except Unavailable as error:
                _log.warning("replies are left to a sweep", reason=str(error))

    async def _send(self, owed: Iterable[tuple[str, ReplyTo | None]]) -> None:
        """Send these, each to where it says, or else to where its record says."""
        owed = list(owed)
        done = await asyncio.gather(*[self._send_one(prediction_id, to) for prediction_id, to in owed])
        await self._store.replied([prediction_id for (prediction_id, _), sent in zip(owed, done, strict=True) if sent])

    async def _send_one(self, prediction_id: str, to: ReplyTo | None) -> bool:
        """Whether nothing is owed any more. A message that was published again can have a queue of its own."""
        try:
            prediction = await self._store.get(prediction_id)
            to = to or prediction.reply_to
            if not prediction.status.terminal or to is None:
                return False
            await self._broker.reply(to, prediction_id, await self._show(prediction))
        except PredictionNotFound:
            return True
        except NoReplyQueue as error:
            _log.warning("a reply is dropped", **about(prediction), reason=str(error))
        except LeveretError as error:
            _log.warning("a reply could not be sent yet", prediction_id=prediction_id, reason=str(error))
            return False
        return to == prediction.reply_to


def _next(waiting: deque[T]) -> list[T]:
    """Take some from the front."""
    return [waiting.popleft() for _ in range(min(TOGETHER, len(waiting)))]
