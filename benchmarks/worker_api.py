"""What it costs that a worker has a gateway for its store: `python -m benchmarks.worker_api`.

The same gateway, worker and model, once with the worker at Redis and once at the gateway, in turn, in one run. Clients
send an API key both times.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from msgspec.structs import replace
from redis import Redis
from rich.console import Console
from rich.table import Table

from benchmarks.contest import CONTESTANTS, Contest, Contestant
from benchmarks.measurement import LoadGenerator, Measurement, measure, median, tree
from leveret.backends.redis.store import open_store
from leveret.core import keys
from leveret.core.keys import ApiKey
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

TITLES: Final = {"direct": "worker at Redis", "remote": "worker at the gateway"}
ROLES: Final = ("gateway", "worker", "model", "rabbitmq", "redis")

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    rounds: Annotated[int, typer.Option(help="how often each is measured; medians are quoted")] = 3,
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Measure both ways and print what they cost."""
    console = Console()
    measured: dict[str, list[Measurement]] = {name: [] for name in TITLES}
    with RabbitServer() as broker, RedisServer() as store:
        for number in range(rounds):
            for name in TITLES:
                console.print(f"round {number + 1} of {rounds}: {TITLES[name]}", style="dim")
                measured[name].append(_measure(name, broker, store))
    medians = {name: median(results) for name, results in measured.items()}
    _show(medians, console)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode({"medians": medians, "rounds": measured})))


def _measure(name: str, broker: RabbitServer, store: RedisServer) -> Measurement:
    with Redis.from_url(store.url) as redis:
        redis.flushall()
    contestant = _contestant(name, asyncio.run(_made(store.url)))
    with (
        tempfile.TemporaryDirectory() as folder,
        LoadGenerator() as generator,
        Contest(contestant, broker_url=broker.url, store_url=store.url, folder=Path(folder)) as contest,
    ):
        return measure(contest, generator, {"rabbitmq": tree(broker.pid), "redis": tree(store.pid)})


def _contestant(name: str, key: str) -> Contestant:
    direct = next(one for one in CONTESTANTS if one.name == "leveret")
    direct = replace(direct, name=name, title=TITLES[name], dialect=replace(direct.dialect, token=key))
    if name == "direct":
        return direct
    gateway, worker = direct.commands
    at_gateway = {"LEVERET_STORE_URL": "http://127.0.0.1:{port}", "LEVERET_STORE_TOKEN": key}
    return replace(direct, commands=(gateway, replace(worker, variables=at_gateway)))


async def _made(url: str) -> str:
    """A key for the clients and for the worker."""
    key = keys.new_key(os.urandom(keys.SIZE))
    scopes = ("predict", "worker:local/echo")
    about = ApiKey(digest=keys.digest(key), account="local", scopes=scopes, created_at=time.time())
    async with open_store(url) as store:
        await store.add_key(about)
    return key


def _show(medians: Mapping[str, Measurement], console: Console) -> None:
    table = Table(title="A worker that has a gateway for its store")
    columns = ("", "end to end/s", "idle p50, p95 ms", *(f"{role}, µs" for role in ROLES), "all, µs")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for name, one in medians.items():
        cpu = [one.cpu[role] for role in ROLES]
        idle = f"{one.idle_p50:.2f}, {one.idle_p95:.2f}"
        table.add_row(TITLES[name], f"{one.rate:.0f}", idle, *(f"{used:.0f}" for used in cpu), f"{sum(cpu):.0f}")
    console.print(table)
    direct, remote = medians["direct"], medians["remote"]
    console.print(f"end to end: {remote.rate / direct.rate:.2f}, idle p50: {remote.idle_p50 / direct.idle_p50:.2f}")


if __name__ == "__main__":
    app()
