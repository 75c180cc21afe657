"""A program that creates, publishes, runs and settles on an embedded database until it is killed.

It says each step only once it was answered: `created ID`, `published ID`, `settled ID`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from msgspec import Raw

from leveret.backends.sqlite.broker import SqliteBroker
from leveret.backends.sqlite.database import open_database
from leveret.backends.sqlite.store import SqliteStore
from leveret.core.events import Succeeded
from leveret.core.ports import Broker, Claimed, Running, Store
from leveret.core.prediction import Prediction, new_id

MODEL = "local/echo"


async def main(path: Path) -> None:
    async with open_database(path, checkpoint_after=0.05) as database, asyncio.TaskGroup() as group:
        store, broker = SqliteStore(database), SqliteBroker(database)
        await broker.declare(MODEL)
        for _ in range(8):
            group.create_task(submit(store, broker))
        group.create_task(work(store, broker))


async def submit(store: Store, broker: Broker) -> None:
    while True:
        now = time.time()
        created = await store.create(
            Prediction(id=new_id(now, os.urandom(10)), model=MODEL, input=Raw(b'{"n":1}'), created_at=now)
        )
        say("created", created.id)
        await broker.publish(created)
        say("published", created.id)


async def work(store: Store, broker: Broker) -> None:
    async with broker.consume(MODEL, ahead=16) as deliveries:
        while True:
            taken = await deliveries.take(4)
            predictions = [delivery.prediction for delivery in taken]
            claims = await store.claim(predictions, worker="w1", lease=30)
            endings = [
                (Running(one.id, claim.attempt), Succeeded(at=time.time(), attempt=claim.attempt, output=Raw(b"1")))
                for one, claim in zip(predictions, claims, strict=True)
                if isinstance(claim, Claimed)
            ]
            await store.settle(endings, worker="w1")
            for run, _ in endings:
                say("settled", run.id)
            for delivery in taken:
                delivery.ack()


def say(step: str, prediction_id: str) -> None:
    os.write(1, f"{step} {prediction_id}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
