"""The caller: one request with everything that it takes to get its answer, or an error that says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from leveret.client import retrying
from leveret.client.exchange import Answer, Lost, Opened, Reply, Request, Transport
from leveret.client.refusals import refusal
from leveret.errors import GatewayRefused, GatewayUnreachable, LeveretError

T = TypeVar("T")


class Caller:
    """Calls the gateway at `url`, and again for up to `patience` seconds while that may help.

    Every call raises GatewayUnreachable if nobody answers, and otherwise what the gateway has refused it with.
    """

    def __init__(self, transport: Transport, *, url: str, patience: float, jitter: Callable[[], float]) -> None:
        self.transport = transport
        self.url = url
        self.patience = patience
        self.jitter = jitter

    async def call(self, request: Request, answer: type[T], *, patience: float | None = None) -> T:
        """What the gateway answers."""
        content = (await self.ask(request, patience=patience)).content
        try:
            return msgspec.json.decode(content, type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            detail = f"{self.url} does not answer as this version understands ({error})"
            raise GatewayRefused(detail=detail) from error

    async def ask(self, request: Request, *, patience: float | None = None) -> Answer:
        """The same, for an answer that nobody looks into."""
        tries = self.tries(request, patience=patience)
        while True:
            reply = await self.transport.send(request)
            if isinstance(reply, Answer) and reply.success:
                return reply
            await tries.failed(reply)

    async def open(self, request: Request) -> Opened:
        """The beginning of an answer that is read as it comes."""
        tries = self.tries(request)
        while True:
            reply = await self.transport.open(request)
            if isinstance(reply, Opened):
                return reply
            await tries.failed(reply)

    def tries(self, request: Request, *, patience: float | None = None) -> Tries:
        """How often this request may be sent."""
        return Tries(self, request, patience=self.patience if patience is None else min(patience, self.patience))


class Tries:
    """The tries of one request: a pause behind each that fails, and an end `patience` seconds after the first."""

    def __init__(self, caller: Caller, request: Request, *, patience: float) -> None:
        self._caller = caller
        self._request = request
        self._patience = patience
        self._failures = 0
        self._until: float | None = None

    async def failed(self, reply: Reply) -> None:
        """Wait until it is time for the next try. Raises what the reply means, if there is none."""
        caller = self._caller
        now = caller.transport.clock()
        self._until = now + self._patience if self._until is None else self._until
        pause = retrying.pause(self._request, reply, failures=self._failures, jitter=caller.jitter())
        if pause is None or now + pause > self._until:
            raise self._error(reply)
        self._failures += 1
        await caller.transport.pause(pause)

    def alive(self, *, well: bool) -> None:
        """The gateway has shown that it is there: the time begins anew, and if all is `well` the pauses do, too."""
        self._until = None
        if well:
            self._failures = 0

    def _error(self, reply: Reply) -> LeveretError:
        match reply:
            case Lost(reason=reason):
                return GatewayUnreachable(url=self._caller.url, reason=reason)
            case answer:
                return refusal(answer, url=self._caller.url)
