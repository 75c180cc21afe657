"""FastAPI and taskiq on RabbitMQ, as their documentation recommends for work that must not be lost."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType
from taskiq_redis import RedisAsyncResultBackend
from taskiq_redis.exceptions import ResultIsMissingError

results = RedisAsyncResultBackend(
    os.environ.get("BENCH_STORE_URL", "redis://localhost"),
    result_ex_time=86400,
)
broker = (
    AioPikaBroker(os.environ.get("BENCH_BROKER_URL", "amqp://localhost"), qos=128)
    .with_queue(Queue(name="taskiq-bench", type=QueueType.QUORUM))
    .with_result_backend(results)
)


class Input(BaseModel):
    """What the model takes."""

    n: int


class Submission(BaseModel):
    """The body of a POST."""

    input: Input


class Prediction(BaseModel):
    """What a client sees."""

    id: str
    status: str
    output: int | None = None


@broker.task
async def echo(n: int) -> int:
    """The model of the contest; `async`, since a thread of its own would cost taskiq more."""
    return n


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


api = FastAPI(lifespan=lifespan)


@api.post("/predictions", status_code=201)
async def submit(submission: Submission) -> Prediction:
    task = await echo.kiq(submission.input.n)
    return Prediction(id=task.task_id, status="PENDING")


@api.get("/predictions/{prediction_id}")
async def read(prediction_id: str) -> Prediction:
    try:
        result = await results.get_result(prediction_id)
    except ResultIsMissingError:
        return Prediction(id=prediction_id, status="PENDING")
    return Prediction(
        id=prediction_id,
        status="FAILURE" if result.is_err else "SUCCESS",
        output=result.return_value,
    )
