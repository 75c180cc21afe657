"""Once: by what a create that is sent again is recognised, so that it makes no second prediction."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Sent(StrEnum):
    """How a client tells a create that it sends again from another one that asks for the same."""

    NAMED = "named"
    """By a key that it has chosen. The first one creates, every other one is answered what that has created."""
    FIRST = "first"
    """By counting its tries, and this is the first one: it creates."""
    AGAIN = "again"
    """By counting its tries, and this is a further one: it is answered what the latest one before it has created."""
    UNMARKED = "unmarked"
    """Not at all. It is answered what was created for an answer that was `missed`, each of them once."""


class Once(Struct, frozen=True):
    """What is remembered of a create for `lifetime` seconds, among those of its account, under this `key`.

    The same key with another `fingerprint` is a mistake of the client.
    """

    key: str
    sent: Sent
    lifetime: float
    fingerprint: str = ""
