"""Large values."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Protocol

from leveret.core.prediction import Blob


class Blobs(Protocol):
    """Large values, each under a key of its own."""

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        """Store the stream, never whole in memory; nothing is visible under the key until it is complete."""
        ...

    def open(self, blob: Blob, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """The content, in chunks: `length` bytes from `start` on, as far as there are so many; None: all of them.

        Raises BlobNotFound, and BlobDamaged when the size differs or, if it is read from end to end, the SHA-256.
        """
        ...

    async def delete(self, blob: Blob) -> None:
        """Remove it; nothing happens if it is gone already."""

    async def clear(self, folder: str) -> None:
        """Remove everything of which the key begins with this folder, such as `outputs/ID`, of two segments."""
