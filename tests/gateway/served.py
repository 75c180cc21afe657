"""A gateway on a real port over the real embedded backends, and a tiny worker that moves predictions along."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import httpx2
import uvicorn
from msgspec import Raw

from leveret.backends.files import FileBlobs
from leveret.backends.sqlite.broker import SqliteBroker
from leveret.backends.sqlite.database import Database, open_database
from leveret.backends.sqlite.store import SqliteStore
from leveret.config import GatewaySettings, LimitSettings
from leveret.core.card import Card, Listing
from leveret.core.events import Ending, Entry, Failed, Output, Report, Reset, Succeeded
from leveret.core.limits import Allowance
from leveret.core.meters import SILENT, Exposed
from leveret.core.once import Once
from leveret.core.ports import Claimed, Pulse, Running
from leveret.core.prediction import Blob, Prediction
from leveret.core.retention import Retention
from leveret.errors import BrokerUnavailable, LeveretError, StoreUnavailable
from leveret.gateway.app import PUBLIC, UNLIMITED, create_app
from leveret.gateway.server import server_config
from leveret.outbound import Guard

T = TypeVar("T")

PATIENCE: Final = 10.0
"""How long a test waits for what must happen, in seconds."""

ECHO: Final = Card(
    model="local/echo",
    version="0e" * 32,
    input_schema=Raw(
        b'{"type":"object","required":["text"],"additionalProperties":false,"properties":'
        b'{"text":{"type":"string"},"times":{"type":"integer","minimum":1},"tags":{"type":"array","items":'
        b'{"type":"string"}},"tone":{"anyOf":[{"type":"string"},{"type":"null"}]}}}'
    ),
    output_schema=Raw(b'{"type":"string"}'),
    description="Says it again.",
    announced_at=1_700_000_000.5,
)

_LEASE: Final = 60.0


class Store(SqliteStore):
    """The embedded store; it counts what is asked of it and can be told to be away."""

    def __init__(self, database: Database, *, retention: Retention | None = None) -> None:
        super().__init__(database, retention=retention)
        self.away = False
        self.broken_log: LeveretError | None = None
        self.following = 0
        self.asked_for_cards = 0
        self.cleared: list[str] = []
        self.missing: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.creating = 0

    async def create(
        self, prediction: Prediction, *, once: Once | None = None, within: Allowance | None = None
    ) -> Prediction:
        self._check()
        self.creating += 1
        await self.gate.wait()
        self.creating -= 1
        return await super().create(prediction, once=once, within=within)

    async def missed(self, prediction: Prediction, once: Once) -> None:
        await super().missed(prediction, once)
        self.missing.append(prediction.id)

    async def get(self, prediction_id: str) -> Prediction:
        self._check()
        return await super().get(prediction_id)

    async def cards(self) -> list[Listing]:
        self.asked_for_cards += 1
        self._check()
        return await super().cards()

    async def published(self, prediction_ids: Sequence[str]) -> None:
        self._check()
        await super().published(prediction_ids)
        self.cleared += prediction_ids

    async def follow(self, prediction_id: str, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        self.following += 1
        try:
            if self.broken_log is not None:
                raise self.broken_log
            async with aclosing(super().follow(prediction_id, after=after)) as log:
                async for entry in log:
                    yield entry
        finally:
            self.following -= 1

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable(reason="it was switched off")


class Broker(SqliteBroker):
    """The embedded broker; it can be told to take nothing, or to fail at the next publish."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.blocked = False
        self.trouble: Exception | None = None
        self.mute = False

    @property
    def accepting(self) -> bool:
        return not self.blocked

    async def publish(self, prediction: Prediction, *, delay: float = 0.0) -> None:
        if self.trouble is not None:
            raise self.trouble
        await super().publish(prediction, delay=delay)

    async def tell(self, worker: str, message: bytes) -> None:
        if self.mute:
            raise BrokerUnavailable(reason="it was switched off")
        await super().tell(worker, message)


