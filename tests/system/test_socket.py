"""A socket to a whole site: many predictions on one connection, one that is cut, and one that nobody reads."""

from __future__ import annotations

import json
import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from msgspec import Raw, Struct
from msgspec.json import decode
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.system.site import Site, apart, embedded
from tests.system.test_streaming import CHUNKS, PATIENCE, SIZE, Serving, streaming, submitted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PREDICTIONS: Final = 200

MODEL: Final = """
from collections.abc import Iterator
from leveret import model

@model
def count(start: int) -> Iterator[int]:
    yield start
    yield start + 1
"""


class Event(Struct):
    type: str
    chunks: list[Raw] = []


class Created(Struct):
    id: str


class Heard(Struct):
    type: str
    ref: str = ""
    id: str = ""
    number: int = 0
    prediction: Created | None = None
    event: Event | None = None


@contextmanager
def opened(site: Site, *, receive_buffer: int | None = None) -> Iterator[ClientConnection]:
    """A connection of which nothing is read ahead but a message and what fits the buffer of the kernel."""
    with socket.socket() as plain:
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(("127.0.0.1", site.port))
        address = f"ws://127.0.0.1:{site.port}/v1/socket"
        with connect(address, sock=plain, compression=None, max_queue=1, close_timeout=1) as connection:
            yield connection


def ask(connection: ClientConnection, op: str, **members: object) -> None:
    connection.send(json.dumps({"op": op, **members}))


def heard(connection: ClientConnection) -> Heard:
    return decode(connection.recv(PATIENCE), type=Heard)


class Watch:
    """Reads the chunks of one prediction; every event comes once and in its order, over however many connections."""

    def __init__(self, prediction: str) -> None:
        self.found: list[int] = []
        self.ended = False
        self._prediction = prediction
        self._number = 0

    def begin(self, connection: ClientConnection) -> None:
        """Watch from where it was."""
        ask(connection, "watch", id=self._prediction, after=self._number)

    def read(self, connection: ClientConnection, until: int) -> None:
        """Read on until there are so many chunks, or to the end."""
        while len(self.found) < until and not self.ended:
            match heard(connection):
                case Heard(type="event", number=number, event=Event(chunks=new)):
                    assert self._number + 1 == number
                    self._number = number
                    self.found += [int(decode(chunk, type=str)) for chunk in new]
                case Heard(type="end"):
                    self.ended = True
                case other:
                    pytest.fail(str(other))


@pytest.mark.parametrize("serving", [embedded, apart])
def test_many_predictions_are_submitted_and_watched_on_one_connection(tmp_path: Path, serving: Serving) -> None:
    (tmp_path / "count.py").write_text(MODEL)
    refs: dict[str, str] = {}
    numbers: dict[str, list[int]] = defaultdict(list)
    outputs: dict[str, list[int]] = defaultdict(list)
    ended: set[str] = set()
    with serving(tmp_path, "count.py") as site, opened(site) as connection:
        for ref in range(PREDICTIONS):
            ask(connection, "submit", ref=str(ref), model="local/count", input={"start": ref}, watch=True)
        while len(ended) < PREDICTIONS:
            match heard(connection):
                case Heard(type="accepted", ref=answered, prediction=Created(id=prediction_id)):
                    refs[prediction_id] = answered
                case Heard(type="event", id=prediction_id, number=number, event=Event(chunks=new)):
                    assert prediction_id in refs
                    numbers[prediction_id].append(number)
                    outputs[prediction_id] += [decode(chunk, type=int) for chunk in new]
                case Heard(type="end", id=prediction_id):
                    ended.add(prediction_id)
                case other:
                    pytest.fail(str(other))

    assert {str(ref) for ref in range(PREDICTIONS)} == set(refs.values())
    assert ended == refs.keys()
    for prediction_id, answered in refs.items():
        assert [int(answered), int(answered) + 1] == outputs[prediction_id]
        assert list(range(1, len(numbers[prediction_id]) + 1)) == numbers[prediction_id]


@pytest.mark.parametrize("serving", [embedded, apart])
def test_a_client_that_is_cut_off_goes_on_where_it_was(tmp_path: Path, serving: Serving) -> None:
    with streaming(serving, tmp_path) as (site, client, tap):
        watch = Watch(submitted(client, tap, size=8))
        for until in (1, 1000, 2000):
            with opened(site) as connection:
                watch.begin(connection)
                tap.order(1000)
                watch.read(connection, until)
                connection.socket.shutdown(socket.SHUT_RDWR)  # as a network that fails
        tap.close()
        with opened(site) as connection:
            watch.begin(connection)
            watch.read(connection, CHUNKS)

    assert watch.ended
    assert list(range(3000)) == watch.found


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells how much memory was used")
@pytest.mark.parametrize("serving", [embedded, apart])
def test_a_client_that_does_not_read_makes_nobody_grow_and_misses_nothing(tmp_path: Path, serving: Serving) -> None:
    with streaming(serving, tmp_path) as (site, client, tap):
        prediction = submitted(client, tap, size=SIZE)
        stalled, reading = Watch(prediction), Watch(prediction)
        with opened(site, receive_buffer=4096) as slow, opened(site) as quick:
            stalled.begin(slow)
            reading.begin(quick)
            tap.order(1000)  # so that everything is warm
            reading.read(quick, 1000)
            before = site.resident()

            tap.order(CHUNKS - 1000)
            reading.read(quick, CHUNKS)
            grown = {part: peak - before[part] for part, peak in site.peaks().items()}
            tap.close()
            with suppress(ConnectionClosed):  # it may have been taken for gone
                stalled.read(slow, CHUNKS)
        with opened(site) as again:
            stalled.begin(again)
            stalled.read(again, CHUNKS + 1)

    assert max(grown.values()) < CHUNKS * SIZE / 2, grown
    assert list(range(CHUNKS)) == reading.found == stalled.found
