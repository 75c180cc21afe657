"""How good the first ETA is: `python -m benchmarks.eta` compares what a submit is answered with what came true."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import httpx2
import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.contest import Contest, Contestant, serving
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

NAMES: Final = ("leveret", "embedded")
PROCESSES: Final = 4
MEAN: Final = 0.2
"""How long a run takes, in seconds; a varied one as a lognormal number of that mean says."""

SPREAD: Final = 0.5
"""The standard deviation of the logarithm of a varied run."""

WARM_UP: Final = 20.0
"""For how many seconds there is a load before, of 80 % but no more than this many predictions in each second..."""

MOST: Final = 50.0
"""... so that the workers, too, have learned how long runs take."""

CONNECTIONS: Final = 64
FLOOR: Final = 0.1
"""What is below this, in seconds, counts as this: soon."""

PATIENCE: Final = 300.0


class Load(Struct, frozen=True, kw_only=True):
    """So many predictions, as they come when this much of what the processes can do is asked for; None: all at once."""

    title: str
    count: int
    share: float | None
    spread: float = 0.0
    mean: float = MEAN


LOADS: Final = (
    Load(title="70 %", count=800, share=0.7),
    Load(title="80 %", count=900, share=0.8),
    Load(title="90 %", count=1000, share=0.9),
    Load(title="80 %, varied runs", count=900, share=0.8, spread=SPREAD),
    Load(title="burst", count=400, share=None),
    Load(title="burst, varied runs", count=400, share=None, spread=SPREAD),
    Load(title="burst of 2 ms runs", count=4000, share=None, mean=0.002),
)


class Told(Struct, frozen=True):
    """The seconds until the end that a submit was told, and those that it took."""

    told: float | None
    took: float

    @property
    def ratio(self) -> float | None:
        """How many times too long the first was."""
        return None if self.told is None else max(self.told, FLOOR) / max(self.took, FLOOR)


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    only: Annotated[str, typer.Option(help="part of the names of the loads, such as burst")] = "",
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Put each load on each family, and compare."""
    loads = [(name, load) for name in NAMES for load in LOADS if only in f"{name}: {load.title}"]
    found = {f"{name}: {load.title}": _measure(name, load) for name, load in loads}
    _show(found, Console())
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _measure(name: str, load: Load) -> list[Told]:
    with (
        RabbitServer() as broker,
        RedisServer() as store,
        tempfile.TemporaryDirectory() as folder,
        Contest(_contestant(name), broker_url=broker.url, store_url=store.url, folder=Path(folder)) as contest,
    ):
        return asyncio.run(_run(contest, load))


def _contestant(name: str) -> Contestant:
    contestant = serving(name, "chore")
    variables = {**contestant.variables, "LEVERET_WORKER_PROCESSES": str(PROCESSES)}
    return msgspec.structs.replace(contestant, variables=variables)


async def _run(contest: Contest, load: Load) -> list[Told]:
    chance = random.Random(1)
    limits = httpx2.Limits(max_connections=CONNECTIONS)
    address = f"http://127.0.0.1:{contest.port}"
    async with httpx2.AsyncClient(base_url=address, limits=limits, timeout=PATIENCE) as client:
        visitor = _Visitor(client, contest.contestant.dialect.submit)
        rate = min(MOST, 0.8 * PROCESSES / load.mean)
        await _come(visitor, _runs(load, round(rate * WARM_UP), chance), rate, chance)
        rate = math.inf if load.share is None else load.share * PROCESSES / load.mean
        return await _come(visitor, _runs(load, load.count, chance), rate, chance)


async def _come(visitor: _Visitor, runs: Iterator[float], rate: float, chance: random.Random) -> list[Told]:
    """Have them come at random, at this rate."""
    async with asyncio.TaskGroup() as group:
        tasks = []
        for seconds in runs:
            tasks.append(group.create_task(visitor.told(seconds)))
            if rate < math.inf:
                await asyncio.sleep(chance.expovariate(rate))
    return [task.result() for task in tasks]


def _runs(load: Load, count: int, chance: random.Random) -> Iterator[float]:
    for _ in range(count):
        yield load.mean * chance.lognormvariate(-(load.spread**2) / 2, load.spread)


class _Visitor:
    """Submits, and asks for the end."""

    def __init__(self, client: httpx2.AsyncClient, path: str) -> None:
        self._client = client
        self._path = path

    async def told(self, seconds: float) -> Told:
        answer = await self._client.post(self._path, json={"input": {"n": round(1e3 * seconds)}})
        at = time.time()
        prediction = answer.json()
        queue = prediction["queue"]
        while prediction["status"] in ("starting", "processing"):
            await asyncio.sleep(0.5)
            prediction = (await self._client.get(f"/v1/predictions/{prediction['id']}")).json()
        assert prediction["status"] == "succeeded", prediction["error"]
        created, total = prediction["created_at"], prediction["metrics"]["total_time"]
        return Told(queue["eta_seconds"], _seconds(created) + total - at)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _show(found: Mapping[str, Sequence[Told]], console: Console) -> None:
    table = Table(
        title=f"ETA when submitted; {PROCESSES} processes, runs of {MEAN:g} s; below {FLOOR:g} s counts as that"
    )
    for column in ("", "predictions", "took s, p50, p95", "within a factor of 2", "told / took, p10, p50, p90"):
        table.add_column(column, justify="right" if column else "left")
    for name, told in found.items():
        ratios = [one.ratio for one in told if one.ratio is not None]
        near = sum(1 / 2 <= ratio <= 2 for ratio in ratios)
        took = statistics.quantiles([one.took for one in told], n=100, method="inclusive")
        spread = statistics.quantiles(ratios, n=10, method="inclusive")
        table.add_row(
            name,
            str(len(told)),
            f"{took[49]:.2f}, {took[94]:.2f}",
            f"{near / len(told):.1%}",
            f"{spread[0]:.2f}, {spread[4]:.2f}, {spread[8]:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    app()