class Worker:
    """Moves predictions along as a worker does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reported = 0

    async def start(self, prediction_id: str) -> Running:
        prediction = await self._store.get(prediction_id)
        (claim,) = await self._store.claim([prediction], worker="w1", lease=_LEASE)
        assert isinstance(claim, Claimed)
        return Running(prediction_id, claim.attempt)

    async def report(self, run: Running, *reports: Report) -> None:
        self._reported += 1
        assert await self._store.append(run, reports, worker="w1", number=self._reported)

    async def say(self, run: Running, *chunks: bytes) -> None:
        await self.report(run, Output(at=time.time(), attempt=run.attempt, chunks=[Raw(chunk) for chunk in chunks]))

    async def end(self, run: Running, ending: Ending) -> bool:
        (pulse,) = await self._store.settle([(run, ending)], worker="w1")
        return pulse is Pulse.OURS

    async def succeed(self, run: Running, output: bytes = b'"done"') -> bool:
        return await self.end(run, Succeeded(at=time.time(), attempt=run.attempt, output=Raw(output)))

    async def hand_back(self, run: Running) -> bool:
        return await self.end(run, Reset(at=time.time(), attempt=run.attempt, reason="it was stopped", charged=0))

    async def finish(self, run: Running) -> bool:
        return await self.end(run, Succeeded(at=time.time(), attempt=run.attempt))

    async def succeed_with_blob(self, run: Running, blob: Blob) -> bool:
        return await self.end(
            run, Succeeded(at=time.time(), attempt=run.attempt, output=Raw(b"null"), output_blob=blob)
        )

    async def fail(self, run: Running, error: str) -> bool:
        return await self.end(run, Failed(at=time.time(), attempt=run.attempt, error=error))


class Gateway:
    """A gateway that serves, with all that is behind it."""

    def __init__(
        self,
        *,
        url: str,
        server: uvicorn.Server,
        client: httpx2.AsyncClient,
        database: Database,
        store: Store,
        broker: Broker,
        blobs: FileBlobs,
    ) -> None:
        self._server = server
        self.url = url
        self.client = client
        self.database = database
        self.store = store
        self.broker = broker
        self.blobs = blobs
        self.worker = Worker(store)

    @property
    def address(self) -> tuple[str, int]:
        url = httpx2.URL(self.url)
        assert url.port is not None
        return url.host, url.port

    async def create(self, text: str = "hello", **headers: str) -> str:
        """The id of a new prediction."""
        answer = await self.post(text, **headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def post(self, text: str = "hello", **headers: str) -> httpx2.Response:
        return await self.client.post(
            "/v1/models/local/echo/predictions", json={"input": {"text": text}}, headers=headers
        )

    async def newest(self) -> str:
        """The id of a prediction that another client is creating just now."""
        newest, *_ = await eventually(self._page, bool)
        return newest

    async def keep(self, content: bytes) -> Blob:
        """The content as a blob, such as a worker makes of a large output."""

        async def stream() -> AsyncIterator[bytes]:
            yield content

        return await self.blobs.put("outputs/1.json", stream(), content_type="application/json")

    async def followers(self) -> int:
        """How many logs are being followed."""
        return self.store.following

    async def confirmed(self) -> list[str]:
        """Whose outbox entries were cleared."""
        return self.store.cleared

    async def connections(self) -> int:
        """How many clients are connected."""
        return len(self._server.server_state.connections)

    @property
    def requests(self) -> int:
        """How many requests there have been."""
        return self._server.server_state.total_requests

    async def creating(self) -> int:
        """How many creates wait for the store's gate to open."""
        return self.store.creating

    async def missing(self) -> list[str]:
        """Whose answers did not reach their clients."""
        return self.store.missing

    async def _page(self) -> list[str]:
        answer = await self.client.get("/v1/predictions")
        return [str(result["id"]) for result in answer.json()["results"]]


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    settings: GatewaySettings | None = None,
    limits: LimitSettings = UNLIMITED,
    guard: Guard = PUBLIC,
    closing: asyncio.Event | None = None,
    retention: Retention | None = None,
    meter: Exposed = SILENT,
    announced: Sequence[Card] = (ECHO,),
) -> AsyncIterator[Gateway]:
    """A gateway over new backends in this folder, with the model `local/echo` announced, or those that are given."""
    async with open_database(folder / "leveret.db") as database:
        store, broker, blobs = Store(database, retention=retention), Broker(database), FileBlobs(folder / "blobs")
        for card in announced:
            await store.announce(card, worker="w1", lease=_LEASE)
            await broker.declare(card.model)
        settings = settings or GatewaySettings()
        app = create_app(
            store=store,
            broker=broker,
            blobs=blobs,
            settings=settings,
            guard=guard,
            limits=limits,
            meter=meter,
            closing=closing,
        )
        async with (
            listening(server_config(app, settings)) as (url, server),
            httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client,
        ):
            yield Gateway(
                url=url, server=server, client=client, database=database, store=store, broker=broker, blobs=blobs
            )


async def eventually(look: Callable[[], Awaitable[T]], wanted: Callable[[T], bool]) -> T:
    """What `look` answers as soon as it is wanted; the test fails if it never is."""
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await look()):
            await asyncio.sleep(0.005)
    return found


@asynccontextmanager
async def listening(config: uvicorn.Config) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """The URL at which uvicorn serves in this loop, and itself; when it stops, no request may be left."""
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    listener = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listener])
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
    finally:
        for listening in server.servers:
            listening.close()
        if server.server_state.tasks:
            _, hanging = await asyncio.wait(server.server_state.tasks, timeout=PATIENCE)
            assert not hanging
        await server.lifespan.shutdown()
