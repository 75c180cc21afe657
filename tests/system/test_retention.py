"""After their retention nothing is left of predictions, however they have gone: every key, row and file is counted."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import httpx2
import pytest
import redis

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

MODELS: Final = """
import os, time
from collections.abc import Iterator
from leveret import Context, Retry, model

@model
def repeat(text: str, times: int = 1) -> str:
    print(text[:100])
    return text * times

@model
def tell(text: str) -> Iterator[str]:
    for _ in range(20):
        yield text

@model
def fail(text: str) -> str:
    raise ValueError(text[:100])

@model(retries=0)
def crash(text: str) -> str:
    os._exit(3)

@model(retries=1)
def again(text: str, context: Context) -> str:
    if context.attempt == 1:
        raise Retry("once more", after=1)
    return text

@model
def hang(text: str) -> str:
    time.sleep(600)
    return text

@model
def draw(text: str) -> bytes:
    return text.encode()

@model(retention=1.5)
def brief(text: str) -> str:
    return text
"""
ENDING: Final = ("repeat", "tell", "fail", "crash", "again", "draw", "brief")
NAMES: Final = (*ENDING, "hang")
SHORT: Final = {**QUICK, "LEVERET_RETENTION": "2", "LEVERET_RECORD_RETENTION": "4", "LEVERET_SWEEPER_PERIOD": "0.3"}
SIZES: Final = {"small": "x" * 10, "large": "x" * 100_000}
WAIT: Final = {"Prefer": "wait=60"}
PATIENCE: Final = 60.0

T = TypeVar("T")
Shown: TypeAlias = dict[str, str]


class Site:
    """A server, and what it keeps."""

    def __init__(self, url: str, left: Callable[[], dict[str, int]]) -> None:
        self.url = url
        self.left = left
        """How many of each kind of thing there are, but for what tells which models are served."""

    async def look(self) -> dict[str, int]:
        return self.left()


@pytest.fixture(params=["embedded", "rabbitmq and redis"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "models.py").write_text(MODELS)
    port = free_port()
    targets = [f"models.py:{name}" for name in NAMES]
    with ExitStack() as stack:
        environment = dict(SHORT)
        left = left_in_files
        if request.param != "embedded":
            store = stack.enter_context(RedisServer())
            environment |= {**rabbit.a_namespace(), "LEVERET_STORE_URL": store.url}
            client = stack.enter_context(closing(redis.Redis.from_url(store.url)))
            left = partial(left_in_redis, client)
        program = Program("serve", *targets, "--port", str(port), folder=tmp_path, environment=environment)
        stack.enter_context(program).wait_ready()
        yield Site(f"http://127.0.0.1:{port}", lambda: left(tmp_path))


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=site.url, timeout=PATIENCE + 10) as client:
        yield client


async def test_nothing_is_left_when_every_time_is_over(site: Site, client: httpx2.AsyncClient) -> None:
    running, waiting = [(await create(client, "hang", "large"))["id"] for _ in range(2)]
    named = [create(client, "repeat", "large", **{**WAIT, "Idempotency-Key": "k1"}) for _ in range(3)]
    others = [create(client, name, size, **WAIT) for name in ENDING for size in SIZES for _ in range(3)]
    ended = await asyncio.gather(*named, *others)
    await eventually(partial(status, client, running), {"processing"}.__contains__)
    for one in (running, waiting):
        await client.post(f"/v1/predictions/{one}/cancel")
    await eventually(partial(listed, client), lambda found: found == 0)
    letters = (await client.get("/admin/v1/dead")).json()["results"]
    kept = site.left()
    await client.delete("/admin/v1/dead")

    assert {"succeeded": 31, "failed": 12} == Counter({one["id"]: one["status"] for one in ended}.values())
    assert 1 == len({one["id"] for one in ended[:3]})
    assert 6 == len(letters)
    assert sum(kept.values()) > 0  # the letters, and the inputs that they keep
    await eventually(site.look, lambda left: not any(left.values()))


async def test_nothing_but_stubs_is_left_of_what_is_deleted(site: Site, client: httpx2.AsyncClient) -> None:
    creating = [create(client, name, size, retention="1h", **WAIT) for name in ENDING for size in SIZES]
    ids = [one["id"] for one in await asyncio.gather(*creating)]

    answers = [await client.delete(f"/v1/predictions/{one}") for one in ids]

    left = site.left()
    assert {204} == {answer.status_code for answer in answers}
    assert len(ids) >= left.pop("records")
    assert not any(number for name, number in left.items() if name not in {"submitted", "expiry"})
    assert [] == (await client.get("/admin/v1/dead")).json()["results"]
    await eventually(site.look, lambda left: not any(left.values()))


async def create(
    client: httpx2.AsyncClient, model: str, size: str, *, retention: str | None = None, **headers: str
) -> Shown:
    body = {"input": {"text": SIZES[size]}, "retention": retention}
    answer = await client.post(f"/v1/models/local/{model}/predictions", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    shown: Shown = answer.json()
    return shown


async def status(client: httpx2.AsyncClient, prediction_id: str) -> str:
    return str((await client.get(f"/v1/predictions/{prediction_id}")).json()["status"])


async def listed(client: httpx2.AsyncClient) -> int:
    answer = await client.get("/v1/predictions")
    assert answer.status_code == 200, answer.text
    return len(answer.json()["results"])


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not wanted(found := await look()):
        assert time.monotonic() < until, found
        await asyncio.sleep(0.05)


def left_in_files(folder: Path) -> dict[str, int]:
    """The rows of every table, the large values, and the folders that they stood in."""
    blobs = folder / ".leveret" / "blobs"
    counts = {
        "files": sum(path.is_file() for path in blobs.rglob("*")),
        "folders": sum(path.is_dir() for path in blobs.glob("*/*")),
    }
    with closing(sqlite3.connect(f"file:{folder}/.leveret/leveret.db?mode=ro", uri=True)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table not in {"cards", "presence", "queues", "predictions", "log", "secrets", "hook_secrets"}:
                (counts[table],) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
        (counts["records"],) = database.execute("SELECT count(*) FROM predictions").fetchone()
        (counts["submitted"],) = database.execute("SELECT count(*) FROM log WHERE number = 0").fetchone()
        (counts["events"],) = database.execute("SELECT count(*) FROM log WHERE number > 0").fetchone()
    return counts


def left_in_redis(client: redis.Redis, _folder: Path) -> dict[str, int]:
    """The keys, by their kinds."""
    kinds = Counter(key.split(b":")[1].decode() for key in client.scan_iter("*"))
    for known in ("cards", "presence", "problems", "lines", "secret", "hook-secrets"):
        del kinds[known]
    return {"records": kinds.pop("p", 0), **kinds}
