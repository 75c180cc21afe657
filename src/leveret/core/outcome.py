"""The outcome: how one run of one prediction ended, as a value."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from leveret.core.prediction import Means


class Returned(Struct, frozen=True, tag="returned"):
    """The model returned this output, as JSON."""

    output: bytes


class Streamed(Struct, frozen=True, tag="streamed"):
    """The model's generator is exhausted; its output is what it has streamed."""


class Raised(Struct, frozen=True, tag="raised"):
    """The model raised: a readable error, and the traceback for the logs."""

    error: str
    traceback: str


class RetryWanted(Struct, frozen=True, tag="retry_wanted"):
    """The model asks for another run: why, after how many seconds if it says so, and the traceback for the logs."""

    reason: str
    after: float | None
    traceback: str


class Crashed(Struct, frozen=True, tag="crashed"):
    """The model process ended in the middle of the run."""

    cause: str


class HandedBack(Struct, frozen=True, tag="handed_back"):
    """The run did not end here, through no fault of its own: another one shall do it."""

    reason: str


class Stopped(Struct, frozen=True, tag="stopped"):
    """The run was stopped because its prediction was canceled."""

    how: Means


class Overran(Struct, frozen=True, tag="overran"):
    """The run took longer than its `timeout`, in seconds, and was stopped; the traceback says where it was."""

    timeout: float
    how: Means
    traceback: str = ""


Outcome: TypeAlias = Returned | Streamed | Raised | RetryWanted | Crashed | HandedBack | Stopped | Overran
