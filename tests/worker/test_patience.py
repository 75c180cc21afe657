"""How long to wait for what does not answer, and when no longer."""

from __future__ import annotations

import asyncio

import pytest

from leveret.errors import StoreUnavailable
from leveret.worker.patience import FIRST_PAUSE, LONGEST_PAUSE, Leavable, insist, pause_after


class Flaky:
    """Answers after so many refusals."""

    def __init__(self, refusals: int) -> None:
        self.calls = 0
        self._refusals = refusals

    async def ask(self) -> int:
        self.calls += 1
        if self.calls <= self._refusals:
            raise StoreUnavailable(reason="test")
        return self.calls


async def test_what_cannot_be_reached_is_asked_again_until_it_answers() -> None:
    assert await insist(Flaky(1).ask, patience=10.0) == 2


async def test_patience_has_an_end() -> None:
    flaky = Flaky(1000)

    with pytest.raises(StoreUnavailable):
        await insist(flaky.ask, patience=0.05)

    assert flaky.calls >= 2


async def test_any_other_error_is_not_worth_another_try() -> None:
    async def broken() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - there is no more to it
        await insist(broken, patience=10.0)


def test_pauses_stay_within_their_limit() -> None:
    assert all(0 <= pause_after(1) <= FIRST_PAUSE for _ in range(100))
    assert all(0 <= pause_after(1000) <= LONGEST_PAUSE for _ in range(100))


async def test_a_block_can_be_left_wherever_it_waits() -> None:
    leavable = Leavable()
    asyncio.get_running_loop().call_soon(leavable.leave)

    async with leavable.block():
        await asyncio.Event().wait()


async def test_leaving_when_no_block_is_entered_does_nothing() -> None:
    leavable = Leavable()
    leavable.leave()

    async with leavable.block():
        await asyncio.sleep(0)
    leavable.leave()
    await asyncio.sleep(0)


async def test_a_timeout_inside_of_a_block_is_not_taken_for_leaving_it() -> None:
    with pytest.raises(TimeoutError):
        async with Leavable().block():
            raise TimeoutError


async def test_a_canceled_block_is_canceled() -> None:
    leavable = Leavable()

    async def wait() -> None:
        async with leavable.block():
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()

    assert waiting.cancelled()
