"""Measures Leveret beside the others, in turn, in one run: `python -m benchmarks --rounds 3`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from redis import Redis
from rich.console import Console

from benchmarks.contest import CONTESTANTS, Contest, Contestant
from benchmarks.measurement import LoadGenerator, Measurement, measure, median, tree
from benchmarks.report import ratios, show
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(help="how often each contestant is measured; medians are quoted")] = 3,
    only: Annotated[str, typer.Option(help="names of the contestants, separated by commas")] = "",
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Measure the contestants against private servers and print what they cost."""
    console = Console()
    chosen = _chosen(only)
    measured: dict[str, list[Measurement]] = {contestant.name: [] for contestant in chosen}
    with RabbitServer() as broker, RedisServer() as store:
        for number in range(rounds):
            for contestant in chosen:
                console.print(f"round {number + 1} of {rounds}: {contestant.title}", style="dim")
                measured[contestant.name].append(_measure(contestant, broker, store))
    medians = {name: median(results) for name, results in measured.items()}
    show(medians, measured, console)
    if json is not None:
        figures = {"medians": medians, "rounds": measured, "ratios": ratios(medians)}
        json.write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


def _chosen(only: str) -> list[Contestant]:
    known = {contestant.name: contestant for contestant in CONTESTANTS}
    names = only.split(",") if only else list(known)
    if unknown := set(names) - set(known):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
    return [known[name] for name in names]


def _measure(contestant: Contestant, broker: RabbitServer, store: RedisServer) -> Measurement:
    with Redis.from_url(store.url) as redis:
        redis.flushall()
    with (
        tempfile.TemporaryDirectory() as folder,
        LoadGenerator() as generator,
        Contest(contestant, broker_url=broker.url, store_url=store.url, folder=Path(folder)) as contest,
    ):
        return measure(contest, generator, {"rabbitmq": tree(broker.pid), "redis": tree(store.pid)})


if __name__ == "__main__":
    app()
