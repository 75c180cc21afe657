"""What a long queue does to submitting: `python -m benchmarks.backlog` fills one while nothing takes from it."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import psutil
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.contest import CONTESTANTS, Contest
from benchmarks.measurement import WARM_UP, LoadGenerator, cpu_seconds, tree
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

CHUNK: Final = 3000
SAMPLES: Final = 3
"""How many chunks the figures of the empty and of the full queue are the medians of."""
NAMES: Final = ("leveret", "embedded")
MEBIBYTE: Final = 1 << 20


class Backlog(Struct, frozen=True, kw_only=True):
    """Of each chunk, submissions per second and CPU in microseconds per submission; and resident MiB by role."""

    waiting: int
    rates: list[float]
    costs: list[float]
    before: dict[str, float]
    after: dict[str, float]


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    count: Annotated[int, typer.Option(help="how many predictions wait in the end")] = 100_000,
    only: Annotated[str, typer.Option(help="names, separated by commas")] = ",".join(NAMES),
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Submit to a model whose worker stands still, and compare the first submissions with the last."""
    found = {name: _measure(name, count) for name in only.split(",")}
    _show(found, Console())
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _measure(name: str, count: int) -> Backlog:
    contestant = next(one for one in CONTESTANTS if one.name == name)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker, store = stack.enter_context(RabbitServer()), stack.enter_context(RedisServer())
        generator = stack.enter_context(LoadGenerator())
        contest = stack.enter_context(Contest(contestant, broker_url=broker.url, store_url=store.url, folder=folder))
        generator.run(contest, "predict", count=WARM_UP)
        stack.enter_context(_standstill(contest))
        watched = {"gateway": tree(contest.processes["gateway"].pid)}
        if "{broker}" in contestant.variables.values():
            watched |= {"rabbitmq": tree(broker.pid), "redis": tree(store.pid)}
        before = _memory(watched)
        chunks = [_submit(contest, generator, watched) for _ in range(-(-count // CHUNK))]
        return Backlog(
            waiting=len(chunks) * CHUNK,
            rates=[rate for rate, _ in chunks],
            costs=[cost for _, cost in chunks],
            before=before,
            after=_memory(watched),
        )


def _submit(
    contest: Contest, generator: LoadGenerator, watched: dict[str, list[psutil.Process]]
) -> tuple[float, float]:
    """Submit a chunk; its rate, and its CPU per submission."""
    before = cpu_seconds(watched)
    tally = generator.run(contest, "submit", count=CHUNK)
    after = cpu_seconds(watched)
    return CHUNK / tally.seconds, 1e6 * sum(after[role] - before[role] for role in watched) / CHUNK


@contextmanager
def _standstill(contest: Contest) -> Iterator[None]:
    """Nothing is run meanwhile: the worker is stopped, or where it is the gateway's process, its model is halted."""
    worker = contest.processes.pop("worker", None)
    if worker is not None:
        worker.terminate()
        worker.wait()
        yield
        return
    models = contest.processes["gateway"].children(recursive=True)
    for process in models:
        process.suspend()
    try:
        yield
    finally:
        for process in models:
            process.resume()


def _memory(watched: Mapping[str, list[psutil.Process]]) -> dict[str, float]:
    return {role: sum(one.memory_info().rss for one in family) / MEBIBYTE for role, family in watched.items()}


def _show(found: Mapping[str, Backlog], console: Console) -> None:
    table = Table(title="Submitting while nothing is run")
    columns = ("", "waiting", "submit/s empty → full", "ratio", "CPU µs each, empty → full", "ratio", "resident MiB")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for name, one in found.items():
        memory = "\n".join(f"{role} {one.before[role]:.0f} → {one.after[role]:.0f}" for role in one.before)
        table.add_row(name, str(one.waiting), *_ends(one.rates), *_ends(one.costs), memory)
    console.print(table)


def _ends(chunks: Sequence[float]) -> tuple[str, str]:
    """The first chunks and the last ones, and their ratio."""
    empty, full = statistics.median(chunks[:SAMPLES]), statistics.median(chunks[-SAMPLES:])
    return f"{empty:.0f} → {full:.0f}", f"{full / empty:.2f}"


if __name__ == "__main__":
    app()
