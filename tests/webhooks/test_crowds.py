from __future__ import annotations

import asyncio

import pytest

from leveret.webhooks.crowds import Crowded, Crowds


async def test_who_finds_no_place_is_crowded_out_and_other_hosts_have_their_own() -> None:
    crowds = Crowds(most=2, patience=0.01)

    async with crowds.joined("https://one.example/a"), crowds.joined("https://one.example/b"):
        with pytest.raises(Crowded):
            async with crowds.joined("https://one.example/c"):
                pass
        async with crowds.joined("https://two.example/"), crowds.joined("https://one.example:8443/"):
            pass

    async with crowds.joined("https://one.example/c"), crowds.joined("nonsense://["):
        pass


async def test_who_waits_gets_the_place_of_one_that_leaves() -> None:
    crowds = Crowds(most=1, patience=60)
    waiting = asyncio.Event()

    async def wait() -> None:
        waiting.set()
        async with crowds.joined("https://one.example/"):
            pass

    async with asyncio.TaskGroup() as group, crowds.joined("https://one.example/"):
        group.create_task(wait())
        await waiting.wait()
