"""Streams of bytes, as Blobs take them."""

from __future__ import annotations

from collections.abc import AsyncGenerator


async def once(content: bytes) -> AsyncGenerator[bytes, None]:
    """All of it at once."""
    yield content
