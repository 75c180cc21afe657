"""What the worker's tests arrange: a family of backends, a served model, submitted predictions."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import TypeAlias

from msgspec import Raw
from msgspec.structs import replace
from redis.asyncio import Redis

from leveret.backends.files import FileBlobs
from leveret.backends.rabbitmq import open_broker
from leveret.backends.rabbitmq.topology import DELIVERY_LIMIT
from leveret.backends.redis.store import open_store
from leveret.backends.sqlite.broker import SqliteBroker
from leveret.backends.sqlite.database import Database, open_database
from leveret.backends.sqlite.store import SqliteStore
from leveret.config import OutboundSettings, WorkerSettings
from leveret.core import control
from leveret.core.control import Cancel
from leveret.core.events import Entry, name
from leveret.core.ports import Broker, Deliveries, Delivery, Store
from leveret.core.prediction import NULL, Blob, Prediction, new_id
from leveret.errors import PredictionNotFound
from leveret.worker.supervisor import Worker

PATIENCE = 20.0
QUICK = WorkerSettings(grace=10.0, beat=0.2, lease=5.0)
OUTBOUND = OutboundSettings()
PREAMBLE = """
import os, signal, time
from collections.abc import Iterator
from pathlib import Path
from leveret import Context, model
"""
GATED = """
@model
def gated(gate: str, context: Context) -> int:
    Path(f"{gate}.began-{context.attempt}").touch()
    while not os.path.exists(f"{gate}.open-{context.attempt}"):
        time.sleep(0.002)
    return context.attempt
"""
"""A model whose runs end when they are let go, and answer their number."""

Json: TypeAlias = int | str | float | bool | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True)
class Family:
    """The backends, and the folder for the models of a test."""

    broker: Broker
    store: Store
    blobs: FileBlobs
    folder: Path

    def model(self, text: str) -> str:
        """A target: this text in a file."""
        return write_model(self.folder, text)

    def worker(self, target: str, settings: WorkerSettings = QUICK, outbound: OutboundSettings = OUTBOUND) -> Worker:
        return Worker(
            target=target,
            settings=settings,
            broker=self.broker,
            runs=self.store,
            registry=self.store,
            blobs=self.blobs,
            outbound=outbound,
        )

    @asynccontextmanager
    async def serving(
        self, target: str, settings: WorkerSettings = QUICK, outbound: OutboundSettings = OUTBOUND
    ) -> AsyncIterator[Worker]:
        """A worker that is ready; it is drained at the end."""
        worker = self.worker(target, settings, outbound)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(worker.run())
            async with asyncio.timeout(PATIENCE):
                await worker.ready.wait()
            yield worker
            worker.drain()
            async with asyncio.timeout(PATIENCE):
                await running

    async def submit(
        self,
        model: str,
        *inputs: Mapping[str, Json] | None,
        account: str = "local",
        blob: Blob | None = None,
        start_by: float | None = None,
        deadline: float | None = None,
    ) -> list[str]:
        """Submit a prediction for each input, as a gateway does; their ids."""
        await self.broker.declare(model)
        form = Prediction(
            id="",
            model=model,
            account=account,
            input=NULL,
            created_at=0.0,
            input_blob=blob,
            start_by=start_by,
            deadline=deadline,
        )
        return [await self._submit(form, given) for given in inputs]

    async def cancel(self, prediction_id: str) -> None:
        """Cancel it as a gateway does."""
        worker = await self.store.cancel(prediction_id)
        if worker is not None:
            await self.broker.tell(worker, control.encode(Cancel(prediction_id)))

    async def result(self, prediction_id: str) -> Prediction:
        """The prediction when it has ended."""
        await self.log(prediction_id)
        return await self.store.get(prediction_id)

    async def output(self, prediction_id: str) -> Json:
        """Its output when it has ended."""
        output: Json = json.loads(bytes((await self.result(prediction_id)).output))
        return output

    async def log(self, prediction_id: str) -> list[Entry]:
        """Its whole log, when it has ended."""
        async with asyncio.timeout(PATIENCE), aclosing(self.store.follow(prediction_id)) as log:
            return [entry async for entry in log]

    async def kinds(self, prediction_id: str) -> list[str]:
        """The kinds of the events in its log, when it has ended."""
        return [name(entry.event) for entry in await self.log(prediction_id)]

    async def lose_records(self) -> None:
        """Let the store forget every prediction."""
        raise NotImplementedError

    async def known(self, prediction_id: str) -> Prediction:
        """The prediction as soon as the store knows it again."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(PredictionNotFound):
                    return await self.store.get(prediction_id)
                await asyncio.sleep(0.01)

    async def reaches(self, prediction_id: str, kind: str) -> None:
        """Wait until its log has such an event."""
        async with asyncio.timeout(PATIENCE), aclosing(self.store.follow(prediction_id)) as log:
            async for entry in log:
                if name(entry.event) == kind:
                    return

    async def _submit(self, form: Prediction, given: Mapping[str, Json] | None) -> str:
        now = time.time()
        fresh = replace(form, id=new_id(now, os.urandom(10)), input=Raw(json.dumps(given).encode()), created_at=now)
        prediction = await self.store.create(fresh)
        await self.broker.publish(prediction)
        await self.store.published([prediction.id])
        return prediction.id


@dataclass(frozen=True)
class Embedded(Family):
    """The embedded backends."""

    database: Database

    async def lose_records(self) -> None:
        await self.database.write(_empty)


@dataclass(frozen=True)
class Apart(Family):
    """The backends on RabbitMQ and Redis."""

    namespace: str
    redis: str

    async def lose_records(self) -> None:
        async with Redis.from_url(self.redis) as client:
            await client.flushall()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Embedded]:
    """The embedded family in this folder."""
    async with open_database(folder / "leveret.db") as database:
        broker, store, blobs = SqliteBroker(database), SqliteStore(database), FileBlobs(folder / "blobs")
        yield Embedded(broker, store, blobs, folder, database)


@asynccontextmanager
async def opened_apart(
    folder: Path, *, rabbit: str, redis: str, namespace: str, delivery_limit: int = DELIVERY_LIMIT
) -> AsyncIterator[Apart]:
    """The family on the RabbitMQ and the Redis at these URLs."""
    async with (
        open_broker(rabbit, namespace=namespace, delivery_limit=delivery_limit) as broker,
        open_store(redis, namespace=namespace) as store,
    ):
        yield Apart(broker, store, FileBlobs(folder / "blobs"), folder, namespace, redis)


def _empty(connection: Connection) -> None:
    for table in ("log", "predictions", "outbox"):
        connection.execute(f"DELETE FROM {table}")


def let_go(gate: str, *, attempt: int = 1) -> None:
    """Let that run of GATED end."""
    Path(f"{gate}.open-{attempt}").touch()


def write_model(folder: Path, text: str) -> str:
    """A target: this text in a file of its own."""
    path = folder / f"m{len(list(folder.glob('m*.py')))}.py"
    path.write_text(PREAMBLE + text)
    return str(path)


async def appears(folder: Path, pattern: str) -> None:
    """Wait until a model has made such a file."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(lambda: list(folder.glob(pattern))):
            await asyncio.sleep(0.01)


async def take_one(deliveries: Deliveries) -> Delivery:
    """The next delivery."""
    async with asyncio.timeout(PATIENCE):
        (delivery,) = await deliveries.take(1)
    return delivery
