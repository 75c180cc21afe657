"""The executor: the life of a batch, from a worker's hand to the acknowledgement.

    hold ─▶ claim ─▶ open ─▶ drop ─▶ run ─▶ report ─▶ judge ─▶ settle
                                      ▲                          │ until every run has ended
                                      └──────────────────────────┘

Every step takes the whole batch, or whatever of it has been said since the last look, so that the store is asked
once for all. To settle is to record first and to acknowledge second: should the worker die in between, the
delivery comes again, its record is found to be finished, and it is only acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Final, TypeVar

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.config import WorkerSettings
from leveret.core import lifecycle
from leveret.core.blobs import output_key
from leveret.core.events import Failed, Output, Report, Succeeded
from leveret.core.meters import Meter, Phase
from leveret.core.outcome import Crashed, HandedBack, Overran, RetryWanted, Returned, Stopped
from leveret.core.places import Places
from leveret.core.ports import Blobs, Busy, Claim, Claimed, Delivery, Early, Finished, Pulse, Runs
from leveret.core.prediction import Blob, Means, Prediction
from leveret.core.retry import Again, Finish, Verdict
from leveret.core.streams import once
from leveret.core.tracing import Tracer
from leveret.core.wire import CONTENT_TYPE
from leveret.errors import InputUnreadable, InvalidOutput, LeveretError
from leveret.worker.connection import FromRun
from leveret.worker.frames import Ended, Item, Ready
from leveret.worker.hand import Hand, Held
from leveret.worker.inputs import Inputs
from leveret.worker.judging import Judged, judge, reported, tenable, uncharged
from leveret.worker.leaders import Leaders
from leveret.worker.outputs import Outputs, beyond
from leveret.worker.patience import insist
from leveret.worker.process import ModelProcess
from leveret.worker.spans import Spans, settled
from leveret.worker.spool import Spool

T = TypeVar("T")
OUTAGE_DELAY: Final = 5.0
"""How long a delivery waits that could not be dealt with because something else is out of order, in seconds."""

_log: FilteringBoundLogger = structlog.get_logger()


class Executor:
    """Sees batches through. `learn` is told how long their runs take."""

    def __init__(
        self,
        *,
        runs: Runs,
        blobs: Blobs,
        inputs: Inputs,
        spool: Spool,
        hand: Hand,
        leaders: Leaders,
        settings: WorkerSettings,
        learn: Callable[[float], None],
        meter: Meter,
        tracer: Tracer,
    ) -> None:
        self._runs = runs
        self._blobs = blobs
        self._spool = spool
        self._inputs = inputs
        self._outputs = Outputs(blobs=blobs, spool=spool, patience=hand.lease)
        self._hand = hand
        self._leaders = leaders
        self._settings = settings
        self._learn = learn
        self._meter = meter
        self._spans = Spans(tracer=tracer, hand=hand)

    async def execute(
        self, deliveries: Sequence[Delivery], process: ModelProcess, *, claimed: Callable[[], None]
    ) -> None:
        """See a batch through. However it goes, every delivery is dealt with exactly once.

        `claimed` is told when everything that will run is on its way to the process.
        """
        batch = [self._hand.hold(delivery) for delivery in deliveries]
        most = process.ready.max_attempts or self._settings.max_attempts
        together, in_turn = _split(batch, partial(_shares, at_once=process.ready.concurrency > 1, most=most))
        try:
            parts = [part for part in (together, *([held] for held in in_turn)) if part]
            for part in parts:
                await self._see_through(part, process, most=most, claimed=claimed if part is parts[-1] else None)
        except Exception:
            begun = [held for held in batch if held.open and held.run.attempt]
            _log.exception("batch failed; what has not ended is tried again", count=len(begun))
            for held in begun:
                _log.warning("run again", **held.about(), reason="its batch failed")
            self._hand.abandon(begun)
            await self._reset(begun)
        finally:
            for held in batch:
                await self._hand.give_back(held, delay=OUTAGE_DELAY)
                await self._spool.clear(held.run)

    async def _see_through(
        self, batch: Sequence[Held], process: ModelProcess, *, most: int, claimed: Callable[[], None] | None
    ) -> None:
        if process.ready.reuse is not None:
            batch = await self._reused(batch, process.ready, most=most)
        ours = await self._claim(batch, most=most)
        items = await self._drop(await self._open(ours, self._inputs.places(process.ready.input_schema)))
        if claimed is not None:
            claimed()
        if items:
            self._meter.batch(process.ready.model, len(items))
        with self._spans.under_way(items, process.ready) as traced:
            await self._run(traced, process)

    async def _run(self, items: Sequence[Item], process: ModelProcess) -> None:
        async with aclosing(process.run(items)) as run:
            async for frames in run:
                said = await self._outputs.stored([self._within(frame) for frame in frames])
                await self._report(said)
                judged = await self._judge(said)
                await self._settle(judged)

    def _within(self, frame: FromRun) -> FromRun:
        """The frame, unless its run has put out more than it may."""
        held = self._hand.of(frame.id)
        held.put_out += self._outputs.size(frame)
        largest = self._settings.max_output
        return frame if held.put_out <= largest else beyond(frame, largest)

    async def _reused(self, batch: Sequence[Held], ready: Ready, *, most: int) -> list[Held]:
        """Those that have to be run. The others get the output of one that asked for the same, or wait for it."""
        found = await self._leaders.sort(batch, ready)
        for held, delay in found.waiting:
            await self._hand.give_back(held, delay=delay)
        leaders = {held.run.id: leader for held, leader in found.led}
        ours = await self._claim([held for held, _ in found.led], most=most)
        await self._settle(await _together(self._copy(held, leaders[held.run.id], ready) for held in ours))
        return found.leading

    async def _copy(self, held: Held, leader: Prediction, ready: Ready) -> Judged:
        try:
            said, end = await self._leaders.copied(leader, held.run, streams=ready.streams)
        except LeveretError as error:
            return held, Again(uncharged(held, str(error), at=time.time(), delay=OUTAGE_DELAY))
        if said:
            await self._append(held, said)
        return held, Finish(end)

    async def _claim(self, batch: Sequence[Held], *, most: int) -> list[Held]:
        """Those that are ours to run. Of what runs already a guard is kept: it comes again when that has ended."""
        fresh, doubles = _split(batch, lambda held: not held.double)
        for held in doubles:
            await self._hand.give_back(held, delay=self._settings.guard_delay)
        for held, claim in zip(fresh, await self._claims(fresh, most=most), strict=True):
            match claim:
                case Claimed():
                    self._hand.begin(held, claim, most=most)
                    self._spans.claimed(held)
                    self._waited(held)
                case Finished():
                    self._hand.ack(held)
                case Busy():
                    await self._hand.give_back(held, delay=self._settings.guard_delay)
                case Early(delay=delay):
                    await self._hand.give_back(held, delay=delay)
        return [held for held in fresh if held.alive]

    async def _open(self, claimed: Sequence[Held], places: Places) -> list[Item]:
        """The inputs: in the message, or among the blobs, with their files. A run that cannot have its ends here."""
        inline, apart = _split(claimed, lambda held: held.prediction.input_blob is None and not places.any)
        fetched = await _together(self._fetch(held, places) for held in apart)
        return [self._item(held, bytes(held.prediction.input)) for held in inline] + [one for one in fetched if one]

    async def _drop(self, items: Sequence[Item]) -> list[Item]:
        """Those that are still wanted. What was canceled meanwhile, or is past its deadline, ends here."""
        now = time.time()
        wanted, unwanted = _split(items, lambda item: self._hand.wants(item.id, at=now))
        ended = [Ended(item.id, item.attempt, Stopped(Means.NOT_BEGUN), 0.0) for item in unwanted]
        await self._settle([self._decide(end, at=now) for end in ended])
        return wanted

    async def _report(self, said: Sequence[FromRun]) -> None:
        """Add to the log of each run what it reports, in its order; all runs at once."""
        now = time.time()
        reports: dict[str, list[Report]] = {}
        for frame in said:
            report = reported(frame, at=now)
            if report is not None:
                reports.setdefault(frame.id, []).append(report)
        await _together(self._append(self._hand.of(run), reported) for run, reported in reports.items())

    async def _judge(self, said: Sequence[FromRun]) -> list[Judged]:
        """What follows for each run that has ended. An output too large for the record goes among the blobs."""
        now = time.time()
        ended = [frame for frame in said if isinstance(frame, Ended)]
        self._measure(ended)
        large, small = _split(ended, self._is_large)
        return [self._decide(end, at=now) for end in small] + await _together(self._store(end, at=now) for end in large)

    async def _settle(self, judged: Sequence[Judged]) -> None:
        """Record the endings first, acknowledge second."""
        judged = [tenable(held, verdict) for held, verdict in judged]
        pulses = await self._record(judged)
        gone = [one for one, pulse in zip(judged, pulses, strict=True) if pulse is Pulse.GONE]
        for (held, verdict), pulse in zip(judged, pulses, strict=True):
            match verdict:
                case _ if pulse is Pulse.GONE:
                    pass
                case _ if pulse is Pulse.LOST:
                    await self._discard(held, verdict)
                case Finish(ending=ending):
                    settled(held, verdict)
                    self._meter.ended(held.prediction.model, str(lifecycle.change(ending).fields["status"]))
                    self._hand.ack(held)
                case Again(ending=ending):
                    settled(held, verdict)
                    self._meter.rerun(held.prediction.model)
                    _log.warning("run again", **held.about(), reason=_told(held, ending.reason))
                    await self._hand.give_back(held, delay=ending.delay)
        await self._settle_gone(gone)

    async def _settle_gone(self, judged: Sequence[Judged]) -> None:
        """End runs of which the store has lost the records, in records made anew."""
        if not judged:
            return
        ours = await self._insist(lambda: self._hand.rebuild([held for held, _ in judged]))
        mine, others = _split(judged, lambda one: one[0] in ours)
        for held, verdict in others:
            await self._discard(held, verdict)
        await self._settle(mine)

    async def _discard(self, held: Held, verdict: Verdict) -> None:
        """The run was no longer ours. Its message is not acknowledged: it may be the only one that there is."""
        _log.warning("result discarded: the run was no longer ours", **held.about())
        held.span.end(status="lost", error="lost")
        if isinstance(verdict.ending, Succeeded) and (blob := verdict.ending.output_blob) is not None:
            with suppress(LeveretError):  # it is removed with the data of its prediction then
                await self._blobs.delete(blob)
        await self._hand.give_back(held, delay=OUTAGE_DELAY)

    async def _reset(self, begun: Sequence[Held]) -> None:
        """The next run of these is another one: what this one may still say is nobody's."""
        now = time.time()
        endings = [(held.run, uncharged(held, "its worker failed", at=now, delay=OUTAGE_DELAY)) for held in begun]
        try:
            await self._runs.settle(endings, worker=self._hand.worker)
        except Exception:
            _log.exception("runs not reset; their leases have to lapse")

    async def _claims(self, batch: Sequence[Held], *, most: int) -> list[Claim]:
        if not batch:
            return []
        predictions = [held.prediction for held in batch]
        return await self._insist(
            lambda: self._runs.claim(predictions, worker=self._hand.worker, lease=self._hand.lease, most=most)
        )

    async def _fetch(self, held: Held, places: Places) -> Item | None:
        try:
            content = await self._inputs.read(held.prediction, held.run, places, wanted=lambda: held.unwanted is None)
            return self._item(held, content)
        except InputUnreadable as error:
            await self._settle([(held, Finish(Failed(time.time(), str(error), held.run.attempt)))])
        except (LeveretError, OSError) as error:
            reset = uncharged(held, str(error), at=time.time(), delay=OUTAGE_DELAY)
            await self._settle([(held, Again(reset))])
        return None

    async def _append(self, held: Held, reports: Sequence[Report]) -> None:
        held.appends += 1
        held.streamed = held.streamed or any(isinstance(report, Output) for report in reports)
        number, worker = held.appends, self._hand.worker
        try:
            await self._insist(lambda: self._runs.append(held.run, reports, worker=worker, number=number))
        except InvalidOutput as error:
            held.refused = str(error)

    async def _store(self, end: Ended, *, at: float) -> Judged:
        assert isinstance(end.outcome, Returned)  # noqa: S101 - nothing else is large
        key, held, output = output_key(end.id, end.attempt), self._hand.of(end.id), end.outcome.output
        try:
            blob = await self._insist(lambda: self._put(key, output))
        except LeveretError as error:
            return held, Again(uncharged(held, str(error), at=at, delay=OUTAGE_DELAY))
        return held, Finish(Succeeded(at, end.attempt, output_blob=blob))

    async def _put(self, key: str, output: bytes) -> Blob:
        return await self._blobs.put(key, once(output), content_type=CONTENT_TYPE)

    def _decide(self, end: Ended, *, at: float) -> Judged:
        held = self._hand.of(end.id)
        held.asked_again = isinstance(end.outcome, RetryWanted)
        return judge(held, end, at=at, worker=self._hand.worker)

    async def _record(self, judged: Sequence[Judged]) -> list[Pulse]:
        if not judged:
            return []
        for held, _ in judged:
            held.alive = False
        endings = [(held.run, verdict.ending) for held, verdict in judged]
        return await self._insist(lambda: self._runs.settle(endings, worker=self._hand.worker))

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """The store may be away for as long as the leases last; then others may have our runs."""
        return await insist(call, patience=self._hand.lease)

    def _item(self, held: Held, content: bytes) -> Item:
        """A run whose crash would be its end is made alone, so that nobody fails for what only its neighbours did."""
        charged, suspect = held.claimed.charged, held.claimed.suspect
        last = charged >= held.most - 1 or suspect not in ("", self._hand.worker)
        return Item(held.run.id, held.run.attempt, content, alone=charged > 0 and last)

    def _is_large(self, end: Ended) -> bool:
        return isinstance(end.outcome, Returned) and len(end.outcome.output) > self._settings.inline_limit

    def _measure(self, ended: Sequence[Ended]) -> None:
        """What has crashed, was handed back or stopped does not tell how long the model takes."""
        unfinished = Crashed | HandedBack | Stopped | Overran
        seconds = [end.seconds for end in ended if not isinstance(end.outcome, unfinished)]
        if seconds:
            self._learn(sum(seconds) / len(seconds))
        for end in ended:
            self._spans.ran(end)
            self._meter.phase(self._hand.of(end.id).prediction.model, Phase.RUN, end.seconds)

    def _waited(self, held: Held) -> None:
        """How long it has waited for its first run; until a later one it waits for other reasons."""
        if held.run.attempt == 1:
            self._meter.phase(held.prediction.model, Phase.QUEUED, time.time() - held.prediction.created_at)


def _told(held: Held, reason: str) -> str:
    """Why it is run again, as the log says it: what a model says is only for whoever may see the prediction."""
    return "its model asks for it" if held.asked_again else reason


def _shares(held: Held, *, at_once: bool, most: int) -> bool:
    """Whether it may be claimed together with others. If not, it is claimed when its turn comes.

    Whatever is claimed when a worker is lost is charged, and of those that were lost together one may be to blame. So
    they stay apart from then on; where runs go on at once, each only for the last one that it may have.
    """
    lost = held.prediction.attempt > 0
    return not lost or (at_once and held.prediction.charged + 1 < most - 1)


def _split(things: Iterable[T], is_first: Callable[[T], bool]) -> tuple[list[T], list[T]]:
    first: list[T] = []
    second: list[T] = []
    for thing in things:
        (first if is_first(thing) else second).append(thing)
    return first, second


async def _together(calls: Iterable[Coroutine[None, None, T]]) -> list[T]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call) for call in calls]
    return [task.result() for task in tasks]
