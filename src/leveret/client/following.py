"""Following: the log of a prediction, entry by entry, each once, however often the connection breaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, get_args

import msgspec
from msgspec import Raw

from leveret.client import sse
from leveret.client.caller import Caller
from leveret.client.exchange import Answer, Body, Lost, Opened, Request
from leveret.client.prediction import JSON, Prediction
from leveret.core.events import Canceled, Entry, Event, Failed, Output, Reset, Succeeded, decode
from leveret.core.prediction import Status
from leveret.errors import GatewayRefused, StreamReset, Undecodable

_ENDED: Final = 204
"""The status that says that there will never be another entry."""

_KINDS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Event))
_decoder: Final = msgspec.json.Decoder()


class Following:
    """Reads the entries behind number `after`, up to the final one.

    A connection that breaks is made again, and goes on behind the last entry. Only when no gateway has answered for
    as long as the caller's patience, this is an error.
    """

    def __init__(self, caller: Caller, prediction_id: str, *, after: int = 0) -> None:
        self._caller = caller
        self._path = f"/v1/predictions/{prediction_id}/events"
        self._number = after
        self._entries: deque[Entry] = deque()
        self._body: Body | None = None
        self._decoder = sse.Decoder()
        self._tries = caller.tries(self._request())
        self._ended = False

    async def next(self) -> Entry | None:
        """The next entry as soon as there is one; None behind the final one."""
        while not self._entries:
            if self._ended:
                return None
            if self._body is None:
                await self._connect()
            else:
                await self._receive(self._body)
        entry = self._entries.popleft()
        self._ended = self._ended or entry.final
        return entry

    async def close(self) -> None:
        """Read no more."""
        body, self._body = self._body, None
        if body is not None:
            await body.close()

    def _request(self) -> Request:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._number:
            headers["Last-Event-ID"] = str(self._number)
        return Request(method="GET", path=self._path, headers=headers)

    async def _connect(self) -> None:
        match await self._caller.transport.open(self._request()):
            case Opened(status=status, body=body) if status != _ENDED:
                self._body, self._decoder = body, sse.Decoder()
                self._tries.alive(well=False)
            case Opened(body=body):
                await body.close()
                self._ended = True
            case Answer() | Lost() as reply:
                await self._tries.failed(reply)

    async def _receive(self, body: Body) -> None:
        chunk = await body.read()
        if isinstance(chunk, bytes) and chunk:
            self._take(self._decoder.feed(chunk))
            return
        await self.close()
        await self._tries.failed(chunk if isinstance(chunk, Lost) else Lost("it has ended the stream"))

    def _take(self, messages: Sequence[sse.Message]) -> None:
        found = [entry for message in messages if (entry := self._entry(message)) is not None]
        self._entries += found
        self._tries.alive(well=bool(found))

    def _entry(self, message: sse.Message) -> Entry | None:
        """The entry in the message, if it is new and of a kind that this version knows."""
        try:
            number = int(message.id)
            if number <= self._number:
                return None
            self._number = number
            return Entry(number, decode(message.data.encode()))
        except (Undecodable, ValueError) as error:
            if message.event not in _KINDS:
                return None
            detail = f"{self._caller.url} sends events that this version does not understand ({error})"
            raise GatewayRefused(detail=detail) from error


class Outputs:
    """The output of a prediction, chunk by chunk: that of its one run that counts.

    What the runs up to number `void` have put out is passed over. When another run comes to nothing that has put
    something out, this raises StreamReset, and `void` says so.
    """

    def __init__(self, caller: Caller, prediction_id: str, *, void: int) -> None:
        self.void = void
        self._caller = caller
        self._id = prediction_id
        self._following = Following(caller, prediction_id)
        self._some = False

    async def next(self) -> list[JSON] | None:
        """The next chunks; None at the end. What was not streamed comes as one.

        Raises StreamReset, ModelFailed or PredictionCanceled.
        """
        while (entry := await self._following.next()) is not None:
            match entry.event:
                case Output(attempt=attempt, chunks=chunks) if attempt > self.void:
                    self._some = True
                    return [_decoder.decode(chunk) for chunk in chunks]
                case Reset(attempt=attempt, reason=reason):
                    self._reset(attempt, reason)
                case Succeeded(output=Raw() as output, output_blob=None):
                    return [_decoder.decode(output)]
                case Succeeded(output_blob=blob) if blob is not None:
                    return [await self._result()]
                case Failed() | Canceled():
                    await self._result()
        return None

    async def close(self) -> None:
        """Read no more."""
        await self._following.close()

    def _reset(self, attempt: int, reason: str) -> None:
        self.void = max(self.void, attempt)
        if self._some:
            raise StreamReset(prediction_id=self._id, attempt=attempt, reason=reason)

    async def _result(self) -> JSON:
        request = Request(method="GET", path=f"/v1/predictions/{self._id}")
        return (await self._caller.call(request, Prediction)).result()


def void(prediction: Prediction) -> int:
    """The number of the last run that is known to have come to nothing."""
    return max(0, prediction.attempt - (prediction.status is not Status.STARTING))
