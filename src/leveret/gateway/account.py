"""The account: who asks, and on what hardware models run, for the clients that want to know before they begin."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from leveret.gateway.identity import identity

_encoder: Final = msgspec.json.Encoder()


class AccountView(Struct, frozen=True):
    """Who asks."""

    type: str
    username: str
    name: str


class HardwareView(Struct, frozen=True):
    """One kind of machine."""

    sku: str
    name: str


LOCAL: Final = AccountView(type="organization", username="local", name="local")
HARDWARE: Final = (HardwareView(sku="own", name="the machines of its workers"),)


def of(request: HTTPConnection) -> str:
    """Whose request it is."""
    return identity(request).account


async def account(request: Request) -> Response:
    """The account of the request."""
    name = of(request)
    return Response(_encoder.encode(replace(LOCAL, username=name, name=name)), media_type="application/json")


async def hardware(_request: Request) -> Response:
    """Every kind of machine."""
    return Response(_encoder.encode(HARDWARE), media_type="application/json")
