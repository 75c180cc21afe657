"""The teller: does the errands. Any number may run; what one does the others leave alone.

    fresh  look for the news ─▶ call for the first notice ─▶ remember the call ─▶ look again ─▶ nothing left: rest
    again  call for the notice once more ─▶ remember the call

Of one prediction everything is told in its order, one call after the other. A notice that fails is queued to be called
for again, before what is next is told: so it may come later than that. An update is not repeated as it was: the errand
itself is, and tells the latest state by then.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import structlog
from msgspec.structs import replace

from leveret.config import WebhookSettings
from leveret.core import webhooks
from leveret.core.hooks import ErrandInHand, Hooks
from leveret.core.meters import SILENT, Meter, Phase, Told
from leveret.core.ports import Queues
from leveret.core.prediction import HookEvent, Prediction
from leveret.core.signature import SECRET_SIZE, new_secret
from leveret.core.tracing import UNTRACED, Tracer
from leveret.core.webhooks import Again, Call, Errand, Fresh, News, Notice
from leveret.errors import LeveretError, Unavailable, Undecodable
from leveret.observe.logs import about
from leveret.webhooks.caller import Answer, Caller
from leveret.webhooks.crowds import Crowded, Crowds

TOLERANCE: Final = 0.05
"""How much too early a call may be made again, in seconds."""

LONGEST_PAUSE: Final = 300.0
"""Seconds that an errand waits at most after an update has failed, as the end of the prediction waits with it."""

CROWD_PATIENCE: Final = 0.25
"""Seconds that an errand waits for others to the same host: long for one that answers, short for who waits behind."""

CROWDED_PAUSE: Final = 1.0
"""Seconds until an errand is tried again whose host is busy with others."""

AWAY_PAUSE: Final = 1.0
"""Seconds until an errand goes back when the store or the broker is away."""

Render: TypeAlias = Callable[[Prediction, str], Awaitable[bytes]]
"""A prediction as clients see it; links in it begin with the second argument."""

_log = structlog.get_logger()


class Teller:
    """Does errands, `settings.concurrency` at once, until it is cancelled.

    `base_url` is ours, if it is known; `plan` is how long to wait after each failed call.
    """

    def __init__(
        self,
        *,
        hooks: Hooks,
        queues: Queues,
        caller: Caller,
        render: Render,
        settings: WebhookSettings,
        base_url: str,
        meter: Meter = SILENT,
        tracer: Tracer = UNTRACED,
        plan: Sequence[float] = webhooks.DELAYS,
    ) -> None:
        self._hooks = hooks
        self._queues = queues
        self._caller = caller
        self._render = render
        self._settings = settings
        self._base_url = base_url
        self._plan = plan
        self._meter = meter
        self._tracer = tracer
        self._crowds = Crowds(most=max(1, settings.concurrency // 4), patience=CROWD_PATIENCE)

    async def run(self) -> None:
        """Do errands for ever."""
        capacity = self._settings.concurrency
        free = asyncio.Semaphore(capacity)
        async with self._queues.errands(capacity=capacity) as errands, asyncio.TaskGroup() as group:
            async for errand in errands:
                await free.acquire()
                group.create_task(self._see_to(errand)).add_done_callback(lambda _: free.release())

    async def _see_to(self, errand: ErrandInHand) -> None:
        """Do it, and end it in one way or another."""
        try:
            await self._do(errand.body)
            errand.ack()
        except Undecodable as error:
            _log.warning("a foreign message among the errands becomes a dead letter", reason=str(error))
            errand.reject()
        except Unavailable as error:
            _log.warning("an errand is put off", reason=str(error))
            await asyncio.sleep(AWAY_PAUSE)
            errand.give_back()
        except Exception as error:
            _log.error("an errand failed and becomes a dead letter", exc_info=error)
            errand.reject()

    async def _do(self, body: bytes) -> None:
        errand = webhooks.decode(body)
        try:
            match errand:
                case Fresh():
                    await self._tell(errand)
                case Again(due=due) if (early := due - time.time()) > TOLERANCE:
                    await self._send(errand, delay=early)
                case Again():
                    await self._repeat(errand)
        except Crowded:
            await self._send(errand, delay=CROWDED_PAUSE)

    async def _tell(self, errand: Fresh) -> None:
        """Tell all the news there are, in their order, unless an update fails."""
        prediction_id, failures = errand.prediction_id, errand.failures
        while (news := await self._hooks.news(prediction_id)) is not None and not news.silenced:
            notice = webhooks.first_notice(news)
            if notice is None:
                await self._hooks.rest(prediction_id, told=news.length)
                return
            if not notice.update:
                await self._tell_lasting(news, notice)
            elif news.wait > 0:
                await asyncio.sleep(news.wait)
            elif not await self._tell_update(news, notice, failures=failures):
                return
            else:
                failures = 0
        await self._hooks.rest(prediction_id, told=0)

    async def _tell_lasting(self, news: News, notice: Notice) -> None:
        """A notice that has to arrive: should it fail it is called for again, beside whatever is told then."""
        again = Again(notice)
        answer = await self._call(news.prediction, again)
        self._measure(news.prediction, again, answer)
        await self._follow_up(news.prediction, again, answer)
        await self._remember(again, answer, told=notice.number)

    async def _tell_update(self, news: News, notice: Notice, *, failures: int) -> bool:
        """Whether to go on: it has arrived, or failed for the last time."""
        again = Again(notice, attempt=failures + 1)
        answer = await self._call(news.prediction, again)
        self._measure(news.prediction, again, answer)
        if answer.accepted or answer.gone or again.attempt >= self._settings.max_attempts:
            await self._follow_up(news.prediction, again, answer)
            await self._remember(again, answer, told=notice.number)
            return True
        delay = min(self._delay(again, answer), LONGEST_PAUSE)
        await self._send(Fresh(news.prediction.id, failures=again.attempt), delay=delay)
        await self._remember(again, answer, told=0)
        return False

    async def _repeat(self, again: Again) -> None:
        news = await self._hooks.news(again.prediction_id)
        if news is None or (news.silenced and not again.demanded):
            return
        answer = await self._call(news.prediction, again)
        self._measure(news.prediction, again, answer)
        await self._follow_up(news.prediction, again, answer)
        await self._remember(again, answer, told=0)

    async def _call(self, prediction: Prediction, again: Again) -> Answer:
        """Raises Crowded and Unavailable, and then nobody was called."""
        webhook, notice = prediction.webhook, again.notice
        assert webhook is not None  # noqa: S101 - there are no news without one
        async with self._crowds.joined(webhook.url):
            secret = await self._hooks.hook_secret(prediction.account, fresh=new_secret(os.urandom(SECRET_SIZE)))
            try:
                body = await self._render(webhooks.shown(prediction, notice), self._base_url or webhook.base)
            except Unavailable:
                raise
            except LeveretError as error:  # such as an output that is no longer kept
                return Answer(0.0, error=str(error))
            with self._tracer.call(prediction, webhook.url, again.attempt) as span:
                answer = await self._caller.call(
                    webhook.url, secret=secret, webhook_id=notice.webhook_id, body=body, trace=span.trace
                )
                span.end(status=answer.status or "", error="" if answer.accepted else "not_accepted")
            return answer

    async def _follow_up(self, prediction: Prediction, again: Again, answer: Answer) -> None:
        """What is due after this answer."""
        if answer.accepted:
            return
        if answer.gone:
            await self._hooks.silence(again.prediction_id)
        elif again.attempt < self._settings.max_attempts:
            delay = self._delay(again, answer)
            later = replace(again, attempt=again.attempt + 1, due=time.time() + delay)
            await self._send(later, delay=delay)
        else:
            _log.warning("a webhook is given up", **about(prediction), webhook_id=again.notice.webhook_id)

    def _measure(self, prediction: Prediction, again: Again, answer: Answer) -> None:
        final = answer.gone or again.attempt >= self._settings.max_attempts
        self._meter.told(Told.DELIVERED if answer.accepted else Told.GIVEN_UP if final else Told.FAILED)
        if answer.accepted and again.attempt == 1 and again.notice.event is HookEvent.COMPLETED:
            self._meter.phase(prediction.model, Phase.DELIVERY, time.time() - (prediction.completed_at or time.time()))

    async def _remember(self, again: Again, answer: Answer, *, told: int) -> None:
        call = Call(
            at=time.time() - answer.seconds,
            event=again.notice.event,
            webhook_id=again.notice.webhook_id,
            attempt=again.attempt,
            seconds=round(answer.seconds, 3),
            status=answer.status,
            error=answer.error,
        )
        await self._hooks.called(again.prediction_id, call, told=told)

    async def _send(self, errand: Errand, *, delay: float) -> None:
        await self._queues.send(webhooks.encode(errand), delay=delay)

    def _delay(self, again: Again, answer: Answer) -> float:
        jitter = random.random()  # noqa: S311 - no secret
        return webhooks.delay(again.attempt, jitter=jitter, wish=answer.wish, plan=self._plan)
