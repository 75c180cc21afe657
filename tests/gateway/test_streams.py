"""The events of a prediction as a stream, over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import msgspec
import pytest
from msgspec import Raw

from leveret.config import GatewaySettings
from leveret.core.events import Canceled, Entry, Logs, Output, Progress, Reset, Succeeded
from leveret.core.prediction import Means
from leveret.errors import StoreUnavailable
from leveret.gateway.streams import frame
from tests.gateway.served import PATIENCE, Gateway, eventually, serving

Block = dict[str, str]


class Watch:
    """A stream that is open: its blocks, one by one."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def block(self) -> Block:
        """The next block by its fields; a comment's field has no name. Empty at the end."""
        found: Block = {}
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if not line and found:
                    return found
                field, _, value = line.partition(": ")
                found[field.removesuffix(":")] = value
        return found

    async def rest(self) -> list[Block]:
        """Every further block."""
        found = []
        while block := await self.block():
            found.append(block)
        return found


@asynccontextmanager
async def watching(gateway: Gateway, prediction_id: str, query: str = "", **headers: str) -> AsyncIterator[Watch]:
    path = f"/v1/predictions/{prediction_id}/events{query}"
    async with gateway.client.stream("GET", path, headers=headers) as response:
        yield Watch(response)


async def finished(gateway: Gateway) -> str:
    """A prediction whose log has four entries."""
    prediction_id = await gateway.create()
    run = await gateway.worker.start(prediction_id)
    await gateway.worker.say(run, b'"a"')
    await gateway.worker.finish(run)
    return prediction_id


async def test_every_kind_of_event_comes_with_its_number(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    at = time.time()
    run = await gateway.worker.start(prediction_id)
    await gateway.worker.report(
        run,
        Output(at=at, attempt=1, chunks=[Raw(b'"a"')]),
        Logs(at=at, attempt=1, text="one\ntwo"),
        Progress(at=at, attempt=1, fraction=0.5),
    )
    await gateway.worker.end(run, Reset(at=at, attempt=1, reason="the model process crashed", charged=1))
    run = await gateway.worker.start(prediction_id)
    await gateway.worker.fail(run, "ValueError: no")

    async with watching(gateway, prediction_id) as watch:
        retry, *blocks = await watch.rest()

    kinds = ["queued", "started", "output", "logs", "progress", "reset", "started", "failed"]
    assert {"retry": "1000"} == retry
    assert kinds == [block["event"] for block in blocks]
    assert [str(number) for number in range(1, 9)] == [block["id"] for block in blocks]
    assert kinds == [json.loads(block["data"])["type"] for block in blocks]
    assert "one\ntwo" == json.loads(blocks[3]["data"])["text"]


async def test_a_stream_is_not_cached_and_not_buffered(gateway: Gateway) -> None:
    async with watching(gateway, await finished(gateway)) as watch:
        headers = watch.response.headers

    assert ("text/event-stream", "no-store", "no") == (
        headers["content-type"],
        headers["cache-control"],
        headers["x-accel-buffering"],
    )


async def test_what_happens_comes_as_it_happens(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    async with watching(gateway, prediction_id) as watch:
        assert "1000" == (await watch.block())["retry"]
        assert "queued" == (await watch.block())["event"]
        run = await gateway.worker.start(prediction_id)
        assert "started" == (await watch.block())["event"]
        await gateway.worker.say(run, '"日本"'.encode())
        assert ["日本"] == json.loads((await watch.block())["data"])["chunks"]
        await gateway.worker.end(run, Canceled(at=1.0, attempt=1, stopped=Means.INTERRUPTED))
        assert {"type": "canceled", "at": 1.0, "attempt": 1, "stopped": "interrupted"} == json.loads(
            (await watch.block())["data"]
        )
        assert {} == await watch.block()


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?after=2", {}),
        ("", {"last-event-id": "2"}),
        ("?after=1", {"last-event-id": "2"}),
        ("?after=2", {"last-event-id": "x"}),
    ],
)
async def test_a_stream_goes_on_where_the_client_was(gateway: Gateway, query: str, headers: dict[str, str]) -> None:
    async with watching(gateway, await finished(gateway), query, **headers) as watch:
        blocks = (await watch.rest())[1:]

    assert ["3", "4"] == [block["id"] for block in blocks]


