"""What watchers cost: `python -m benchmarks.watchers` opens thousands of streams of one prediction and ends it."""

from __future__ import annotations

import http.client
import json as jsonlib
import selectors
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
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
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

NAMES: Final = ("leveret", "embedded")
AT_ONCE: Final = 200
PATIENCE: Final = 60.0
KIBIBYTE: Final = 1024


class Watched(Struct, frozen=True, kw_only=True):
    """KiB of the gateway per watcher, and seconds from when the model went on until watchers had its end."""

    watchers: int
    memory: float
    first: float
    median: float
    last: float


app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def main(
    count: Annotated[int, typer.Option(help="how many watchers")] = 10_000,
    only: Annotated[str, typer.Option(help="names, separated by commas")] = ",".join(NAMES),
    json: Annotated[Path | None, typer.Option(help="file for the figures")] = None,
) -> None:
    """Watch one prediction, whose model stands still, from many connections; then let the model go on."""
    found = {name: _measure(name, count) for name in only.split(",")}
    table = Table(title="Watchers of one prediction (SSE)")
    for column in ("", "watchers", "KiB each", "told first, s", "median, s", "last, s"):
        table.add_column(column, justify="right" if column else "left")
    for name, one in found.items():
        times = [f"{seconds:.2f}" for seconds in (one.first, one.median, one.last)]
        table.add_row(name, str(one.watchers), f"{one.memory:.1f}", *times)
    Console().print(table)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def _measure(name: str, count: int) -> Watched:
    contestant = next(one for one in CONTESTANTS if one.name == name)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker, store = stack.enter_context(RabbitServer()), stack.enter_context(RedisServer())
        contest = stack.enter_context(Contest(contestant, broker_url=broker.url, store_url=store.url, folder=folder))
        gateway = contest.processes["gateway"]
        models = contest.families()["model"]
        for model in models:
            model.suspend()
        prediction = _request(contest, contestant.dialect.submit, '{"input": {"n": 1}}')["id"]
        before = _memory(gateway)
        watchers = stack.enter_context(_watching(contest.port, f"/v1/predictions/{prediction}/events", count))
        memory = (_memory(gateway) - before) / count / KIBIBYTE
        began = time.perf_counter()
        for model in models:
            model.resume()
        told = sorted(_told(watchers, began))
        return Watched(watchers=count, memory=memory, first=told[0], median=told[count // 2], last=told[-1])


@contextmanager
def _watching(port: int, path: str, count: int) -> Iterator[Sequence[socket.socket]]:
    """So many streams, each of which has sent its first event."""
    with ExitStack() as stack:
        watchers: list[socket.socket] = []
        while len(watchers) < count:
            fresh = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
                for _ in range(min(AT_ONCE, count - len(watchers)))
            ]
            for watcher in fresh:
                watcher.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            for watcher in fresh:
                heard = b""
                while b"event: started" not in heard:
                    heard += watcher.recv(4096)
            watchers += fresh
        yield watchers


def _told(watchers: Sequence[socket.socket], began: float) -> Iterator[float]:
    """When each of them has the last event, in seconds."""
    with selectors.DefaultSelector() as selector:
        for watcher in watchers:
            selector.register(watcher, selectors.EVENT_READ)
        waiting = len(watchers)
        while waiting:
            ready = selector.select(PATIENCE)
            if not ready:
                raise RuntimeError(f"{waiting} watchers were told nothing for {PATIENCE} s")
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if b"event: succeeded" in key.fileobj.recv(4096):
                    selector.unregister(key.fileobj)
                    waiting -= 1
                    yield time.perf_counter() - began


def _request(contest: Contest, path: str, body: str) -> dict[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", contest.port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer: dict[str, str] = jsonlib.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


def _memory(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


if __name__ == "__main__":
    app()
