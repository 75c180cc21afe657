"""What a client of a gateway, or a receiver of its webhooks, meets."""

from __future__ import annotations

from leveret.errors.root import LeveretError


class BadSignature(LeveretError):
    """A webhook that nobody should believe."""

    code = "bad_signature"
    status = 401
    message = "the webhook is not believed: {reason}"


class GatewayRefused(LeveretError):
    """A gateway has answered something else than what was asked of it, and not with an error that is known here."""

    code = "gateway_refused"
    message = "{detail}"


class NoResult(LeveretError):
    """A prediction has ended without a result."""

    code = "no_result"
    message = "the prediction has ended without a result"


class StillRunning(LeveretError):
    """A prediction has not ended, and its client waits no longer."""

    code = "still_running"
    message = "the prediction {prediction_id!r} is still {state}; it goes on: wait for it again, or cancel it"


class StreamReset(LeveretError):
    """A run that had put something out has ended without a result; another one begins from the start."""

    code = "stream_reset"
    message = (
        "run {attempt} of the prediction {prediction_id!r} came to nothing ({reason}) and what it has put out no "
        "longer counts; stream it again for what the next run puts out"
    )
