"""The accounts in Redis: what each may, in a field of one hash, and how a create is refused that is beyond that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from leveret.backends.redis import replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.keys import Keys
from leveret.core.limits import SHORTEST, Allowance
from leveret.errors import LimitReached, RateExceeded, TooManyQueued

_RATE: Final = -4
"""The answer of create.lua when the bucket is empty; the other one is that too many wait."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Allowance)


class RedisAccounts:
    """Implements core.ports.Accounts."""

    def __init__(self, *, batcher: Batcher, keys: Keys) -> None:
        self._batcher = batcher
        self._keys = keys

    async def allowances(self) -> Mapping[str, Allowance]:
        """See core.ports.Accounts."""
        (reply,) = await self._batcher.send([("HGETALL", self._keys.allowances)])
        return {account.decode(): _decoder.decode(data) for account, data in replies.mapping(reply).items()}

    async def allow(self, account: str, allowance: Allowance | None) -> None:
        """See core.ports.Accounts."""
        if allowance is None:
            await self._batcher.send([("HDEL", self._keys.allowances, account)])
        else:
            await self._batcher.send([("HSET", self._keys.allowances, account, _encoder.encode(allowance))])


def refused(refusal: int, number: int, within: Allowance | None) -> LimitReached:
    """Why create.lua has created nothing."""
    if refusal == _RATE:
        rate = 0.0 if within is None else within.rate
        return RateExceeded(rate=rate, retry_after=number / 1000)
    return TooManyQueued(queued=number, retry_after=SHORTEST)
