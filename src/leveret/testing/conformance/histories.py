"""Whatever happens to a prediction, its record is what its log makes of it: random histories, by seed."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import random
import time

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.events import Canceled, Ending, Failed, Logs, Output, Progress, Report
from leveret.core.lifecycle import fold
from leveret.core.ports import Running, Store
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    append,
    beat,
    canceled,
    claimed,
    entries,
    failed,
    reset,
    settle,
    streamed,
    succeeded,
    unnumbered,
    whole_log,
)

SHORT = 0.01
WORKERS = ["w1", "w2", "w3"]


class HistoryConformance:
    """record == fold(submitted, log), after every step of every history."""

    @pytest.mark.parametrize("seed", range(40))
    async def test_the_record_is_always_what_the_log_makes_of_the_submitted_prediction(
        self, store: Store, seed: int
    ) -> None:
        history = _History(store, random.Random(seed))  # noqa: S311 - the same history for a seed, no secret
        await history.begin()

        for _ in range(12):
            await history.step()
            await history.check()

        await history.finish()
        await history.check()
        assert len(await whole_log(store, history.prediction.id)) == history.length


class _History:
    """One prediction's life in the hands of three workers, of which some are lost and some come too late."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self.prediction = a_prediction(attempt=chance.choice([0, 0, 2]), text=chance.choice(["x", "naïve ☃"]))
        self.length = 1
        self._store = store
        self._random = chance
        self._run: Running | None = None
        self._worker = ""
        self._appended = 0
        self._lost: list[tuple[Running, str]] = []

    async def begin(self) -> None:
        """Half of them are created, half rebuilt from their message."""
        if self._random.random() < 0.5:
            self.prediction = await self._store.create(self.prediction)
        else:
            await self._claim()

    async def step(self) -> None:
        """Something that can happen now; and now and then someone comes too late, which changes nothing."""
        if self._lost and self._random.random() < 0.5:
            await self._come_late()
        if self._run is None:
            await self._claim()
        elif self._random.random() < 0.2:
            await self._be_lost(self._run)
        elif self._random.random() < 0.25:
            ending = reset(self._run, charged=self._random.randint(0, 3))
            await self._settle(self._run, self._random.choice([ending, replace(ending, suspect=self._worker)]))
        else:
            await self._append(self._run)

    async def finish(self) -> None:
        """End it in one of all ways."""
        if self._run is None or self._random.random() < 0.3:
            given_up = Failed(at=time.time(), error="the queue did not take it")
            endings: list[Failed | Canceled] = [canceled(), canceled("too late"), given_up]
            assert await self._store.end(self.prediction.id, self._random.choice(endings))
            self.length += 1
            return
        run = self._run
        ways: list[Ending] = [succeeded(run), streamed(run), failed(run), replace(canceled(), attempt=run.attempt)]
        await self._settle(run, self._random.choice(ways))

    async def check(self) -> None:
        """The record is what the log says, and the log is as long as it must be."""
        log = await entries(self._store, self.prediction.id, self.length)
        assert [entry.number for entry in log] == list(range(1, self.length + 1))
        record = await self._store.get(self.prediction.id)
        assert unnumbered(record) == fold(unnumbered(self.prediction), [entry.event for entry in log])

    async def _claim(self) -> None:
        self._worker = self._random.choice(WORKERS)
        self._run = await claimed(self._store, self.prediction, worker=self._worker, lease=LONG)
        self._appended = 0
        self.length += 1

    async def _be_lost(self, run: Running) -> None:
        assert await beat(self._store, run, worker=self._worker, lease=SHORT)
        self._lost.append((run, self._worker))
        others = [worker for worker in WORKERS if worker != self._worker]
        self._worker = self._random.choice(others)
        self._run = await claimed(self._store, self.prediction, worker=self._worker, lease=LONG)
        assert self._run.attempt == run.attempt + 1
        self._appended = 0
        self.length += 2

    async def _append(self, run: Running) -> None:
        reports = [self._report(run) for _ in range(self._random.randint(1, 3))]
        self._appended += 1
        for _ in range(self._random.choice([1, 1, 2])):
            assert await append(self._store, run, self._appended, *reports, worker=self._worker)
        self.length += len(reports)

    def _report(self, run: Running) -> Report:
        now = time.time()
        chunks = [Raw(chunk) for chunk in self._random.choices([b"1", b'"a,]"', b"[]", b'{"b":null}'], k=2)]
        reports: list[Report] = [
            Output(at=now, attempt=run.attempt, chunks=chunks),
            Output(at=now, attempt=run.attempt, chunks=[]),
            Logs(at=now, attempt=run.attempt, text="línea\n"),
            Progress(at=now, attempt=run.attempt, fraction=self._random.random()),
        ]
        return self._random.choice(reports)

    async def _settle(self, run: Running, ending: Ending) -> None:
        for _ in range(self._random.choice([1, 1, 2])):
            assert await settle(self._store, run, ending, worker=self._worker)
        self.length += 1
        self._lost.append((run, self._worker))
        self._run = None

    async def _come_late(self) -> None:
        """A worker that has lost its run for good tries to go on with it: the next attempt has begun or it waits."""
        run, worker = self._random.choice(self._lost)
        assert not await beat(self._store, run, worker=worker)
        assert not await append(self._store, run, 99, self._report(run), worker=worker)
        assert not await settle(self._store, run, succeeded(run), worker=worker)
