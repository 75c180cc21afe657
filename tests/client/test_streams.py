"""Streams of both clients, through connections that are cut: nothing is missing and nothing comes twice."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from leveret.client import JSON, AsyncClient, ModelFailed, PredictionCanceled
from leveret.core.events import Entry, Progress, Reset
from leveret.core.ports import Running
from leveret.errors import GatewayUnreachable, StreamReset
from tests.client.both import Either, EitherHandle
from tests.client.proxy import Proxy
from tests.gateway.served import Gateway, eventually

WORDS = ["once", " upon\n", "a\u2028time", "", 7, None, {"a": [1]}]
ENCODED = [b'"once"', b'" upon\\n"', '"a\u2028time"'.encode(), b'""', b"7", b"null", b'{"a":[1]}']


async def started(gateway: Gateway, client: Either) -> tuple[EitherHandle, Running]:
    handle = await client.submit("echo", {"text": "hello"})
    return handle, await gateway.worker.start(handle.id)


async def said(gateway: Gateway, run: Running) -> None:
    """Every word in an entry of its own, from number 3 on, and the end."""
    for word in ENCODED:
        await gateway.worker.say(run, word)
    await gateway.worker.finish(run)


async def streamed(handle: EitherHandle) -> list[JSON]:
    return [chunk async for chunk in handle.stream()]


async def followed(handle: EitherHandle, *, after: int = 0) -> list[Entry]:
    return [entry async for entry in handle.events(after=after)]


async def again(gateway: Gateway, run: Running) -> Running:
    """The run has come to nothing, and the next one has begun."""
    await gateway.worker.end(run, Reset(at=time.time(), attempt=run.attempt, reason="it crashed", charged=1))
    return await gateway.worker.start(run.id)


async def test_the_chunks_come_as_they_are_put_out(gateway: Gateway, client: Either) -> None:
    handle, run = await started(gateway, client)

    async with aclosing(handle.stream()) as chunks:
        for word, encoded in zip(WORDS, ENCODED, strict=True):
            await gateway.worker.say(run, encoded)
            assert word == await anext(chunks)
        await gateway.worker.finish(run)
        assert [] == [chunk async for chunk in chunks]

    assert WORDS == await streamed(handle)


async def test_what_is_not_streamed_comes_as_one_chunk(gateway: Gateway, client: Either) -> None:
    handle, run = await started(gateway, client)
    large, large_run = await started(gateway, client)
    await gateway.worker.succeed(run, b'["a","b"]')
    await gateway.worker.succeed_with_blob(large_run, await gateway.keep(b'["' + b"x" * 100_000 + b'"]'))

    assert [["a", "b"]] == await streamed(handle)
    assert [["x" * 100_000]] == await streamed(large)


async def test_a_stream_that_ends_badly_raises_behind_its_last_chunk(gateway: Gateway, client: Either) -> None:
    handle, run = await started(gateway, client)
    canceled = await client.submit("echo", {"text": "hello"})
    await gateway.worker.say(run, b'"once"')
    await gateway.worker.fail(run, "ValueError: no")
    await canceled.cancel()

    async with aclosing(handle.stream()) as chunks:
        assert "once" == await anext(chunks)
        with pytest.raises(ModelFailed, match="ValueError: no"):
            await anext(chunks)

    with pytest.raises(PredictionCanceled):
        await streamed(canceled)


@pytest.mark.parametrize(
    "cut",
    [b"id: 3\nevent: output\nda", b'"chunks":["once', b"id: 5\n", b'[""]}\n', b'[""]}\n\n', b"id: 10\nevent: succ"],
)
async def test_a_stream_that_is_cut_goes_on_exactly_behind_what_came(
    gateway: Gateway, proxy: Proxy, client: Either, cut: bytes
) -> None:
    handle, run = await started(gateway, client)
    await said(gateway, run)
    proxy.cuts.append(cut)

    chunks = await streamed(handle)

    assert WORDS == chunks
    assert not proxy.cuts


async def test_a_stream_that_is_cut_again_and_again_has_every_entry_once(
    gateway: Gateway, proxy: Proxy, client: Either
) -> None:
    handle, run = await started(gateway, client)
    await said(gateway, run)
    proxy.cuts.extend([b"id: 2\n", b"id: 4\nevent: out", b"id: 4\n", b"id: 8\nevent", b"id: 10\n"])

    numbers = [entry.number for entry in await followed(handle)]

    assert list(range(1, 11)) == numbers
    assert not proxy.cuts
    lasts = [request.lower().partition(b"last-event-id: ")[2].partition(b"\r\n")[0] for request in proxy.requests]
    assert [b"1", b"3", b"3", b"7", b"9"] == lasts[-5:]


async def test_a_stream_waits_while_no_gateway_can_be_reached(gateway: Gateway, proxy: Proxy, client: Either) -> None:
    handle, run = await started(gateway, client)
    await gateway.worker.say(run, b'"once"')
    proxy.cuts.append(b"id: 3\n")
    proxy.unheard_behind_cut = 3

    async with aclosing(handle.events(after=2)) as entries:
        entry = await anext(entries)

    assert (3, 0) == (entry.number, proxy.unheard)


async def test_events_begin_where_they_are_asked_to_and_end_with_the_log(gateway: Gateway, client: Either) -> None:
    handle, run = await started(gateway, client)
    await gateway.worker.report(run, Progress(at=1.0, attempt=1, fraction=0.5, message="half"))
    await gateway.worker.succeed(run)

    entries = await followed(handle, after=2)

    assert [3, 4] == [entry.number for entry in entries]
    assert Progress(at=1.0, attempt=1, fraction=0.5, message="half") == entries[0].event
    assert [] == await followed(handle, after=4)


async def test_a_run_that_comes_to_nothing_ends_the_stream_and_the_next_stream_is_the_next_run(
    gateway: Gateway, client: Either
) -> None:
    handle, run = await started(gateway, client)
    await gateway.worker.say(run, b'"once"', b'" upon"')
    second = await again(gateway, run)
    await gateway.worker.say(second, b'"twice"')
    await gateway.worker.finish(second)

    async with aclosing(handle.stream()) as chunks:
        assert ["once", " upon"] == [await anext(chunks), await anext(chunks)]
        with pytest.raises(StreamReset, match="it crashed") as caught:
            await anext(chunks)

    assert 1 == caught.value.data["attempt"]
    assert ["twice"] == await streamed(handle)
    assert ["twice"] == await streamed(await client.get(handle.id))


async def test_a_run_that_had_put_out_nothing_is_passed_over(gateway: Gateway, client: Either) -> None:
    handle, run = await started(gateway, client)
    second = await again(gateway, run)
    await gateway.worker.succeed(second, b'"done"')

    assert ["done"] == await streamed(handle)


async def test_who_comes_late_sees_only_the_run_that_counts(gateway: Gateway, client: Either) -> None:
    handle, run = await started(gateway, client)
    await gateway.worker.say(run, b'"once"')
    second = await again(gateway, run)
    late = await client.get(handle.id)

    async with aclosing(late.stream()) as chunks:
        await gateway.worker.say(second, b'"twice"')
        assert "twice" == await anext(chunks)


async def test_a_stream_that_is_left_is_closed(gateway: Gateway, client: Either) -> None:
    handle, run = await started(gateway, client)
    await gateway.worker.say(run, b'"once"')

    async with aclosing(handle.stream()) as chunks:
        assert "once" == await anext(chunks)
        assert 1 == await gateway.followers()

    assert 0 == await eventually(gateway.followers, lambda count: count == 0)


async def test_a_stream_whose_gateway_never_comes_back_says_so(gateway: Gateway, proxy: Proxy) -> None:
    async with AsyncClient(proxy.url, patience=0.3) as client:
        handle, run = await started(gateway, client)
        await gateway.worker.say(run, b'"once"')
        proxy.cuts.append(b"id: 3\n")
        proxy.unheard_behind_cut = 1_000_000

        async with aclosing(handle.events()) as entries:
            assert [1, 2] == [(await anext(entries)).number for _ in range(2)]
            with pytest.raises(GatewayUnreachable):
                await anext(entries)


async def test_an_event_that_this_version_does_not_know_is_passed_over() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        stream = (
            b'id: 1\nevent: moved\ndata: {"type":"moved"}\n\nid: 2\nevent: queued\ndata: {"type":"queued","at":1}\n\n'
        )
        prediction = b'{"id":"p","model":"local/echo","status":"starting","created_at":"2026-01-01T00:00:00Z"}'
        body = stream if path.endswith(b"/events") else prediction
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, AsyncClient(url) as client, aclosing((await client.get("p")).events()) as entries:
        assert 2 == (await anext(entries)).number
