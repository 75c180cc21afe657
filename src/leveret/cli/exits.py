"""The exit codes of every command."""

from __future__ import annotations

from typing import Final

from leveret.errors import GatewayUnreachable, LeveretError, UsageError

FAILURE: Final = 1
"""The prediction has not succeeded, or something was refused."""

USAGE: Final = 2
"""It was not called as it should be."""

UNREACHABLE: Final = 3
"""No gateway answers."""

INTERRUPTED: Final = 130
"""Ctrl-C."""


def code(error: LeveretError) -> int:
    """With which code a command ends that ends with this error."""
    match error:
        case UsageError():
            return USAGE
        case GatewayUnreachable():
            return UNREACHABLE
        case _:
            return FAILURE
