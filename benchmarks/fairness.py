"""What a burst of one account does to the others: `python -m benchmarks.fairness`, on RabbitMQ and Redis.

The accounts submit through the ports, in one process, as a gateway does; a real worker runs a model that sleeps.
Before that the burst either waits as a whole, or has been served for a while when the others come.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from msgspec import Raw, Struct
from rich.console import Console
from rich.table import Table

from benchmarks.contest import ROOT, STOP_TIMEOUT
from benchmarks.models import NAP
from leveret.backends import Backends, connect
from leveret.config import Settings
from leveret.core.prediction import Prediction, new_id
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

MODEL: Final = "local/nap"
TARGET: Final = "benchmarks/models.py:nap"
BURST: Final = 5000
OTHERS: Final = 20
EACH: Final = 5
SLOTS: Final = 4
CONCURRENT: Final = 256
PATIENCE: Final = 120.0


class Found(Struct, frozen=True, kw_only=True):
    """Of the others, each: how many predictions had ended when its last one did, and after how many seconds.

    Counted from the moment at which the others began to submit, or the first run began if that was later; `ideal`
    is how many it would be if accounts took turns. `share` is how much of what ended meanwhile was the burst's.
    """

    positions: list[int]
    seconds: list[float]
    ideal: list[int]
    rate: float
    share: float
    everything: bool

    @property
    def ratios(self) -> list[float]:
        """How much later than ideal each was."""
        return [position / ideal for position, ideal in zip(self.positions, self.ideal, strict=True)]


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(help="how often each is measured; every one is shown")] = 3,
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Submit the burst, then the others' few, and compare when they end with what is fair."""
    found = {
        "the burst waits": [_measure(head_start=0) for _ in range(rounds)],
        "the burst is being served": [_measure(head_start=BURST // 10) for _ in range(rounds)],
    }
    _show(found, Console())
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _measure(*, head_start: int) -> Found:
    with RabbitServer() as broker, RedisServer() as store, tempfile.TemporaryDirectory() as folder:
        settings = Settings(broker_url=broker.url, store_url=store.url)
        return asyncio.run(_run(settings, Path(folder), head_start))


async def _run(settings: Settings, folder: Path, head_start: int) -> Found:
    """With a head start, the others come when so many of the burst have ended."""
    burst = _predictions("burst", BURST)
    others = [one for number in range(OTHERS) for one in _predictions(f"account{number}", EACH)]
    since = 0.0
    async with connect(settings, patience=10.0) as backends:
        await backends.broker.declare(MODEL)
        await _submit(backends, burst)
        if not head_start:
            await _submit(backends, others)
        with _worker(settings, folder):
            if head_start:
                await _ended(backends, [burst[head_start - 1]])
                since = time.time()
                await _submit(backends, others)
            await _ended(backends, burst + others)
            ended = [await backends.store.get(one.id) for one in burst + others]
    return _evaluated(ended, since)


def _predictions(account: str, count: int) -> list[Prediction]:
    at = time.time()
    return [
        Prediction(
            id=new_id(at, os.urandom(10)), model=MODEL, account=account, input=Raw(b'{"n":%d}' % n), created_at=at
        )
        for n in range(count)
    ]


async def _submit(backends: Backends, predictions: Sequence[Prediction]) -> None:
    """Store, then publish, as many at once as a busy gateway; in their order, as each loop tick keeps it."""

    async def submit(prediction: Prediction) -> None:
        await backends.broker.publish(await backends.store.create(prediction))

    for start in range(0, len(predictions), CONCURRENT):
        await asyncio.gather(*map(submit, predictions[start : start + CONCURRENT]))


async def _ended(backends: Backends, predictions: Sequence[Prediction]) -> None:
    """Wait until all of these have ended, by the last entry of their logs."""
    async with asyncio.timeout(PATIENCE):
        for prediction in predictions:
            async for entry in backends.store.follow(prediction.id):
                if entry.final:
                    break


@contextmanager
def _worker(settings: Settings, folder: Path) -> Iterator[None]:
    program = str(Path(sys.executable).with_name("leveret"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEVERET_")}
    given = {"LEVERET_BROKER_URL": settings.broker_url, "LEVERET_STORE_URL": settings.store_url}
    command = [program, "worker", TARGET, "--worker-processes", str(SLOTS)]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=inherited | given, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT)


def _evaluated(ended: Sequence[Prediction], since: float) -> Found:
    """What ended after `since`, in the order in which it did."""
    times = sorted((one.completed_at or 0.0, one.account) for one in ended if (one.completed_at or 0.0) > since)
    began = max(since, min(one.started_at or 0.0 for one in ended))
    last = {account: (place, at) for place, (at, account) in enumerate(times, 1)}
    accounts = [f"account{number}" for number in range(OTHERS)]
    meanwhile = max(last[account][0] for account in accounts)
    return Found(
        positions=[last[account][0] for account in accounts],
        seconds=[last[account][1] - began for account in accounts],
        ideal=[(EACH - 1) * (OTHERS + 1) + 1 + number for number in range(1, OTHERS + 1)],
        rate=len(times) / (times[-1][0] - began),
        share=sum(account == "burst" for _, account in times[:meanwhile]) / meanwhile,
        everything=all(one.status == "succeeded" for one in ended),
    )


def _show(found: Mapping[str, Sequence[Found]], console: Console) -> None:
    title = f"{BURST} of one account, then {EACH} of each of {OTHERS}; runs of {1e3 * NAP:.0f} ms in {SLOTS} processes"
    table = Table(title=title)
    for column in ("", "worst place", "ratio: mean", "worst", "last after s", "burst's share"):
        table.add_column(column, justify="right" if column else "left")
    for name, one in [(name, one) for name, measured in found.items() for one in measured]:
        assert one.everything, "not everything has succeeded"
        table.add_row(
            name,
            f"{max(one.positions)} (ideal {max(one.ideal)})",
            f"{statistics.mean(one.ratios):.2f}",
            f"{max(one.ratios):.2f}",
            f"{max(one.seconds):.2f} (ideal {max(one.ideal) / one.rate:.2f})",
            f"{one.share:.0%}",
        )
    console.print(table)


if __name__ == "__main__":
    app()
