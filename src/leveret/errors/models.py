"""What goes wrong in a model, or on the way into it and out of it."""

from __future__ import annotations

from leveret.errors.root import LeveretError


class InputUnreadable(LeveretError):
    """A run cannot begin because its input, or a file in it, cannot be had."""

    code = "input_unreadable"
    status = 422
    message = "{what} cannot be read: {reason}"


class InvalidOutput(LeveretError):
    """A model returned what cannot be passed on."""

    code = "invalid_output"
    message = "the model's output cannot be used: {reason}"


class SetupFailed(LeveretError):
    """A model process started but its model was not set up."""

    code = "setup_failed"
    message = "the model could not be set up: {reason}"


class Unhealthy(LeveretError):
    """A model is set up, but its `healthcheck` says that it cannot run now, or says nothing."""

    code = "unhealthy"
    message = "the model is not healthy: {reason}"
