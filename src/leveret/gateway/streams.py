"""Streams: the log of a prediction as server-sent events, resumable at any entry.

One endpoint sends every kind of event as it is; the other what the clients of Replicate's API understand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import structlog
from msgspec import Raw
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leveret.core.events import Entry, Succeeded, encode, name
from leveret.core.meters import Meter, Phase
from leveret.core.ports import Blobs, Predictions
from leveret.core.prediction import EMPTY, NULL, Prediction
from leveret.errors import DataRemoved, InvalidRequest, LeveretError
from leveret.gateway.files.links import Links
from leveret.gateway.identity import own
from leveret.gateway.outputs import FIRST, Outputs
from leveret.gateway.predictions import prediction_id
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits

MEDIA_TYPE: Final = "text/event-stream"

RETRY: Final = b"retry: 1000\n\n"
"""Asks browsers to reconnect after a second."""

COMMENT: Final = b": keep-alive\n\n"

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_log = structlog.get_logger()


class Streams:
    """The endpoints of a prediction's events."""

    def __init__(
        self,
        *,
        store: Predictions,
        blobs: Blobs,
        views: Views,
        links: Links,
        waits: Waits,
        meter: Meter,
        keep_alive: float,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._views = views
        self._links = links
        self._waits = waits
        self._meter = meter
        self._keep_alive = keep_alive

    async def events(self, request: Request) -> Response:
        """The entries behind `Last-Event-ID` or `?after=`, as they come; 204 when there will never be another."""
        prediction = self._unremoved(own(request, await self._store.get(prediction_id(request))))
        after = _after(request)
        if prediction.status.terminal and after and not await self._any(prediction.id, after):
            return Response(status_code=204, headers=_HEADERS)
        return self._stream(RETRY, self._entries(prediction, after, self._views.base(request)))

    async def outputs(self, request: Request) -> Response:
        """The output and the logs as they come, in the form that Replicate's clients read."""
        prediction = self._unremoved(await self._linked(request))
        outputs = Outputs(last_event_id=request.headers.get("last-event-id", ""))
        return self._stream(RETRY + FIRST, self._outputs(prediction, outputs, self._views.base(request)))

    async def _linked(self, request: Request) -> Prediction:
        """The prediction, for its account, or for whoever has its link: clients that follow it send no key."""
        prediction = await self._store.get(prediction_id(request))
        if not await self._links.opens_stream(request.query_params, prediction):
            own(request, prediction)
        return prediction

    def _unremoved(self, prediction: Prediction) -> Prediction:
        """The prediction, if it has still a log. Raises DataRemoved: an empty stream would be taken for the output.

        It comes without its output, which may be large: a watcher that does not read would keep it for as long.
        """
        if prediction.data_removed:
            raise DataRemoved(prediction_id=prediction.id)
        return replace(prediction, input=EMPTY, output=NULL, logs="")

    def _stream(self, first: bytes, frames: AsyncGenerator[bytes, None]) -> Response:
        return EventStream(first, frames, waits=self._waits, keep_alive=self._keep_alive)

    async def _any(self, prediction_id: str, after: int) -> bool:
        async with aclosing(self._store.follow(prediction_id, after=after)) as log:
            async for _ in log:
                return True
        return False

    async def _followed(self, prediction: Prediction, after: int) -> AsyncGenerator[Entry, None]:
        """The entries behind `after`; how long the end of what runs takes to get here is measured."""
        async with aclosing(self._store.follow(prediction.id, after=after)) as log:
            async for entry in log:
                if entry.final and not prediction.status.terminal:
                    self._meter.phase(prediction.model, Phase.DELIVERY, time.time() - entry.event.at)
                yield entry

    async def _entries(self, prediction: Prediction, after: int, base: str) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._followed(prediction, after)) as log:
            async for entry in log:
                yield frame(await self._links.in_entry(entry, prediction, base))

    async def _outputs(self, prediction: Prediction, outputs: Outputs, base: str) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._followed(prediction, outputs.after)) as log:
            async for entry in log:
                large = await self._large(entry)
                if large is not None:
                    large = await self._links.in_output(large, prediction, base)
                if content := outputs.of(await self._links.in_entry(entry, prediction, base), large=large):
                    yield content
                if outputs.done:
                    return

    async def _large(self, entry: Entry) -> Raw | None:
        """The output that ends with this entry, if it is kept as a blob."""
        event = entry.event
        if not isinstance(event, Succeeded) or event.output_blob is None:
            return None
        return Raw(b"".join([chunk async for chunk in self._blobs.open(event.output_blob)]))


class EventStream(Response):
    """Sends each frame as it comes and, while there is none, a comment every `keep_alive` seconds.

    Nothing is buffered here: a slow client slows down only how fast its own log is read.
    """

    def __init__(self, first: bytes, frames: AsyncGenerator[bytes, None], *, waits: Waits, keep_alive: float) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({**_HEADERS, "Content-Type": MEDIA_TYPE})
        self._first = first
        self._frames = frames
        self._waits = waits
        self._keep_alive = keep_alive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the final entry is sent, the client has gone or the gateway closes."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            await _write(send, self._first)
            async with self._waits.while_wanted(receive), _Comments(send, self._keep_alive):
                await self._follow(scope, send)
        await send({"type": "http.response.body", "body": b""})

    async def _follow(self, scope: Scope, send: Send) -> None:
        try:
            async with aclosing(self._frames) as frames:
                async for content in frames:
                    await _write(send, content)
        except LeveretError as error:
            # The client reconnects and goes on behind the last entry it has seen.
            _log.warning("stream broken off", path=scope["path"], reason=str(error))


class _Comments:
    """Writes a comment every `period` seconds. Between them there is no task, only a timer: watchers are many."""

    def __init__(self, send: Send, period: float) -> None:
        self._send = send
        self._period = period
        self._loop = asyncio.get_running_loop()
        self._writing: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(period, self._begin)

    async def __aenter__(self) -> None:
        """Nothing to do: the timer runs."""

    async def __aexit__(self, *_: object) -> None:
        """Write no more."""
        self._timer.cancel()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
            self._writing = None

    def _begin(self) -> None:
        self._writing = self._loop.create_task(self._write())

    async def _write(self) -> None:
        await _write(self._send, COMMENT)
        self._writing = None
        self._timer = self._loop.call_later(self._period, self._begin)


def frame(entry: Entry) -> bytes:
    """The entry as one server-sent event."""
    # A line break in JSON can only be white space, and would end the line here.
    data = encode(entry.event).replace(b"\n", b" ").replace(b"\r", b" ")
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.number, name(entry.event).encode(), data)


async def _write(send: Send, content: bytes) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": True})


def _after(request: Request) -> int:
    """The number of the last entry that the client has; a `Last-Event-ID` that is not ours means none."""
    last = request.headers.get("last-event-id", "")
    if _is_number(last):
        return int(last)
    after = request.query_params.get("after", "0")
    if not _is_number(after):
        raise InvalidRequest(reason="`after` must be the number of an entry, as the `id` of its event says it")
    return int(after)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 15
