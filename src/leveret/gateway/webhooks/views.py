"""Views: the calls of webhooks as clients see them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from leveret.core.prediction import HookEvent
from leveret.core.webhooks import Call
from leveret.gateway.views import moment


class CallView(Struct, frozen=True, kw_only=True):
    """One call of a webhook."""

    at: str
    event: HookEvent
    webhook_id: Annotated[str, Meta(description="the same for every call that tells the same")]
    attempt: Annotated[int, Meta(description="which call of this webhook_id it was")]
    status: Annotated[int | None, Meta(description="what the receiver answered; null if there was no answer")]
    error: Annotated[str | None, Meta(description="why there was no answer")]
    seconds: Annotated[float, Meta(description="how long it took")]


class CallPage(Struct, frozen=True, kw_only=True):
    """The webhook of a prediction and its latest calls, newest first."""

    webhook: str
    webhook_events_filter: tuple[HookEvent, ...]
    silenced: Annotated[bool, Meta(description="whether it has answered 410 and is not called any more")]
    results: list[CallView]


class Demanded(Struct, frozen=True):
    """A call that is made on demand."""

    webhook_id: str


class SecretView(Struct, frozen=True):
    """The secret by which calls are signed."""

    key: str


def view(call: Call) -> CallView:
    """The call as it stands in a list."""
    return CallView(
        at=moment(call.at),
        event=call.event,
        webhook_id=call.webhook_id,
        attempt=call.attempt,
        status=call.status,
        error=call.error,
        seconds=call.seconds,
    )
