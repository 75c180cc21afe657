"""The connection to a gateway: requests that are answered, or an error that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx2
import msgspec
from msgspec import Struct

from leveret.errors import GatewayRefused, GatewayUnreachable, InvalidSetting

T = TypeVar("T")

TIMEOUT: Final = 60.0
"""Seconds to wait for an answer: a retry of a hundred dead letters takes some."""


class Connection:
    """To the gateway at `url`; use it as a context manager."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url.rstrip("/")
        self._client = httpx2.Client(timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def call(self, method: str, path: str, *, answer: type[T], parameters: Mapping[str, str | None] | None = None) -> T:
        """What the gateway answers. Raises GatewayUnreachable, GatewayRefused or InvalidSetting."""
        content = self.request(method, path, parameters=parameters)
        try:
            return msgspec.json.decode(content, type=answer)
        except msgspec.MsgspecError as error:
            raise GatewayRefused(detail=f"{self._url} does not answer as this version understands ({error})") from error

    def request(self, method: str, path: str, *, parameters: Mapping[str, str | None] | None = None) -> bytes:
        """The same, for an answer that nobody looks into. Parameters that are None are not sent."""
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        try:
            answer = self._client.request(method, self._url + path, params=given)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise InvalidSetting(name="url", source="--url or LEVERET_URL", reason=str(error)) from error
        except httpx2.HTTPError as error:
            raise GatewayUnreachable(url=self._url, reason=str(error) or type(error).__name__) from error
        if not answer.is_success:
            raise GatewayRefused(detail=_detail(answer))
        return answer.content


class _Problem(Struct):
    """As much of a problem (RFC 9457) as a person wants to know."""

    detail: str


def _detail(answer: httpx2.Response) -> str:
    try:
        return msgspec.json.decode(answer.content, type=_Problem).detail
    except msgspec.MsgspecError:
        return f"{answer.url} was answered with {answer.status_code}, and not as a gateway answers; is there one?"
