"""Requests: Starlette's, whose headers are looked up without an exception for each one that is absent, as most are."""

from __future__ import annotations

from typing import TypeVar, overload

from starlette import requests
from starlette.datastructures import Headers

T = TypeVar("T")


class QuickHeaders(Headers):
    """The headers of a request."""

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str | T) -> str | T: ...
    def get(self, key: str, /, default: str | T | None = None) -> str | T | None:
        """See Mapping."""
        wanted = key.lower().encode("latin-1")
        for name, value in self._list:
            if name == wanted:
                return value.decode("latin-1")
        return default


class Request(requests.Request):
    """What an endpoint is given."""

    @property
    def headers(self) -> Headers:
        """See Starlette."""
        if not hasattr(self, "_headers"):
            self._headers = QuickHeaders(scope=self.scope)
        return self._headers
