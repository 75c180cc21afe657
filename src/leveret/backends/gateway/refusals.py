"""Refusals: what a gateway answers instead of what it was asked for, as errors of ours."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from leveret.core.worker_api import Refused
from leveret.errors import (
    BlobDamaged,
    BlobNotFound,
    GatewayRefused,
    LeveretError,
    PredictionNotFound,
    RunOver,
    ScopeMissing,
    StoreUnavailable,
    Unavailable,
)


class Problem(Struct, frozen=True):
    """As much of a problem as is needed here (RFC 9457)."""

    detail: str = ""
    code: str = ""
    key: str = ""
    reason: str = ""
    scope: str = ""


_decoder = msgspec.json.Decoder(Problem)


def known(refused: Refused) -> LeveretError:
    """The error that a call was refused with."""
    about = refused.about
    match refused.code:
        case StoreUnavailable.code:
            return StoreUnavailable(reason=about.get("reason", refused.detail))
        case PredictionNotFound.code:
            return PredictionNotFound(prediction_id=about.get("prediction_id", ""))
        case ScopeMissing.code:
            return ScopeMissing(scope=about.get("scope", ""))
        case Unavailable.code:
            return StoreUnavailable(reason=refused.detail)
        case _:
            return GatewayRefused(detail=f"the gateway has refused a call: {refused.detail}")


def about_blob(status: int, body: bytes, *, key: str) -> LeveretError:
    """The error that a request for a large value was refused with."""
    problem = _problem(body)
    match problem.code:
        case BlobNotFound.code:
            return BlobNotFound(key=key)
        case BlobDamaged.code:
            return BlobDamaged(key=key, reason=problem.reason)
        case RunOver.code | ScopeMissing.code:
            return GatewayRefused(detail=f"the gateway has refused the large value {key!r}: {problem.detail}")
        case _:
            return StoreUnavailable(reason=f"its large values: {detail(status, body)}")


def detail(status: int, body: bytes) -> str:
    """What a response says that is not what was asked for."""
    return _problem(body).detail or f"it has answered {status}; is this the address of a gateway?"


def _problem(body: bytes) -> Problem:
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError:
        return Problem()
