"""What a generator puts out is read while it runs, and whoever does not read it makes nobody grow."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import httpx2
import pytest

from tests.system.site import Site, apart, embedded

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

Serving: TypeAlias = Callable[[Path, str], AbstractContextManager[Site]]

PATIENCE: Final = 60.0
CHUNKS: Final = 200_000
SIZE: Final = 500

MODEL: Final = """
from collections.abc import Iterator
from pathlib import Path
from leveret import model

@model
def pour(pipe: str, size: int) -> Iterator[str]:
    number = 0
    with Path(pipe).open() as lines:
        for line in lines:
            for number in range(number, number + int(line)):
                yield f"{number:0{size}}"
            number += 1
"""
"""Puts out as many numbers as each line of the pipe says, and waits for the next line."""


class Tap:
    """The pipe on which a model waits for its orders."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tap"
        os.mkfifo(self.path)
        self._pipe = self.path.open("r+b", buffering=0)

    def order(self, chunks: int) -> None:
        """Have the model put out so many more."""
        self._pipe.write(b"%d\n" % chunks)

    def close(self) -> None:
        """Let the model end."""
        self._pipe.close()


@contextmanager
def streaming(serving: Serving, folder: Path) -> Iterator[tuple[Site, httpx2.Client, Tap]]:
    (folder / "pour.py").write_text(MODEL)
    with (
        serving(folder, "pour.py") as site,
        httpx2.Client(base_url=site.url, timeout=PATIENCE) as client,
        closing(Tap(folder)) as tap,
    ):
        yield site, client, tap


@contextmanager
def watching(site: Site, prediction: str, *, receive_buffer: int | None = None) -> Iterator[BinaryIO]:
    """The stream of events, of which nothing is read ahead but what fits the buffer of the kernel."""
    with socket.socket() as connection:
        connection.settimeout(PATIENCE)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", site.port))
        connection.sendall(f"GET /v1/predictions/{prediction}/events HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as stream:
            yield stream


def chunks(stream: BinaryIO, most: int) -> list[str]:
    """The next chunks, as soon as there are so many or the stream ends; every event comes once and in its order."""
    found: list[str] = []
    while len(found) < most and (line := stream.readline()):
        if line.startswith(b"data: "):
            found += json.loads(line.removeprefix(b"data: ")).get("chunks", [])
    return found


def submitted(client: httpx2.Client, tap: Tap, *, size: int) -> str:
    answer = client.post("/v1/models/local/pour/predictions", json={"input": {"pipe": str(tap.path), "size": size}})
    return str(answer.json()["id"])


def polled(client: httpx2.Client, prediction: str, *, until: int) -> list[list[str]]:
    """The outputs that polls show of a run, up to the one with so many chunks."""
    seen: list[list[str]] = []
    deadline = time.monotonic() + PATIENCE
    while not seen or len(seen[-1]) < until:
        shown = client.get(f"/v1/predictions/{prediction}").json()
        assert shown["status"] in ("starting", "processing")
        assert time.monotonic() < deadline
        seen.append(shown["output"] or [])
    return seen


@pytest.mark.parametrize("serving", [embedded, apart])
def test_chunks_are_read_by_poll_and_by_events_while_the_model_runs(tmp_path: Path, serving: Serving) -> None:
    watched: list[str] = []
    seen: list[list[str]] = []
    with streaming(serving, tmp_path) as (site, client, tap):
        prediction = submitted(client, tap, size=8)
        with watching(site, prediction) as stream:
            for count in (1, 1, 1000, 1, 20_000, 1, 0):
                tap.order(count)
                watched += chunks(stream, count)
                seen += polled(client, prediction, until=len(watched))
            tap.close()
            watched += chunks(stream, 1)
        final = client.get(f"/v1/predictions/{prediction}").json()

    assert final["status"] == "succeeded"
    assert final["output"] == [f"{number:08}" for number in range(21_004)]
    assert watched == final["output"]
    assert seen == [final["output"][: len(output)] for output in seen]
    assert [len(output) for output in seen] == sorted(len(output) for output in seen)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells how much memory was used")
@pytest.mark.parametrize("serving", [embedded, apart])
def test_watchers_that_do_not_read_make_nobody_grow_and_miss_nothing(tmp_path: Path, serving: Serving) -> None:
    with streaming(serving, tmp_path) as (site, client, tap):
        prediction = submitted(client, tap, size=SIZE)
        with (
            watching(site, prediction, receive_buffer=4096) as stalled,
            watching(site, prediction, receive_buffer=4096),
            watching(site, prediction) as reading,
        ):
            tap.order(1000)  # so that everything is warm
            read = len(chunks(reading, 1000))
            before = site.resident()

            tap.order(CHUNKS - 1000)
            read += len(chunks(reading, CHUNKS - read))
            grown = {part: peak - before[part] for part, peak in site.peaks().items()}
            tap.close()
            resumed = chunks(stalled, CHUNKS + 1)

    assert read == CHUNKS
    assert max(grown.values()) < CHUNKS * SIZE / 2, grown
    assert [int(chunk) for chunk in resumed] == list(range(CHUNKS))
