"""Answers: what a gateway tells about its models and queues."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from leveret.client.prediction import JSON, Prediction


class Version(Struct, frozen=True, kw_only=True):
    """The version of a model that is served; `openapi_schema` has its input and output as `Input` and `Output`."""

    id: str
    created_at: datetime
    openapi_schema: dict[str, JSON]


class Model(Struct, frozen=True, kw_only=True):
    """A model that is served; without `workers`, its predictions wait. `problem` is why one of them cannot run it."""

    owner: str
    name: str
    description: str = ""
    latest_version: Version
    workers: int = 0
    problem: str | None = None

    @property
    def id(self) -> str:
        """`owner/name`, by which it is run."""
        return f"{self.owner}/{self.name}"

    @property
    def schemas(self) -> dict[str, JSON]:
        """Its JSON Schemas: `Input`, `Output`, and what these refer to as `#/components/schemas/…`."""
        components = self.latest_version.openapi_schema.get("components")
        schemas = components.get("schemas") if isinstance(components, dict) else None
        return schemas if isinstance(schemas, dict) else {}


class Queue(Struct, frozen=True, kw_only=True):
    """The queues of one model: how many wait, how many of them in each lane, and how many are being run."""

    model: str
    waiting: int
    lanes: list[int]
    running: int
    workers: int


class Scale(Struct, frozen=True, kw_only=True):
    """How many workers a model wants, how many are alive, and what that is reckoned from."""

    model: str
    queued: int
    running: int
    mean_run: float | None
    slots: int
    target_wait: float
    workers: int
    desired: int


class Models(Struct, frozen=True):
    """All models."""

    results: list[Model]


class Queues(Struct, frozen=True):
    """All queues."""

    results: list[Queue]


class Page(Struct, frozen=True):
    """Some predictions, newest first; `next` leads to older ones."""

    results: list[Prediction]
    next: str | None = None


class Stored(Struct, frozen=True):
    """A file that the gateway has stored."""

    urls: dict[str, str]
