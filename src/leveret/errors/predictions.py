"""What cannot be done with a prediction as it stands, or with what is kept of it."""

from __future__ import annotations

from leveret.errors.root import LeveretError


class BlobDamaged(LeveretError):
    """A large value is not what was stored."""

    code = "blob_damaged"
    message = "the stored value {key!r} is damaged: {reason}; submit the prediction again"


class IllegalTransition(LeveretError):
    """The lifecycle does not allow this event now."""

    code = "illegal_transition"
    status = 409
    message = "a prediction that is {status} (attempt {attempt}) cannot take the event {event!r}"


class DataRemoved(LeveretError):
    """The data of a prediction is no longer kept."""

    code = "data_removed"
    status = 410
    message = "the prediction {prediction_id!r} has ended and its data was removed; submit it again if you need it"


class RunOver(LeveretError):
    """A run that is not under way, or whose output is settled."""

    code = "run_over"
    status = 409
    message = "run {attempt} of the prediction {prediction_id!r} is not under way, so its output stays as it is"


class NotRetriable(LeveretError):
    """A dead letter that asks for no prediction."""

    code = "not_retriable"
    status = 409
    message = "the dead letter {letter_id!r} is no prediction, so there is nothing to run; look at it, then purge it"


class NotEnded(LeveretError):
    """A prediction shall be deleted, or run again, and has not ended yet."""

    code = "not_ended"
    status = 409
    message = "the prediction {prediction_id!r} is {state}; wait for its end, or cancel it first"


class InputRemoved(LeveretError):
    """A prediction shall be run again and its input is no longer kept."""

    code = "input_removed"
    status = 409
    message = "the input of {prediction_id!r} is no longer kept, so it cannot be run again; submit it anew"


class Undecodable(LeveretError):
    """Bytes that are not one of our messages, events or frames."""

    code = "undecodable"
    status = 422
    message = "this is not a Leveret {what}: {reason}"
