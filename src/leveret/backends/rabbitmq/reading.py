"""Reading: what a message asks for, by its body and by the properties that other programs set."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace
from pika.spec import BasicProperties

from leveret.core import wire
from leveret.core.prediction import Prediction, ReplyTo
from leveret.core.tracing import TRACEPARENT, TRACESTATE, taken_up
from leveret.errors import Undecodable


def read(body: bytes, properties: BasicProperties) -> Prediction:
    """The prediction, with where its reply goes and its trace: copies have that in their bodies. Raises Undecodable."""
    prediction = wire.decode(body)
    if properties.headers and prediction.trace is None:
        prediction = _traced(prediction, properties.headers)
    if not properties.reply_to or prediction.reply_to is not None:
        return prediction
    return replace(prediction, reply_to=_reply_to(properties.reply_to, properties.correlation_id or ""))


def _traced(prediction: Prediction, given: Mapping[str, object]) -> Prediction:
    parent, state = (given.get(name) for name in (TRACEPARENT, TRACESTATE))
    if not isinstance(parent, str):
        return prediction
    return replace(prediction, trace=taken_up(parent, state if isinstance(state, str) else ""))


def _reply_to(queue: str | bytes, correlation_id: str | bytes) -> ReplyTo:
    """What is not UTF-8 arrives as bytes."""
    if not isinstance(queue, str) or not isinstance(correlation_id, str):
        raise Undecodable(what="message", reason="`reply_to` and `correlation_id` must be UTF-8")
    return ReplyTo(queue, correlation_id)
