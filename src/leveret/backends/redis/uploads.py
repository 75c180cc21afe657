"""Uploads: what is known of clients' files, and the secrets of the installation, in Redis.

The commands of one call are not one transaction. They stand in an order in which each may be the last, and all of
them may be sent again: whatever there is of an upload, its expiry is known.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import msgspec

from leveret.backends.redis import replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.keys import Keys
from leveret.core.uploads import Upload
from leveret.errors import UploadNotFound

SECRET_BYTES: Final = 32

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Upload)


class RedisUploads:
    """Implements core.ports.Files and core.ports.Secrets."""

    _batcher: Batcher
    _commands: Commands
    _keys: Keys

    async def expect(self, upload: Upload) -> None:
        """See core.ports.Files."""
        keys, data = self._keys, _encoder.encode(upload)
        due = ("ZADD", keys.uploads, "NX", repr(upload.expires_at * 1000), upload.id)
        await self._batcher.send([due, ("HSET", keys.upload(upload.id), "data", data)])

    async def keep(self, upload: Upload) -> None:
        """See core.ports.Files."""
        keys, data = self._keys, _encoder.encode(upload)
        due = ("ZADD", keys.uploads, "NX", repr(upload.expires_at * 1000), upload.id)
        listed = ("ZADD", keys.account_uploads(upload.account), 0, upload.id)
        await self._batcher.send([due, ("HSET", keys.upload(upload.id), "data", data, "kept", 1), listed])

    async def file(self, upload_id: str) -> Upload:
        """See core.ports.Files."""
        found = await self._uploads([upload_id], kept=True)
        if not found:
            raise UploadNotFound(upload_id=upload_id)
        return found[0]

    async def files(self, account: str, *, before: str | None = None, limit: int) -> list[Upload]:
        """See core.ports.Files."""
        highest = "+" if before is None else f"({before}"
        listed = ("ZREVRANGEBYLEX", self._keys.account_uploads(account), highest, "-", "LIMIT", 0, limit)
        (reply,) = await self._batcher.send([listed])
        return await self._uploads([found.decode() for found in replies.strings(reply)], kept=True)

    async def forget(self, upload: Upload) -> None:
        """See core.ports.Files."""
        keys = self._keys
        unlisted = ("ZREM", keys.account_uploads(upload.account), upload.id)
        await self._batcher.send([unlisted, ("UNLINK", keys.upload(upload.id)), ("ZREM", keys.uploads, upload.id)])

    async def expired(self, *, hold: float, limit: int) -> list[Upload]:
        """See core.ports.Files."""
        (reply,) = await self._batcher.send([self._commands.due(self._keys.uploads, age=0, hold=hold, limit=limit)])
        ids = [found.decode() for found in replies.strings(reply)]
        found = await self._uploads(ids, kept=False)
        if len(found) < len(ids):  # there is nothing of these but their expiry
            gone = set(ids).difference([upload.id for upload in found])
            await self._batcher.send([("ZREM", self._keys.uploads, *gone)])
        return found

    async def secret(self, name: str) -> bytes:
        """See core.ports.Secrets."""
        key = self._keys.secret(name)
        _, value = await self._batcher.send([("SET", key, os.urandom(SECRET_BYTES), "NX"), ("GET", key)])
        return replies.text(value) or b""

    async def _uploads(self, upload_ids: Sequence[str], *, kept: bool) -> list[Upload]:
        """Those of them that are there, in their order; with `kept`, only those whose blob is there."""
        if not upload_ids:
            return []
        answers = await self._batcher.send([("HGETALL", self._keys.upload(one)) for one in upload_ids])
        records = [replies.mapping(answer) for answer in answers]
        return [_decoder.decode(one[b"data"]) for one in records if one and (b"kept" in one or not kept)]
