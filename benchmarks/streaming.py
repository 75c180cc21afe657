"""How soon a chunk is with whoever watches: `python -m benchmarks.streaming`, on an idle machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.contest import Contest, serving
from benchmarks.models import TICK
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

NAMES: Final = ("leveret", "embedded")
CHUNKS: Final = 3
TIMEOUT: Final = 30.0


class Delays(Struct, frozen=True, kw_only=True):
    """In milliseconds, of each stream: how long the first chunk took beyond the model's own time, counted from the
    submission, and of every chunk how long it took from the model to the client.
    """

    first: list[float]
    each: list[float]


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    repeat: Annotated[int, typer.Option(help="how many streams, one after the other")] = 50,
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Submit a prediction, follow its events, and compare when chunks arrive with when the model has yielded them."""
    found = {name: _measure(name, repeat) for name in NAMES}
    _show(found, Console())
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _measure(name: str, repeat: int) -> Delays:
    with (
        RabbitServer() as broker,
        RedisServer() as store,
        tempfile.TemporaryDirectory() as folder,
        Contest(serving(name, "tick"), broker_url=broker.url, store_url=store.url, folder=Path(folder)) as contest,
    ):
        _stream(contest)
        streams = [_stream(contest) for _ in range(repeat)]
    return Delays(first=[first for first, _ in streams], each=[delay for _, each in streams for delay in each])


def _stream(contest: Contest) -> tuple[float, list[float]]:
    """How much later than the model alone the first chunk came, and how much later than it was yielded each."""
    began = time.time()
    prediction = _submitted(contest)
    arrived: list[float] = []
    yielded: list[float] = []
    with socket.create_connection(("127.0.0.1", contest.port), TIMEOUT) as connection:
        connection.sendall(f"GET {contest.contestant.dialect.status}{prediction}/events HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as stream:
            for line in stream:
                if line.startswith(b'data: {"type":"output"'):
                    arrived.append(time.time())
                    yielded += json.loads(line.removeprefix(b"data: "))["chunks"]
    if len(arrived) != CHUNKS or len(yielded) != CHUNKS:
        raise RuntimeError(f"{CHUNKS} chunks were expected: {yielded} arrived at {arrived}")
    delays = [1e3 * (came - left) for came, left in zip(arrived, yielded, strict=True)]
    return 1e3 * (arrived[0] - began - TICK), delays


def _submitted(contest: Contest) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", contest.port, timeout=TIMEOUT)
    with contextlib.closing(connection):
        body = json.dumps({"input": {"n": CHUNKS}})
        connection.request("POST", contest.contestant.dialect.submit, body, {"content-type": "application/json"})
        return str(json.loads(connection.getresponse().read())["id"])


def _show(found: Mapping[str, Delays], console: Console) -> None:
    table = Table(title="Streams, one at a time: ms beyond the model's own time")
    for column in ("", "submission to first chunk, p50", "p95", "chunk yielded to chunk seen, p50", "p95"):
        table.add_column(column, justify="right" if column else "left")
    for name, one in found.items():
        table.add_row(name, *_quantiles(one.first), *_quantiles(one.each))
    console.print(table)


def _quantiles(values: Sequence[float]) -> tuple[str, str]:
    quantiles = statistics.quantiles(values, n=100, method="inclusive")
    return f"{quantiles[49]:.1f}", f"{quantiles[94]:.1f}"


if __name__ == "__main__":
    app()
