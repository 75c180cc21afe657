"""FastAPI and Celery, as their documentation recommends for work that must not be lost."""

import os

from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel

app = Celery(
    "bench",
    broker=os.environ.get("BENCH_BROKER_URL", "amqp://localhost"),
    backend=os.environ.get("BENCH_STORE_URL", "redis://localhost"),
)
app.conf.update(
    task_default_queue="celery-bench",
    task_default_queue_type="quorum",
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=128,
)
api = FastAPI()


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


@app.task
def echo(n: int) -> int:
    """The model of the contest."""
    return n


@api.post("/predictions", status_code=201)
def submit(submission: Submission) -> Prediction:
    result = echo.delay(submission.input.n)
    return Prediction(id=result.id, status="PENDING")


@api.get("/predictions/{prediction_id}")
def read(prediction_id: str) -> Prediction:
    result = AsyncResult(prediction_id, app=app)
    status = result.status
    return Prediction(id=prediction_id, status=status, output=result.result if status == "SUCCESS" else None)
