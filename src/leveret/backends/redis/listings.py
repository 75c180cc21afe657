"""The listings: the models that are served, made of what Redis keeps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from leveret.backends.redis import replies
from leveret.backends.redis.connection import Reply
from leveret.core.card import Card, Listing

_decoder: Final = msgspec.json.Decoder(Card)


def read(reply: Reply) -> list[Listing]:
    """The answer of cards.lua: cards, who is present as model and worker, and problems by the same."""
    cards, present, problems = replies.array(reply)
    workers: dict[str, list[bytes]] = {}
    for member in sorted(replies.strings(present)):
        workers.setdefault(member.decode().partition(" ")[0], []).append(member)
    known = sorted(map(_decoder.decode, replies.strings(cards)), key=lambda card: card.model)
    why = replies.mapping(problems)
    return [_listing(card, workers.get(card.model, []), why) for card in known]


def _listing(card: Card, workers: Sequence[bytes], why: Mapping[bytes, bytes]) -> Listing:
    problems = tuple(why[member].decode() for member in workers if member in why)
    return Listing(card=card, workers=len(workers), problems=problems)
