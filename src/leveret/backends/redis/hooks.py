"""Hooks: which predictions have news for their webhooks, and the calls, in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from leveret.backends.redis import record, replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.keys import Keys
from leveret.core import events, lifecycle
from leveret.core.events import Entry
from leveret.core.webhooks import KEPT_CALLS, PAUSE, UPDATES, Call, News

_decoder: Final = msgspec.json.Decoder(Call)
_encoder: Final = msgspec.json.Encoder()


class RedisHooks:
    """Implements core.hooks.Hooks; what it stands on is its heir's."""

    _batcher: Batcher
    _commands: Commands
    _keys: Keys

    async def hooked(self, *, hold: float, limit: int) -> list[str]:
        """See core.hooks.Hooks."""
        (reply,) = await self._batcher.send([self._commands.due(self._keys.hooks, age=0, hold=hold, limit=limit)])
        return [prediction_id.decode() for prediction_id in replies.strings(reply)]

    async def sent(self, prediction_ids: Sequence[str], *, hold: float) -> None:
        """See core.hooks.Hooks."""
        if prediction_ids:
            await self._batcher.send([self._commands.sent(one, hold=hold) for one in prediction_ids])

    async def news(self, prediction_id: str) -> News | None:
        """See core.hooks.Hooks."""
        (reply,) = await self._batcher.send([self._commands.news(prediction_id)])
        match replies.array(reply):
            case [list() as fields, list() as log, int(now)]:
                return _news(replies.mapping(fields), replies.strings(log), now)
            case _:
                return None

    async def called(self, prediction_id: str, call: Call, *, told: int) -> None:
        """See core.hooks.Hooks."""
        encoded = _encoder.encode(call)
        update = call.event in UPDATES
        await self._batcher.send([self._commands.called(prediction_id, encoded, KEPT_CALLS, told=told, update=update)])

    async def rest(self, prediction_id: str, *, told: int) -> None:
        """See core.hooks.Hooks."""
        await self._batcher.send([self._commands.rest(prediction_id, told=told)])

    async def silence(self, prediction_id: str) -> None:
        """See core.hooks.Hooks."""
        await self._batcher.send([self._commands.silence(prediction_id)])

    async def calls(self, prediction_id: str) -> list[Call]:
        """See core.hooks.Hooks."""
        (reply,) = await self._batcher.send([("LRANGE", self._keys.calls(prediction_id), 0, -1)])
        return [_decoder.decode(call) for call in replies.strings(reply)]

    async def hook_secret(self, account: str, *, fresh: str) -> str:
        """See core.hooks.Hooks."""
        (reply,) = await self._batcher.send([self._commands.secret(account, fresh)])
        return (replies.text(reply) or b"").decode()


def _news(fields: dict[bytes, bytes], log: Sequence[bytes], now: int) -> News | None:
    """From one look at the record and its log."""
    snapshot = record.decode(fields)
    if b"told" not in fields:
        return None
    happened = [events.decode(data) for data in log]
    told = int(fields[b"told"])
    since = (now - int(fields.get(b"updated", 0))) / 1000
    return News(
        prediction=lifecycle.fold(snapshot.submitted, happened) if snapshot.live else snapshot.prediction,
        told=told,
        entries=[Entry(number, event) for number, event in enumerate(happened[told:], told + 1)],
        wait=min(max(0.0, PAUSE - since), PAUSE),
        silenced=b"silenced" in fields,
    )
