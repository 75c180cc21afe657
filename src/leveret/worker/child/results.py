"""The results: what the user's code returned or raised, as outcomes and as JSON."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Final

from leveret.core.outcome import Outcome, Raised, RetryWanted, Returned
from leveret.errors import InvalidInput, InvalidOutput, LeveretError
from leveret.model.exchange import Exchange
from leveret.model.output import encode
from leveret.model.retry import Retry
from leveret.model.where import users_part
from leveret.worker.child.reports import sendable
from leveret.worker.frames import LIMIT

_MOST_ERROR: Final = 10_000
_MOST_TRACEBACK: Final = 100_000
_NO_REASON: Final = "the model asked for another run"


def raised(error: BaseException) -> Raised:
    """The outcome that tells of an error of the user's code, or of a value that does not fit."""
    try:
        expected = isinstance(error, InvalidInput | InvalidOutput)
        return Raised(_described(error), "" if expected else _traced(error))
    except BaseException as broken:  # an error whose own methods raise, or there is no memory left to tell of it
        return Raised(f"{type(error).__name__} (its text cannot be had: {type(broken).__name__})", "")


def failed(error: BaseException, *, retry_on: tuple[type[Exception], ...]) -> Raised | RetryWanted:
    """The outcome of a run that has raised: it may be worth another run."""
    outcome = raised(error)
    try:
        if isinstance(error, Retry):
            after = None if error.after is None else float(error.after)
            return RetryWanted(_cut(str(error.reason) or _NO_REASON, _MOST_ERROR), after, outcome.traceback)
        if isinstance(error, retry_on) and not isinstance(error, InvalidInput | InvalidOutput):
            return RetryWanted(outcome.error, None, outcome.traceback)
    except BaseException:  # these are the user's classes too: what they say of themselves may raise
        return outcome
    return outcome


def returned(result: object, exchange: Exchange | None) -> Outcome:
    """The outcome that tells of this result, which may be no JSON."""
    try:
        return Returned(encoded(result, exchange))
    except BaseException as error:
        return raised(error)


def encoded(result: object, exchange: Exchange | None) -> bytes:
    """The result as JSON; its files are handed over by the exchange. Raises InvalidOutput."""
    data = encode(result, exchange)
    if len(data) > LIMIT // 2:
        raise InvalidOutput(reason=f"its {len(data)} bytes are more than the {LIMIT // 2} that can be passed on")
    return data


def listed(results: object, *, length: int) -> Sequence[object]:
    """The results of a call with several items, one for each. Raises InvalidOutput."""
    if callable(tolist := getattr(results, "tolist", None)):
        results = tolist()
    if not isinstance(results, list | tuple):
        reason = f"a batched model returns a list with one result for each input, not a {type(results).__name__}"
        raise InvalidOutput(reason=reason)
    if len(results) != length:
        reason = f"the model was given {length} inputs and returned {len(results)} results; return one for each"
        raise InvalidOutput(reason=reason)
    return results


def _described(error: BaseException) -> str:
    """The error in a line, as `ValueError: text`."""
    text = str(error)
    if isinstance(error, LeveretError):
        return _cut(text, _MOST_ERROR)
    kind = type(error).__name__
    return _cut(f"{kind}: {text}" if text else kind, _MOST_ERROR)


def _traced(error: BaseException) -> str:
    """The traceback of the user's part of the stack."""
    lines = traceback.format_exception(type(error), error, users_part(error.__traceback__))
    return _cut("".join(lines), _MOST_TRACEBACK)


def _cut(text: str, most: int) -> str:
    """The text, its middle left out if it is longer than `most` characters."""
    if len(text) <= most:
        return sendable(text)
    return sendable(f"{text[: most // 2]}\n… {len(text) - most} characters left out …\n{text[-most // 2 :]}")
