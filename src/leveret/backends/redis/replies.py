"""Answers of Redis as the types they have by the command that was sent."""

from __future__ import annotations

from leveret.backends.redis.connection import Reply
from leveret.errors import StoreUnavailable


def number(reply: Reply) -> int:
    """An answer that is a whole number."""
    if not isinstance(reply, int):
        raise _unexpected(reply)
    return reply


def text(reply: Reply) -> bytes | None:
    """An answer that is a string, or nothing."""
    if reply is not None and not isinstance(reply, bytes):
        raise _unexpected(reply)
    return reply


def array(reply: Reply) -> list[Reply]:
    """An answer that is a list."""
    if not isinstance(reply, list):
        raise _unexpected(reply)
    return reply


def strings(reply: Reply) -> list[bytes]:
    """An answer that is a list of strings."""
    found = [item for item in array(reply) if isinstance(item, bytes)]
    if len(found) != len(array(reply)):
        raise _unexpected(reply)
    return found


def mapping(reply: Reply) -> dict[bytes, bytes]:
    """An answer that is a list of names and values in turn."""
    items = iter(strings(reply))
    return dict(zip(items, items, strict=True))


def _unexpected(reply: Reply) -> StoreUnavailable:
    return StoreUnavailable(reason=f"unexpected answer {str(reply)[:100]!r}")
