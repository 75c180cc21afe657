"""Letters: the dead letters in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from leveret.backends.redis import replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.connection import Command
from leveret.backends.redis.keys import Keys
from leveret.core.events import Failed
from leveret.core.letters import DeadLetter
from leveret.errors import DeadLetterNotFound

_decoder: Final = msgspec.json.Decoder(Failed)


class RedisLetters:
    """Implements core.ports.Letters."""

    def __init__(self, *, batcher: Batcher, commands: Commands, keys: Keys) -> None:
        self._batcher = batcher
        self._commands = commands
        self._keys = keys

    async def letters(self, *, before: str | None = None, limit: int, model: str | None = None) -> list[DeadLetter]:
        """See core.ports.Letters."""
        (found,) = await self._batcher.send([_page(self._keys, before=before, limit=limit, model=model)])
        ids = [member.rpartition(b" ")[2].decode() for member in replies.strings(found)]
        return await self._known_letters(ids)

    async def letter(self, letter_id: str) -> DeadLetter:
        """See core.ports.Letters."""
        found = await self._known_letters([letter_id])
        if not found:
            raise DeadLetterNotFound(letter_id=letter_id)
        return found[0]

    async def bury(self, letter: DeadLetter) -> None:
        """See core.ports.Letters."""
        await self._batcher.send([self._commands.bury(letter)])

    async def discard(self, letter_ids: Sequence[str]) -> int:
        """See core.ports.Letters. After a broken connection it may count too few: what it had sent is sent again."""
        if not letter_ids:
            return 0
        answers = await self._batcher.send([self._commands.discard(letter_id) for letter_id in letter_ids])
        return sum(map(replies.number, answers))

    async def _known_letters(self, letter_ids: Sequence[str]) -> list[DeadLetter]:
        """Those of them that are there, in their order: others may have been discarded meanwhile."""
        if not letter_ids:
            return []
        commands = [("HGETALL", self._keys.letter(letter_id)) for letter_id in letter_ids]
        fields = map(replies.mapping, await self._batcher.send(commands))
        return [
            DeadLetter(letter_id, letter[b"body"], _decoder.decode(letter[b"failure"]))
            for letter_id, letter in zip(letter_ids, fields, strict=True)
            if letter
        ]


def _page(keys: Keys, *, before: str | None, limit: int, model: str | None) -> Command:
    """Answers the ids, or "model id" of one model's; `!` follows the space."""
    if model is None:
        return ("ZREVRANGEBYLEX", keys.dead, "+" if before is None else f"({before}", "-", "LIMIT", 0, limit)
    highest = f"({model}!" if before is None else f"({model} {before}"
    return ("ZREVRANGEBYLEX", keys.dead_models, highest, f"[{model} ", "LIMIT", 0, limit)
