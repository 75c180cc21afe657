"""Measured streams: how much of a large value has been sent, and what its SHA-256 is, known while it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable


class Measured:
    """A stream that is measured while somebody else reads it."""

    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self.error: Exception | None = None
        """What has broken the stream; the error by which its reader tells of it may be another one."""
        self._stream = stream

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The stream."""
        try:
            async for chunk in self._stream:
                self.size += len(chunk)
                self.digest.update(chunk)
                yield chunk
        except Exception as error:
            self.error = error
            raise
