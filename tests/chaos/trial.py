"""A trial: load and faults side by side, then healing, then quiet, then what the checker says of it."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import redis
from msgspec import Struct
from pika.exceptions import AMQPError

from tests.chaos import checker, faults
from tests.chaos.deployment import Deployment
from tests.chaos.faults import Fault, Faults
from tests.chaos.history import Accepted, History, Kept, Polled, Ran, Refused, Remains, Seen, Struck
from tests.chaos.load import Load

RATE: Final = 12.0
"""Submissions in a second: about half of what the two workers can run."""

PATIENCE: Final = 150.0
"""Seconds that everything has to become quiet once nothing is done to it any more."""

_LOOK: Final = 0.5


class Verdict(Struct, frozen=True):
    """What came of a trial."""

    seed: int
    seconds: float
    violations: list[str]
    history: History
    path: Path

    def discard(self) -> None:
        """Remove the folder: nobody needs to look into it."""
        shutil.rmtree(self.path.parent)

    def report(self) -> str:
        """What happened, in some lines; in full when something is wrong."""
        history = self.history
        accepted = {one.id for one in history.of(Accepted)}
        kept = history.of(Kept)
        ended = Counter(str(one.status) for one in kept if one.id in accepted)
        counts = Counter(one.fault for one in history.of(Struck) if one.healed)
        again = sum(one.attempt > 1 for one in kept)
        lines = [
            f"seed {self.seed}, {self.seconds:g} s of load and faults; the history is in {self.path}",
            f"predictions: {len(accepted)} accepted ({_listed(ended)}), {len(kept) - len(accepted)} recorded besides;"
            f" {again} ran more than once",
            f"faults: {counts.total()} ({_listed(counts)})",
            f"observations: {len(history.of(Polled))} polled, {len(history.of(Seen))} streamed events,"
            f" {len(history.of(Ran))} lines of the models, {len(history.of(Refused))} requests not served",
        ]
        if self.violations:
            lines += ["the faults were:", *map(_told, history.of(Struck)), "what is wrong:", *self.violations[:50]]
        lines.append(f"violations: {len(self.violations)}")
        return "\n".join(lines)


async def trial(folder: Path, *, seed: int, seconds: float, kinds: Sequence[str] = tuple(faults.KINDS)) -> Verdict:
    """Try a deployment in this folder for so many seconds."""
    path = folder / f"history-{seed}.jsonl"
    path.unlink(missing_ok=True)
    history = History(path=path)
    deployment = await asyncio.to_thread(Deployment(folder).__enter__)
    try:
        await _disturb(deployment, history, faults.schedule(seed, seconds, kinds), seed=seed, seconds=seconds)
        await asyncio.to_thread(deployment.keep, history)
    finally:
        await asyncio.to_thread(deployment.__exit__, None, None, None)
        history.close()
    return Verdict(seed, seconds, checker.violations(history), history, path)


async def _disturb(
    deployment: Deployment, history: History, planned: Sequence[Fault], *, seed: int, seconds: float
) -> None:
    submitted = asyncio.Event()
    load = Load(deployment.url, history, seed=seed, rate=RATE)
    async with asyncio.TaskGroup() as group:
        clients = group.create_task(load.run(seconds, submitted))
        await Faults(deployment, history).run(planned)
        await submitted.wait()
        await asyncio.to_thread(deployment.heal)
        remains = await _quiet(deployment, clients)
        history.add(remains)
        clients.cancel()


async def _quiet(deployment: Deployment, clients: asyncio.Task[None]) -> Remains:
    """What remains as soon as nobody has anything left to do, or when it has taken too long."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not (clients.done() and await asyncio.to_thread(_idle, deployment)):
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        return await asyncio.to_thread(deployment.remains, quiet=False)
    return await asyncio.to_thread(deployment.remains, quiet=True)


def _idle(deployment: Deployment) -> bool:
    try:
        left = deployment.remains(quiet=False)
    except (AMQPError, redis.RedisError):
        return False
    waits = any(not queue.startswith("leveret.retry.") for queue in left.queues)
    return not (waits or left.outstanding or left.outbox or left.waiting or left.leases)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _told(one: Struck) -> str:
    what = "over" if one.healed else f"missed: {one.missed}" if one.missed else f"{one.seconds:.1f} s"
    return f"  {one.at:.3f} {one.fault}, {one.part}: {what}"
