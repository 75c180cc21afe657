"""The exchange: what a client says and what comes back, as values, and what is needed of whoever carries them.

Everything else in this package is written once, over these values, for both clients: as coroutines that wait for
nothing but a transport. One that blocks lets a coroutine run to its end at the first step; see `finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import BinaryIO, Protocol, TypeAlias, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Upload(Struct, frozen=True):
    """A file to send: `open` gives its content from the beginning, each time."""

    name: str
    content_type: str
    size: int
    open: Callable[[], BinaryIO]


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP request. `path` is one of the gateway's, or a whole URL.

    `repeatable` is whether it does no harm if it arrives twice; `wait` is how many seconds the gateway is asked to
    take its time for the answer.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    content: bytes = b""
    upload: Upload | None = None
    repeatable: bool = True
    wait: float = 0.0
    redirects: bool = False


class Answer(Struct, frozen=True):
    """What was answered, whole. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def success(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300


class Lost(Struct, frozen=True):
    """There is no answer, or no whole one. `sent` is False if the request cannot have arrived."""

    reason: str
    sent: bool = True


class Body(Protocol):
    """An answer that is read as it comes."""

    async def read(self) -> bytes | Lost:
        """The next bytes; none at the end."""
        ...

    async def close(self) -> None:
        """Read no more."""


class Opened(Struct, frozen=True):
    """The successful beginning of an answer. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Body


Reply: TypeAlias = Answer | Lost


class Transport(Protocol):
    """Carries requests to one gateway. Raises InvalidSetting if that has no possible address."""

    async def send(self, request: Request) -> Answer | Lost:
        """The whole answer."""
        ...

    async def open(self, request: Request) -> Opened | Answer | Lost:
        """The beginning of an answer, or the whole of it if it is no success."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait."""

    def clock(self) -> float:
        """The time in seconds, by a clock that only goes forward."""
        ...


def finish(call: Coroutine[object, None, T]) -> T:
    """The result of a coroutine that waits for nothing: all its transport's methods block until they are done."""
    try:
        call.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        call.close()
    raise RuntimeError("a blocking client has waited for an event loop")
