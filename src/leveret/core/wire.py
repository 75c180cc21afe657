"""The message in the queue: one JSON object with everything needed to rebuild a lost record."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from leveret.core.depth import DEEPEST, deeper
from leveret.core.lanes import COUNT
from leveret.core.prediction import MODEL_NAME, NULL, PREDICTION_ID, Prediction, Status
from leveret.core.tracing import taken_up
from leveret.errors import Undecodable

CONTENT_TYPE: Final = "application/json"

MOST_ATTEMPTS: Final = 1_000_000
"""More than any prediction ever has, and small enough for every store's integers."""

SHORT: Final = 255
"""The most bytes that AMQP has for a queue's name, and for a correlation id."""

LATEST: Final = 1e11
"""A time, in Unix seconds, that no clock shows and every part can still reckon with."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Prediction)


def encode(prediction: Prediction) -> bytes:
    """The message for a prediction: what was submitted, its lane, and how many attempts it has had."""
    if prediction.ticket or prediction.status is not Status.STARTING or prediction.completed_at is not None:
        prediction = submitted(prediction)
    return _encoder.encode(prediction)


def decode(body: bytes) -> Prediction:
    """The prediction that a message asks for, as it was submitted. Raises Undecodable."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into `input`, and answers have to be UTF-8
        prediction = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(what="message", reason=str(error)) from error
    if deeper(body, than=DEEPEST):
        raise Undecodable(what="message", reason=f"it is nested more than {DEEPEST} levels deep")
    return checked(prediction)


def recorded(body: bytes) -> Prediction:
    """The prediction in a message of `encode`, which a store has kept: it is not checked once more."""
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Undecodable(what="record", reason=str(error)) from error


def checked(prediction: Prediction) -> Prediction:
    """The prediction as it was submitted. Raises Undecodable if it is none that could be recorded."""
    if not PREDICTION_ID.fullmatch(prediction.id):
        raise Undecodable(what="message", reason="`id` must be 1 to 64 letters, digits, '_' or '-'")
    if not MODEL_NAME.fullmatch(prediction.model):
        raise Undecodable(what="message", reason="`model` must be `owner/name` in lower case")
    if not 0 <= prediction.lane < COUNT:
        raise Undecodable(what="message", reason=f"`lane` must be 0 to {COUNT - 1}")
    if not (0 <= prediction.attempt <= MOST_ATTEMPTS and 0 <= prediction.charged <= MOST_ATTEMPTS):
        raise Undecodable(what="message", reason=f"`attempt` and `charged` must be 0 to {MOST_ATTEMPTS}")
    if prediction.retention is not None and not 0 < prediction.retention <= LATEST:
        raise Undecodable(what="message", reason="`retention` must be more than 0 seconds")
    _check_times(prediction)
    _check_reply_to(prediction)
    return submitted(_traced(prediction))


def submitted(prediction: Prediction) -> Prediction:
    """The prediction without what its store and its events have made of it, but for the numbers of its attempts."""
    return replace(
        prediction,
        ticket=0,
        status=Status.STARTING,
        suspect="",
        worker="",
        output=NULL,
        output_blob=None,
        error=None,
        stopped=None,
        logs="",
        progress=None,
        started_at=None,
        completed_at=None,
        data_removed=False,
        reused="",
    )


def _traced(prediction: Prediction) -> Prediction:
    """A trace that is none is no reason to run nothing."""
    trace = prediction.trace
    if trace is None or (sound := taken_up(trace.traceparent, trace.tracestate)) == trace:
        return prediction
    return replace(prediction, trace=sound)


def _check_times(prediction: Prediction) -> None:
    times = (
        ("created_at", prediction.created_at),
        ("start_by", prediction.start_by),
        ("deadline", prediction.deadline),
    )
    for name, at in times:
        if at is not None and not 0 <= at <= LATEST:
            raise Undecodable(what="message", reason=f"`{name}` must be a time in Unix seconds")


def _check_reply_to(prediction: Prediction) -> None:
    to = prediction.reply_to
    if to is None:
        return
    if not to.queue or len(to.queue.encode()) > SHORT or len(to.correlation_id.encode()) > SHORT:
        raise Undecodable(what="message", reason=f"`reply_to` must name a queue, in at most {SHORT} bytes")
