"""Accounts: what each may, where that is not what the settings say."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.keys import ACCOUNT
from leveret.core.limits import Allowance
from leveret.core.ports import Accounts
from leveret.errors import InvalidRequest
from leveret.gateway import body

_LARGEST: Final = 16 * 1024
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Allowance)


class AccountLimits(Struct, frozen=True, kw_only=True):
    """An account with limits of its own. null: what the settings say. 0: without a limit."""

    account: str
    rate: Annotated[float | None, Meta(description="predictions per second that it may create")]
    burst: Annotated[int | None, Meta(description="how many of them at once; 0: those of a second")]
    queued: Annotated[int | None, Meta(description="how many of its predictions may wait")]
    running: Annotated[int | None, Meta(description="how many of its predictions may run")]


class AccountList(Struct, frozen=True):
    """All of them."""

    results: list[AccountLimits]


class AccountPages:
    """The endpoints of what accounts may."""

    def __init__(self, *, store: Accounts) -> None:
        self._store = store

    async def list(self, _request: Request) -> Response:
        """All accounts with limits of their own."""
        known = await self._store.allowances()
        return _answer(AccountList([_view(account, known[account]) for account in sorted(known)]))

    async def put(self, request: Request) -> Response:
        """From now on this is what the account may; gateways know it within five seconds."""
        account = _account(request)
        allowance = body.decode(await body.read(request, limit=_LARGEST), _decoder)
        await self._store.allow(account, allowance)
        return _answer(_view(account, allowance))

    async def delete(self, request: Request) -> Response:
        """From now on it may what the settings say."""
        await self._store.allow(_account(request), None)
        return Response(status_code=204)


def checked(account: str) -> str:
    """The name of an account. Raises InvalidRequest."""
    if not ACCOUNT.fullmatch(account):
        raise InvalidRequest(reason="an account is 1 to 63 lower case letters, digits, '-', '_' or '.'")
    return account


def _account(request: Request) -> str:
    return checked(str(request.path_params["account"]))


def _view(account: str, allowance: Allowance) -> AccountLimits:
    fields = {name: getattr(allowance, name) for name in Allowance.__struct_fields__}
    return AccountLimits(account=account, **fields)


def _answer(content: AccountLimits | AccountList) -> Response:
    return Response(_encoder.encode(content), media_type="application/json")
