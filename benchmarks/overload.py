"""What happens at four times the load that can be served: `python -m benchmarks.overload`, on an idle machine.

And what it costs to refuse a prediction, beside what it costs to run one that does nothing.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import psutil
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.arrivals import arrivals, in_turn
from benchmarks.contest import CONTESTANTS, Contest, Contestant, serving
from benchmarks.measurement import LoadGenerator, cpu_seconds, tree
from benchmarks.models import DOZE
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

NAMES: Final = ("leveret", "embedded")
PROCESSES: Final = 2
CAPACITY: Final = PROCESSES / DOZE
WAIT: Final = 0.2
"""No prediction is taken that would have to wait for longer, in seconds."""

LOADS: Final = (0.8, 1.5, 4.0)
COUNT: Final = 6400
CREATED: Final = 201
LIMITED: Final = 429
OVERLOADED: Final = 503

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


class Load(Struct, frozen=True, kw_only=True):
    """What became of the visitors: rates per second, times in seconds, the gateway's memory in MiB."""

    offered: float
    served: float
    served_p50: float
    served_p95: float
    refused: float
    refused_p50: float
    refused_p95: float
    failed: int
    memory: float


class Servers(Struct, frozen=True, kw_only=True):
    """What the contestants stand on."""

    broker: RabbitServer
    store: RedisServer
    folder: Path

    def contest(self, contestant: Contestant, **variables: str) -> Contest:
        """The processes of one contestant, with these settings."""
        changed = msgspec.structs.replace(contestant, variables={**contestant.variables, **variables})
        return Contest(changed, broker_url=self.broker.url, store_url=self.store.url, folder=self.folder)

    def families(self, contest: Contest) -> dict[str, list[psutil.Process]]:
        """All processes by role."""
        return contest.families() | {"rabbitmq": tree(self.broker.pid), "redis": tree(self.store.pid)}


class Cost(Struct, frozen=True, kw_only=True):
    """CPU in microseconds of all servers together."""

    run: float
    refused: float


@app.command()
def main(
    seconds: Annotated[float, typer.Option(help="how long each load lasts")] = 15.0,
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Measure loads below and above what two processes can serve, then what a refusal costs."""
    console = Console()
    with RabbitServer() as broker, RedisServer() as store, tempfile.TemporaryDirectory() as folder:
        servers = Servers(broker=broker, store=store, folder=Path(folder))
        loads = {name: [_load(name, load, seconds, servers) for load in LOADS] for name in NAMES}
        costs = {name: _cost(name, servers) for name in NAMES}
    _show(loads, costs, console)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode({"loads": loads, "costs": costs})))


def _load(name: str, load: float, seconds: float, servers: Servers) -> Load:
    wait, processes = str(WAIT), str(PROCESSES)
    contestant = serving(name, "doze")
    with servers.contest(contestant, LEVERET_LIMITS_WAIT=wait, LEVERET_WORKER_PROCESSES=processes) as contest:
        request = _request(contest, "Prefer: wait=30\r\n")
        asyncio.run(arrivals(contest.port, request, rate=0.8 * CAPACITY, seconds=5.0, seed=7))  # it gets to know it
        visits = asyncio.run(arrivals(contest.port, request, rate=load * CAPACITY, seconds=seconds))
        memory = sum(process.memory_info().rss for process in contest.families()["gateway"]) / 2**20
    served = [visit.seconds for visit in visits if visit.status == CREATED]
    refused = [visit.seconds for visit in visits if visit.status == OVERLOADED]
    return Load(
        offered=len(visits) / seconds,
        served=len(served) / seconds,
        served_p50=_quantile(served, 50),
        served_p95=_quantile(served, 95),
        refused=len(refused) / seconds,
        refused_p50=_quantile(refused, 50),
        refused_p95=_quantile(refused, 95),
        failed=len(visits) - len(served) - len(refused),
        memory=memory,
    )


def _cost(name: str, servers: Servers) -> Cost:
    contestant = next(one for one in CONTESTANTS if one.name == name)
    with servers.contest(contestant) as contest, LoadGenerator() as generator:
        families = servers.families(contest)
        generator.run(contest, "predict", count=300)
        run = _used(families, lambda: generator.run(contest, "predict", count=COUNT))
    with servers.contest(contestant, LEVERET_LIMITS_RATE="0.001") as contest:
        families, request = servers.families(contest), _request(contest)
        asyncio.run(_refusals(contest.port, request, 640))
        refused = _used(families, lambda: asyncio.run(_refusals(contest.port, request, COUNT)))
    return Cost(run=sum(run.values()), refused=sum(refused.values()))


async def _refusals(port: int, request: bytes, count: int) -> None:
    statuses = await in_turn(port, request, count=count)
    if any(status != LIMITED for status in statuses):
        raise RuntimeError("not every request was refused")


def _used(families: dict[str, list[psutil.Process]], what: Callable[[], object]) -> dict[str, float]:
    """The CPU of every role while that is done, in microseconds per prediction."""
    before = cpu_seconds(families)
    what()
    after = cpu_seconds(families)
    return {role: 1e6 * (after[role] - before[role]) / COUNT for role in families}


def _request(contest: Contest, headers: str = "") -> bytes:
    body = '{"input":{"n":1}}'
    return (
        f"POST {contest.contestant.dialect.submit} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _quantile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else math.nan


def _show(loads: Mapping[str, Sequence[Load]], costs: Mapping[str, Cost], console: Console) -> None:
    table = Table(title=f"Runs of {DOZE * 1e3:.0f} ms in {PROCESSES} processes, no wait above {WAIT} s")
    columns = ("", "offered/s", "served/s", "p50 s", "p95 s", "refused/s", "p50 ms", "p95 ms", "failed", "MiB")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for name, measured in loads.items():
        for one in measured:
            served = f"{one.served:.1f}", f"{one.served_p50:.3f}", f"{one.served_p95:.3f}"
            refused = f"{one.refused:.1f}", f"{1e3 * one.refused_p50:.1f}", f"{1e3 * one.refused_p95:.1f}"
            table.add_row(name, f"{one.offered:.1f}", *served, *refused, str(one.failed), f"{one.memory:.0f}")
    console.print(table)
    for name, cost in costs.items():
        ratio = cost.refused / cost.run
        console.print(f"{name}: a run costs {cost.run:.0f} µs of CPU, a refusal {cost.refused:.0f}: {ratio:.3f}")


if __name__ == "__main__":
    app()
