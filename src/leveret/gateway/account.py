"""The account: who asks, and on what hardware models run, for the clients that want to know before they begin."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

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


def of(_request: Request) -> str:
    """Whose request it is."""
    return LOCAL.username


async def account(_request: Request) -> Response:
    """The account of the request."""
    return Response(_encoder.encode(LOCAL), media_type="application/json")


async def hardware(_request: Request) -> Response:
    """Every kind of machine."""
    return Response(_encoder.encode(HARDWARE), media_type="application/json")
