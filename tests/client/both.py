"""Both clients in one shape, so that each test is a test of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar, Unpack

from leveret.client import JSON, AsyncClient, AsyncHandle, Client, Handle, Model, Options, Prediction, Queue, Scale
from leveret.core.events import Entry

T = TypeVar("T")


class ThreadedHandle:
    """The handle of a client that blocks, each call in a thread of its own."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @property
    def id(self) -> str:
        return self._handle.id

    @property
    def prediction(self) -> Prediction:
        return self._handle.prediction

    async def reload(self) -> Prediction:
        return await asyncio.to_thread(self._handle.reload)

    async def wait(self, timeout: float | None = None) -> Prediction:  # noqa: ASYNC109 - as the clients have it
        return await asyncio.to_thread(self._handle.wait, timeout)

    async def cancel(self) -> Prediction:
        return await asyncio.to_thread(self._handle.cancel)

    def events(self, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        return _iterated(lambda: self._handle.events(after=after))

    def stream(self) -> AsyncGenerator[JSON, None]:
        return _iterated(self._handle.stream)


class ThreadedClient:
    """A client that blocks, each call in a thread of its own."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self, model: str, given: Mapping[str, object], **options: float) -> JSON:
        return await asyncio.to_thread(lambda: self._client.run(model, given, timeout=options.get("timeout")))

    async def submit(self, model: str, given: Mapping[str, object], **options: Unpack[Options]) -> ThreadedHandle:
        return ThreadedHandle(await asyncio.to_thread(lambda: self._client.submit(model, given, **options)))

    async def get(self, prediction_id: str) -> ThreadedHandle:
        return ThreadedHandle(await asyncio.to_thread(self._client.get, prediction_id))

    async def cancel(self, prediction_id: str) -> Prediction:
        return await asyncio.to_thread(self._client.cancel, prediction_id)

    async def delete(self, prediction_id: str) -> None:
        await asyncio.to_thread(self._client.delete, prediction_id)

    async def retry(self, prediction_id: str) -> ThreadedHandle:
        return ThreadedHandle(await asyncio.to_thread(self._client.retry, prediction_id))

    def predictions(self, *, status: str | None = None, model: str | None = None) -> AsyncGenerator[Prediction, None]:
        return _iterated(lambda: self._client.predictions(status=status, model=model))

    async def models(self) -> list[Model]:
        return await asyncio.to_thread(self._client.models)

    async def queues(self) -> list[Queue]:
        return await asyncio.to_thread(self._client.queues)

    async def scale(self, model: str, *, target_wait: float | None = None) -> Scale:
        return await asyncio.to_thread(self._client.scale, model, target_wait=target_wait)

    async def upload(self, file: object) -> str:
        return await asyncio.to_thread(self._client.upload, file)

    async def download(self, url: str, to: str | Path) -> Path:
        return await asyncio.to_thread(self._client.download, url, to)


Either: TypeAlias = AsyncClient | ThreadedClient
EitherHandle: TypeAlias = AsyncHandle | ThreadedHandle


async def _iterated(begin: Callable[[], Iterator[T]]) -> AsyncGenerator[T, None]:
    """What the iterator gives, each step of it in a thread."""
    end = object()
    iterator = begin()

    def step() -> T | object:
        return next(iterator, end)

    try:
        while (found := await asyncio.to_thread(step)) is not end:
            yield found  # type: ignore[misc]  # it is no `end`
    finally:
        if close := getattr(iterator, "close", None):
            await asyncio.to_thread(close)
