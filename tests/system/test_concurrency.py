"""Runs of an asynchronous model go on beside each other, seen over HTTP, on both families."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.system.test_cancel import PATIENCE, Serving, apart, embedded, shows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MODEL: Final = """
import asyncio
from collections.abc import AsyncIterator
from leveret import model

words: dict[str, asyncio.Queue[str]] = {}

@model(concurrency=3)
async def long(say: str, to: str) -> AsyncIterator[str]:
    own = words.setdefault(say, asyncio.Queue())
    print(say, "begun")
    yield say
    words.setdefault(to, asyncio.Queue()).put_nowait(say)
    yield await own.get()
"""
"""Two that name each other exchange words, which they can only while both are under way."""


@pytest.mark.parametrize("serving", [embedded, apart])
async def test_runs_meet_and_one_is_canceled_beside_them(tmp_path: Path, serving: Serving) -> None:
    (tmp_path / "long.py").write_text(MODEL)

    with serving(tmp_path) as url:
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            lonely, hare = [await submit(client, say=say, to=to) for say, to in (("alone", "-"), ("hare", "rabbit"))]
            for path, said in ((lonely, "alone begun\n"), (hare, "hare begun\n")):
                await shows(client, path, "logs", said)
            assert (await client.post(f"{lonely}/cancel")).status_code == 200
            canceled = await shows(client, lonely, "status", "canceled")
            rabbit = await submit(client, say="rabbit", to="hare")
            met = [await shows(client, path, "status", "succeeded") for path in (hare, rabbit)]

    assert ("interrupted", "alone begun\n") == (canceled["stopped"], canceled["logs"])
    assert [["hare", "rabbit"], ["rabbit", "hare"]] == [one["output"] for one in met]
    assert ["hare begun\n", "rabbit begun\n"] == [one["logs"] for one in met]


async def submit(client: httpx2.AsyncClient, **given: str) -> str:
    """The path of a new prediction."""
    created = await client.post("/v1/models/local/long/predictions", json={"input": given})
    return f"/v1/predictions/{created.json()['id']}"
