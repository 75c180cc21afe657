"""Group commit."""

from __future__ import annotations

import asyncio

import pytest

from leveret.backends.redis import batcher
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.store import RedisStore
from leveret.core.ports import Claimed
from leveret.errors import StoreUnavailable
from leveret.testing.conformance.arrange import LONG, a_prediction
from leveret.testing.redis_server import RedisServer
from tests.backends.redis.steps import ask, open_line, statistic


async def test_a_wrong_command_harms_only_its_caller(line: Batcher, namespace: str) -> None:
    answers = await asyncio.gather(
        line.send([("SET", f"{namespace}:a", "1")]),
        line.send([("GET",)]),
        line.send([("NONSENSE", "1"), ("GET", f"{namespace}:a")]),
        line.send([("GET", f"{namespace}:a"), ("INCR", f"{namespace}:a")]),
        return_exceptions=True,
    )

    good, bad, ugly, also_good = answers
    assert (good, also_good) == ([b"OK"], [b"1", 2])
    assert isinstance(bad, StoreUnavailable)
    assert isinstance(ugly, StoreUnavailable)
    assert "NONSENSE" in str(ugly)


async def test_what_cannot_be_sent_harms_only_its_caller(line: Batcher) -> None:
    waiting = line.send([("PING",)])

    with pytest.raises(UnicodeEncodeError):
        line.send([("GET", "\ud800")])

    assert await waiting == [b"PONG"]


async def test_the_calls_of_one_tick_travel_together(line: Batcher, namespace: str) -> None:
    before = await statistic(line, "total_reads_processed")

    await asyncio.gather(*[line.send([("SET", f"{namespace}:{number}", "1")]) for number in range(200)])

    assert await statistic(line, "total_reads_processed") - before <= 4


async def test_a_caller_that_goes_away_does_not_disturb_the_others(line: Batcher) -> None:
    gone, stays = line.send([("PING",)]), line.send([("PING",)])
    gone.cancel()

    assert await stays == [b"PONG"]
    assert await line.send([("PING",)]) == [b"PONG"]


async def test_scripts_are_loaded_again_when_the_server_has_forgotten_them(store: RedisStore, line: Batcher) -> None:
    prediction = await store.create(a_prediction())
    await ask(line, "SCRIPT", "FLUSH")

    created, claims = await asyncio.gather(
        asyncio.gather(*[store.create(a_prediction()) for _ in range(5)]),
        store.claim([prediction], worker="w1", lease=LONG),
    )

    assert len(created) == 5
    assert claims == [Claimed(1)]


async def test_a_line_that_is_too_long_refuses_further_calls(line: Batcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "LINE_LIMIT", 10)
    waiting = [line.send([("PING",)]) for _ in range(10)]

    with pytest.raises(StoreUnavailable, match="10 calls wait"):
        line.send([("PING",)])

    assert await asyncio.gather(*waiting) == [[b"PONG"]] * 10


async def test_long_lines_travel_in_several_groups(line: Batcher) -> None:
    answers = await asyncio.gather(*[line.send([("ECHO", number)]) for number in range(2000)])

    assert answers == [[b"%d" % number] for number in range(2000)]


async def test_large_calls_do_not_all_travel_in_one_group(line: Batcher, namespace: str) -> None:
    value = b"x" * (batcher.GROUP_BYTES // 4)

    answers = await asyncio.gather(*[line.send([("SET", f"{namespace}:{number}", value)]) for number in range(10)])

    assert answers == [[b"OK"]] * 10
    assert await ask(line, "STRLEN", f"{namespace}:9") == len(value)


@pytest.mark.slow
async def test_calls_that_have_failed_leave_the_line(mortal: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "LINE_LIMIT", 10)
    async with open_line(mortal.url, patience=0.05) as line:
        await ask(line, "PING")
        mortal.kill()
        failed = await asyncio.gather(*[line.send([("PING",)]) for _ in range(10)], return_exceptions=True)

        assert {type(error) for error in failed} == {StoreUnavailable}
        with pytest.raises(StoreUnavailable, match="Connect"):
            await ask(line, "PING")
