"""The store: the ports as commands that travel through the batcher."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from leveret.backends.redis import claims, lines, listings, replies, scripts
from leveret.backends.redis.accounts import RedisAccounts, refused
from leveret.backends.redis.attendance import RedisAttendance
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.connection import Connector, Reply
from leveret.backends.redis.credentials import RedisCredentials
from leveret.backends.redis.expiry import RedisExpiry
from leveret.backends.redis.follow import Logs
from leveret.backends.redis.hooks import RedisHooks
from leveret.backends.redis.keys import Keys
from leveret.backends.redis.letters import RedisLetters
from leveret.backends.redis.record import Snapshot
from leveret.backends.redis.subscriptions import Subscriptions
from leveret.backends.redis.upkeep import RedisUpkeep
from leveret.backends.redis.uploads import RedisUploads
from leveret.core import lifecycle
from leveret.core.card import Card, Listing
from leveret.core.events import Canceled, Ending, Entry, Failed, Report
from leveret.core.limits import Allowance
from leveret.core.line import Line
from leveret.core.meters import SILENT, Meter
from leveret.core.once import Once
from leveret.core.ports import Claim, Outbox, Pulse, Query, Running
from leveret.core.prediction import Means, Prediction
from leveret.core.retention import Retention
from leveret.errors import DataRemoved, IdempotencyMismatch, IllegalTransition, PredictionNotFound
from leveret.tls import NO_STORE_FILES, Files

_PAGE: Final = 500
"""How many records a search looks through at once when it filters."""

_PAGES: Final = 200
"""How many such pages a search looks through before it is content with what it has found."""

_EXISTS: Final = -1
"""The answer of create.lua when there is such a record already."""

_MISMATCH: Final = -2
"""The answer of create.lua when it was sent before, as something else."""

_WAITS: Final = 1
"""The answer of cancel.lua when no run has begun."""

_PULSES: Final = {claims.MISSING: Pulse.GONE, 0: Pulse.LOST, 1: Pulse.OURS, 2: Pulse.CANCEL}
"""The answers of beat.lua, and of transition.lua to the worker of a run."""

_card_encoder = msgspec.json.Encoder()
_log = structlog.get_logger()


@asynccontextmanager
async def open_store(
    url: str,
    *,
    namespace: str = "leveret",
    patience: float = 30.0,
    retention: Retention | None = None,
    meter: Meter = SILENT,
    files: Files = NO_STORE_FILES,
) -> AsyncIterator[RedisStore]:
    """The store at `url`, even if there is no server now: it is tried further in the background.

    A call waits up to `patience` seconds for a server that is away. Raises InvalidSetting.
    """
    connector = Connector(url, files)
    keys = Keys(namespace)
    loaded = scripts.load()
    batcher = Batcher(connector, scripts=list(loaded), patience=patience, meter=meter)
    subscriptions = Subscriptions(connector, patience=patience)
    commands = Commands(keys=keys, scripts=loaded, retention=retention)
    logs = Logs(batcher=batcher, subscriptions=subscriptions, commands=commands, keys=keys)
    tasks = [asyncio.create_task(batcher.run()), asyncio.create_task(subscriptions.run())]
    for task in tasks:
        task.add_done_callback(_report)
    try:
        await asyncio.sleep(0)  # a task that is canceled before it has begun would close nothing
        yield RedisStore(batcher=batcher, commands=commands, keys=keys, logs=logs)
    finally:
        await _stop(tasks)


class RedisStore(
    RedisUpkeep,
    RedisLetters,
    RedisExpiry,
    RedisUploads,
    RedisHooks,
    RedisCredentials,
    RedisAccounts,
    RedisAttendance,
):
    """Implements core.ports.Store."""

    def __init__(self, *, batcher: Batcher, commands: Commands, keys: Keys, logs: Logs) -> None:
        super().__init__(batcher=batcher, commands=commands, keys=keys)
        self._logs = logs

    # Predictions

    async def create(
        self, prediction: Prediction, *, once: Once | None = None, within: Allowance | None = None
    ) -> Prediction:
        """See core.ports.Predictions."""
        command = self._commands.create(prediction, at=time.time(), once=once, within=within)
        (reply,) = await self._batcher.send([command])
        match reply:
            case bytes(repeated):
                return await self._repeated(prediction, repeated.decode(), within)
            case answer if answer == _EXISTS:
                return await self.get(prediction.id)
            case answer if answer == _MISMATCH:
                raise IdempotencyMismatch
            case [int(refusal), int(number)] if refusal < 0:
                raise refused(refusal, number, within)
        lane, ticket = map(replies.number, replies.array(reply))
        return replace(prediction, lane=lane, ticket=ticket)

    async def _repeated(self, prediction: Prediction, earlier: str, within: Allowance | None) -> Prediction:
        """What it repeats; if that was deleted just now, it is a prediction of its own."""
        try:
            return await self.get(earlier)
        except PredictionNotFound:
            return await self.create(prediction, within=within)

    async def missed(self, prediction: Prediction, once: Once) -> None:
        """See core.ports.Predictions."""
        await self._batcher.send([self._commands.missed(prediction, once)])

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        snapshots = await self._snapshots([prediction_id])
        if not snapshots:
            raise PredictionNotFound(prediction_id=prediction_id)
        for prediction in await self._whole(snapshots):
            return prediction
        raise PredictionNotFound(prediction_id=prediction_id)

    async def search(self, query: Query) -> list[Prediction]:
        """See core.ports.Predictions. With a filter, only the account's next 100 000 predictions are looked through."""
        if query.status is None and query.model is None:
            ids = await self._page(query.account, query.before, query.limit)
        else:
            ids = await self._filtered(query)
        return await self._whole(await self._snapshots(ids))

    def follow(self, prediction_id: str, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        """See core.ports.Predictions."""
        return self._logs.follow(prediction_id, after=after)

    async def end(self, prediction_id: str, ending: Failed | Canceled) -> bool:
        """See core.ports.Predictions."""
        (reply,) = await self._batcher.send([self._commands.end(prediction_id, ending)])
        return reply == 1

    async def cancel(self, prediction_id: str) -> str | None:
        """See core.ports.Predictions."""
        while True:
            ending = Canceled(time.time(), stopped=Means.NOT_BEGUN)
            end, request = self._commands.end(prediction_id, ending), self._commands.cancel(prediction_id)
            _, requested = await self._batcher.send([end, request])
            match requested:
                case bytes(worker):
                    return worker.decode()
                case answer if answer == claims.MISSING:
                    raise PredictionNotFound(prediction_id=prediction_id)
                case answer if answer != _WAITS:
                    return None
            # A run was under way when it should end, and was reset before it could be told.

    # Runs

    async def claim(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None = None
    ) -> list[Claim]:
        """See core.ports.Runs."""
        if not predictions:
            return []
        at = time.time()
        commands = self._commands.claims(predictions, worker=worker, lease=lease, most=most, at=at)
        answers = await self._batcher.send(commands)
        missing = [place for place, answer in enumerate(answers) if answer == claims.MISSING]
        if missing:
            rebuilding = [self._commands.rebuild(predictions[place], at=at) for place in missing]
            again = await self._batcher.send(rebuilding + [commands[place] for place in missing])
            for place, answer in zip(missing, again[len(missing) :], strict=True):
                answers[place] = answer
        await self._end_refused(predictions, answers, most=most, at=at)
        return [claims.claim(answer) for answer in answers]

    async def beat(self, runs: Sequence[Running], *, worker: str, lease: float) -> list[Pulse]:
        """See core.ports.Runs."""
        commands = [self._commands.beat(run, worker=worker, lease=lease) for run in runs]
        return [_PULSES[replies.number(reply)] for reply in await self._batcher.send(commands)]

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        """See core.ports.Runs."""
        (reply,) = await self._batcher.send([self._commands.append(run, reports, worker=worker, number=number)])
        return reply == 1

    async def settle(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> list[Pulse]:
        """See core.ports.Runs."""
        commands = [self._commands.end(run.id, ending, worker=worker) for run, ending in endings]
        return [_PULSES[replies.number(reply)] for reply in await self._batcher.send(commands)]

    # Registry

    async def announce(self, card: Card, *, worker: str, lease: float, problem: str | None = None) -> None:
        """See core.ports.Registry."""
        encoded = _card_encoder.encode(card)
        command = self._commands.announce(card.model, encoded, worker=worker, lease=lease, problem=problem)
        await self._batcher.send([command])

    async def cards(self) -> list[Listing]:
        """See core.ports.Registry."""
        (reply,) = await self._batcher.send([self._commands.cards()])
        return listings.read(reply)

    async def running(self) -> Mapping[str, int]:
        """See core.ports.Registry."""
        (reply,) = await self._batcher.send([("ZRANGE", self._keys.leases, 0, -1)])
        commands = [("HGET", self._keys.record(one.decode()), "owner") for one in replies.strings(reply)]
        owners = [replies.text(answer) for answer in await self._batcher.send(commands)] if commands else []
        return Counter(owner.decode().partition(" ")[0] for owner in owners if owner is not None)

    async def models(self, prediction_ids: Sequence[str]) -> list[str | None]:
        """See core.ports.Models."""
        if not prediction_ids:
            return []
        answers = await self._batcher.send([("HGET", self._keys.record(one), "owner") for one in prediction_ids])
        owners = [replies.text(answer) for answer in answers]
        return [None if owner is None else owner.decode().partition(" ")[0] for owner in owners]

    # Reuse

    async def lead(self, prediction_id: str, key: str, *, lifetime: float, instead: str = "") -> str:
        """See core.ports.Reuse."""
        command = self._commands.lead(prediction_id, key, lifetime=lifetime, instead=instead)
        (reply,) = await self._batcher.send([command])
        return (replies.text(reply) or b"").decode()

    # Lines

    async def lines(self) -> Mapping[str, Line]:
        """See core.ports.Lines."""
        (reply,) = await self._batcher.send([("HGETALL", self._keys.lines)])
        return lines.read(reply)

    async def outbox(self) -> Outbox:
        """See core.ports.Lines."""
        commands = [("ZCARD", self._keys.outbox), ("ZRANGE", self._keys.outbox, 0, 0, "WITHSCORES"), ("TIME",)]
        return lines.outbox(*await self._batcher.send(commands))

    async def _end_refused(
        self, claimed: Sequence[Prediction], answers: Sequence[Reply], *, most: int | None, at: float
    ) -> None:
        """End what gets no other run. Its own worker may come first with another end."""
        refused = [
            self._commands.end(prediction.id, ending)
            for prediction, answer in zip(claimed, answers, strict=True)
            if (ending := claims.ending(answer, at=at, most=most)) is not None
        ]
        if refused:
            await self._batcher.send(refused)

    async def _page(self, account: str, before: str | None, count: int) -> list[str]:
        """The account's next ids below `before`, highest first."""
        highest = "+" if before is None else f"({before}"
        command = ("ZREVRANGEBYLEX", self._keys.account(account), highest, "-", "LIMIT", 0, count)
        (reply,) = await self._batcher.send([command])
        return [prediction_id.decode() for prediction_id in replies.strings(reply)]

    async def _filtered(self, query: Query) -> list[str]:
        """The ids of those that fit."""
        found: list[str] = []
        before = query.before
        for _ in range(_PAGES):
            ids = await self._page(query.account, before, _PAGE)
            answers = await self._batcher.send([("HMGET", self._keys.record(one), "status", "owner") for one in ids])
            found += [one for one, answer in zip(ids, answers, strict=True) if _fits(replies.array(answer), query)]
            if len(found) >= query.limit or len(ids) < _PAGE:
                break
            before = ids[-1]
        return found[: query.limit]

    async def _whole(self, snapshots: Sequence[Snapshot]) -> list[Prediction]:
        """The predictions with everything that stands only in the logs."""
        if not any(one.live for one in snapshots):
            return [one.prediction for one in snapshots]
        found = await asyncio.gather(*map(self._folded, snapshots))
        return [prediction for prediction in found if prediction is not None]

    async def _folded(self, snapshot: Snapshot) -> Prediction | None:
        """The prediction; None if it is gone by now."""
        if not snapshot.live:
            return snapshot.prediction
        prediction_id = snapshot.submitted.id
        try:
            return lifecycle.fold(snapshot.submitted, await self._logs.whole(prediction_id))
        except (PredictionNotFound, DataRemoved, IllegalTransition):  # its data was removed since the record was read
            again = await self._snapshots([prediction_id])
            return again[0].prediction if again else None


def _fits(fields: Sequence[Reply], query: Query) -> bool:
    """Whether a record with this status and this owner (`model account`) fits."""
    status, owner = fields
    if not isinstance(status, bytes) or not isinstance(owner, bytes):
        return False  # the record is gone
    return query.status in {None, status.decode()} and query.model in {None, owner.decode().partition(" ")[0]}


async def _stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel until it is done: a task group whose connection breaks at that moment forgets that it was cancelled."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=1.0)


def _report(task: asyncio.Task[None]) -> None:
    """Say why a background task has ended; from then on every call raises StoreUnavailable."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the connection to the store has ended", exc_info=error)
