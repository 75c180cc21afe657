"""What batches gain: `python -m benchmarks.batching` serves the same models batched and not, in turn."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
import psutil
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.contest import Contest, serving
from benchmarks.measurement import WARM_UP, LoadGenerator, cpu_seconds
from benchmarks.models import BATCH, LAUNCH
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

NAMES: Final = ("leveret", "embedded")
MODELS: Final = {"nothing": "does nothing", "launch": f"{1e3 * LAUNCH:.0f} ms a call, whatever its size"}
COUNT: Final = 2000
CONNECTIONS: Final = 128


class Rate(Struct, frozen=True, kw_only=True):
    """Predictions per second, and the CPU of the worker and of the model in microseconds for each."""

    rate: float
    worker: float
    model: float


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(help="how often each is measured; medians are quoted")] = 3,
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Serve each model alone and in batches to visitors who each wait for their result."""
    variants = [(name, model, suffix) for name in NAMES for model in MODELS for suffix in ("", "_batched")]
    found: dict[str, list[Rate]] = {}
    for _ in range(rounds):
        for name, model, suffix in variants:
            found.setdefault(f"{name} {model}{suffix}", []).append(_measure(name, model + suffix))
    medians = {variant: _median(rates) for variant, rates in found.items()}
    _show(medians, Console())
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode({"medians": medians, "rounds": found})))


def _measure(name: str, model: str) -> Rate:
    with (
        RabbitServer() as broker,
        RedisServer() as store,
        tempfile.TemporaryDirectory() as folder,
        LoadGenerator() as generator,
        Contest(serving(name, model), broker_url=broker.url, store_url=store.url, folder=Path(folder)) as contest,
    ):
        generator.run(contest, "predict", count=WARM_UP)
        families = _families(contest)
        before = cpu_seconds(families)
        tally = generator.run(contest, "predict", count=COUNT, connections=CONNECTIONS)
        after = cpu_seconds(families)
    cpu = {role: 1e6 * (after[role] - before[role]) / COUNT for role in families}
    return Rate(rate=COUNT / tally.seconds, worker=cpu["worker"], model=cpu["model"])


def _families(contest: Contest) -> dict[str, list[psutil.Process]]:
    """Where everything is one process, the worker is the whole server."""
    families = contest.families()
    return {"worker": families.get("worker", families["gateway"]), "model": families["model"]}


def _median(rates: list[Rate]) -> Rate:
    return Rate(
        rate=statistics.median(one.rate for one in rates),
        worker=statistics.median(one.worker for one in rates),
        model=statistics.median(one.model for one in rates),
    )


def _show(medians: Mapping[str, Rate], console: Console) -> None:
    table = Table(title=f"Batches of up to {BATCH}, {COUNT} predictions over {CONNECTIONS} connections")
    for column in ("", "model", "alone/s", "batched/s", "ratio", "model's CPU µs, alone → batched"):
        table.add_column(column, justify="right" if column else "left")
    for name in NAMES:
        for model, title in MODELS.items():
            alone, batched = medians[f"{name} {model}"], medians[f"{name} {model}_batched"]
            ratio = f"{batched.rate / alone.rate:.2f}"
            cpu = f"{alone.model:.0f} → {batched.model:.0f}"
            table.add_row(name, title, f"{alone.rate:.0f}", f"{batched.rate:.0f}", ratio, cpu)
    console.print(table)


if __name__ == "__main__":
    app()
