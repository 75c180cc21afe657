"""Refusals: what a gateway answers instead of what was asked for, as the error that it has raised there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec

from leveret import errors
from leveret.client.exchange import Answer
from leveret.errors import GatewayRefused, LeveretError, UsageError

_FRAME: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})
"""The members that every problem (RFC 9457) of a gateway has; the others are what the error is about."""


def refusal(answer: Answer, *, url: str) -> LeveretError:
    """The error of the class that the gateway names in `code`, in its words; GatewayRefused if it is not known here."""
    try:
        problem = msgspec.json.decode(answer.content, type=dict[str, object])
        detail = str(problem["detail"])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
        detail = f"{url} was answered with {answer.status}, and not as a gateway answers; is there one?"
        return GatewayRefused(detail=detail, answered=answer.status)
    kind = _known().get(str(problem.get("code")), GatewayRefused)
    about = {name: value for name, value in problem.items() if name not in _FRAME}
    try:
        error = kind(**about)
    except KeyError:  # another version says less about it
        error = GatewayRefused(detail=detail, answered=answer.status)
    error.args = (detail,)
    return error


@cache
def _known() -> dict[str, type[LeveretError]]:
    return {kind.code: kind for kind in _below(LeveretError)}


def _below(kind: type[LeveretError]) -> Iterator[type[LeveretError]]:
    for inner in kind.__subclasses__():
        if inner.__module__.startswith(f"{errors.__name__}.") and not issubclass(inner, UsageError):
            yield inner
            yield from _below(inner)