@pytest.mark.parametrize("last", ["4", "5", "999999999999999"])
async def test_there_is_no_content_behind_the_final_event(gateway: Gateway, last: str) -> None:
    path = f"/v1/predictions/{await finished(gateway)}/events"

    by_header = await gateway.client.get(path, headers={"last-event-id": last})
    by_query = await gateway.client.get(f"{path}?after={last}")

    assert (204, 204) == (by_header.status_code, by_query.status_code)


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "٣", "9" * 100])
async def test_a_number_that_is_none_is_refused(gateway: Gateway, after: str) -> None:
    answer = await gateway.client.get(f"/v1/predictions/{await gateway.create()}/events?after={after}")

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


async def test_events_of_what_does_not_exist_are_not_found(gateway: Gateway) -> None:
    answer = await gateway.client.get("/v1/predictions/nothing/events")

    assert (404, "prediction_not_found") == (answer.status_code, answer.json()["code"])


async def test_a_head_request_ends_at_once(gateway: Gateway) -> None:
    answer = await gateway.client.head(f"/v1/predictions/{await gateway.create()}/events")

    assert (200, "text/event-stream") == (answer.status_code, answer.headers["content-type"])
    assert 0 == gateway.store.following


async def test_a_silent_stream_is_kept_alive(tmp_path: Path) -> None:
    settings = GatewaySettings(keep_alive=0.01)
    async with serving(tmp_path, settings=settings) as gateway, watching(gateway, await gateway.create()) as watch:
        blocks = [await watch.block() for _ in range(5)]

    assert ["1000", "1"] == [blocks[0]["retry"], blocks[1]["id"]]
    assert [{"": "keep-alive"}] * 3 == blocks[2:]


async def test_a_client_that_goes_ends_its_watcher_at_once(gateway: Gateway) -> None:
    async with watching(gateway, await gateway.create()) as watch:
        await watch.block()
        await watch.block()
        assert 1 == gateway.store.following

    await eventually(gateway.followers, lambda count: count == 0)


@pytest.mark.slow
async def test_a_slow_watcher_gets_everything_and_a_fast_one_does_not_wait_for_it(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    run = await gateway.worker.start(prediction_id)
    chunk = msgspec.json.encode("x" * 50_000)
    async with watching(gateway, prediction_id) as slow, watching(gateway, prediction_id) as fast:
        for _ in range(400):
            await gateway.worker.say(run, chunk)
        await gateway.worker.finish(run)

        read_fast = await fast.rest()
        read_slow = await slow.rest()

    assert [str(number) for number in range(1, 404)] == [block["id"] for block in read_fast[1:]]
    assert read_fast == read_slow


async def test_a_watcher_that_never_reads_can_go(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    run = await gateway.worker.start(prediction_id)
    _, writer = await asyncio.open_connection(*gateway.address, limit=1)
    writer.write(f"GET /v1/predictions/{prediction_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await eventually(gateway.followers, lambda count: count == 1)
    for _ in range(100):
        await gateway.worker.say(run, msgspec.json.encode("x" * 100_000))

    writer.transport.abort()

    await eventually(gateway.followers, lambda count: count == 0)


async def test_a_store_that_goes_away_ends_the_stream_for_the_client_to_come_again(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    gateway.store.broken_log = StoreUnavailable(reason="it was switched off")

    async with watching(gateway, prediction_id) as watch:
        assert [{"retry": "1000"}] == await watch.rest()


async def test_a_gateway_that_closes_ends_its_streams(tmp_path: Path) -> None:
    closing = asyncio.Event()
    async with serving(tmp_path, closing=closing) as gateway, watching(gateway, await gateway.create()) as watch:
        await watch.block()
        await watch.block()

        closing.set()

        assert {} == await watch.block()


def test_white_space_in_json_does_not_break_the_event() -> None:
    event = Succeeded(at=1.0, attempt=1, output=Raw(b'{\r\n"a":\n1}'))

    assert (
        b'data: {"type":"succeeded","at":1.0,"attempt":1,"output":{  "a": 1}}' == frame(Entry(3, event)).split(b"\n")[2]
    )
