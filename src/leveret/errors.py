"""Every error Leveret raises, in one tree.

LeveretError
├── NotFound             PredictionNotFound · ModelNotFound · VersionNotFound · PathNotFound · BlobNotFound ·
│                        DeadLetterNotFound · WebhookNotFound
├── BadRequest           MalformedJson · InvalidRequest · InvalidInput · BodyTooLarge · MethodNotAllowed ·
│                        UrlForbidden
├── Unavailable          BrokerUnavailable · StoreUnavailable · QueueRefused · PublishUnconfirmed ·
│                        GatewayUnreachable · HostUnresolved
├── BlobDamaged          a stored value that is not what was put there
├── InvalidOutput        a model returned what cannot be passed on
├── IllegalTransition    a change that the lifecycle does not allow
├── NotRetriable         a dead letter that asks for no prediction
├── GatewayRefused       what a gateway has answered a client instead of what it asked for
├── Undecodable          a message, event or frame that is not ours
├── SetupFailed          a model that loads but cannot be set up now
└── UsageError           InvalidSetting · DuplicateModel · ModelLoadError · DataFolderInUse

Each class has a stable `code`, the HTTP `status` it is answered with, and a message that says what happened
and what to do next. What an error is about travels as data: `raise PredictionNotFound(prediction_id=...)`.
"""

from __future__ import annotations

from typing import ClassVar


class LeveretError(Exception):
    """The root: `code` is stable, `status` is the HTTP status, `message` is filled from the keyword data."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    message: ClassVar[str] = "something went wrong inside Leveret; its log has the details"

    def __init__(self, **data: object) -> None:
        self.data = data
        super().__init__(self.message.format_map(data))


class NotFound(LeveretError):
    """What was asked for does not exist."""

    code = "not_found"
    status = 404
    message = "nothing is known by that name"


class PredictionNotFound(NotFound):
    """No prediction has this id."""

    code = "prediction_not_found"
    message = "there is no prediction {prediction_id!r}; check the id that its creation answered"


class ModelNotFound(NotFound):
    """No worker has ever announced this model."""

    code = "model_not_found"
    message = "no model {model!r} is served here; start one with `leveret worker FILE.py`. Known: {known}"


class VersionNotFound(NotFound):
    """No model has this version."""

    code = "version_not_found"
    message = "no model has the version {version!r}; GET /v1/models lists the models and their versions"


class PathNotFound(NotFound):
    """No endpoint has this path."""

    code = "path_not_found"
    message = "there is no endpoint {path!r}; GET /openapi.json lists them all"


class BlobNotFound(NotFound):
    """A large value is no longer there."""

    code = "blob_not_found"
    message = "the stored value {key!r} is gone"


class DeadLetterNotFound(NotFound):
    """No dead letter has this id."""

    code = "dead_letter_not_found"
    message = "there is no dead letter {letter_id!r}: it never was one, or it has been retried or purged"


class WebhookNotFound(NotFound):
    """The prediction has no webhook."""

    code = "webhook_not_found"
    message = "the prediction {prediction_id!r} has no webhook; one is given with `webhook` when it is created"


class BlobDamaged(LeveretError):
    """A large value is not what was stored."""

    code = "blob_damaged"
    message = "the stored value {key!r} is damaged: {reason}; submit the prediction again"


class BadRequest(LeveretError):
    """The request cannot be understood as it is."""

    code = "bad_request"
    status = 400
    message = "the request is not valid: {reason}"


class MalformedJson(BadRequest):
    """The body is not JSON."""

    code = "malformed_json"
    message = "the body is not valid JSON ({reason}); send an object with the content type application/json"


class InvalidRequest(BadRequest):
    """The body is JSON but not of the expected form, or a parameter has a wrong value."""

    code = "invalid_request"
    status = 422


class InvalidInput(BadRequest):
    """The input does not fit the model's schema; `errors`, if there, lists every place, each with its path."""

    code = "invalid_input"
    status = 422
    message = "the input does not fit the schema of {model}: {summary}"


class BodyTooLarge(BadRequest):
    """The body is larger than this gateway takes."""

    code = "body_too_large"
    status = 413
    message = "the body is larger than the {limit} bytes this gateway takes; send less, or raise gateway.max_body"


class MethodNotAllowed(BadRequest):
    """The endpoint exists but not for this method."""

    code = "method_not_allowed"
    status = 405
    message = "{method} is not possible here; GET /openapi.json lists the methods of every endpoint"


class UrlForbidden(BadRequest):
    """A URL that this server does not call."""

    code = "url_forbidden"
    status = 422
    message = "this server does not call that URL: {reason}"


class Unavailable(LeveretError):
    """A part that is needed cannot be reached now; trying again later may work."""

    code = "unavailable"
    status = 503
    message = "a part that is needed cannot be reached now; try again in a few seconds"


class BrokerUnavailable(Unavailable):
    """The broker is not connected, or blocks publishers."""

    code = "broker_unavailable"
    message = "the broker takes no messages now ({reason}); nothing was queued, try again in a few seconds"


class StoreUnavailable(Unavailable):
    """The store does not answer."""

    code = "store_unavailable"
    message = "the store does not answer ({reason}); try again in a few seconds"


class QueueRefused(Unavailable):
    """The broker refused the message: the queue is full, or the model has none."""

    code = "queue_refused"
    message = "the queue of {model} did not take the prediction ({reason}); try again later"


class PublishUnconfirmed(Unavailable):
    """The connection broke before the broker confirmed: the message may or may not be queued."""

    code = "publish_unconfirmed"
    message = "the broker did not confirm in time; the prediction is stored and will be published again"


class GatewayUnreachable(Unavailable):
    """No gateway answers at this address."""

    code = "gateway_unreachable"
    message = (
        "no gateway answers at {url} ({reason}); start one with `leveret serve` or `leveret gateway`, or say where "
        "it is with --url or LEVERET_URL"
    )


class HostUnresolved(Unavailable):
    """The host of a URL has no address now."""

    code = "host_unresolved"
    message = "no address is known for the host {host!r} ({reason}); check its name, or try again later"


class InvalidOutput(LeveretError):
    """A model returned what cannot be passed on."""

    code = "invalid_output"
    message = "the model's output cannot be used: {reason}"


class IllegalTransition(LeveretError):
    """The lifecycle does not allow this event now."""

    code = "illegal_transition"
    status = 409
    message = "a prediction that is {status} (attempt {attempt}) cannot take the event {event!r}"


class NotRetriable(LeveretError):
    """A dead letter that asks for no prediction."""

    code = "not_retriable"
    status = 409
    message = "the dead letter {letter_id!r} is no prediction, so there is nothing to run; look at it, then purge it"


class GatewayRefused(LeveretError):
    """A gateway has answered something else than what was asked of it."""

    code = "gateway_refused"
    message = "{detail}"


class Undecodable(LeveretError):
    """Bytes that are not one of our messages, events or frames."""

    code = "undecodable"
    status = 422
    message = "this is not a Leveret {what}: {reason}"


class SetupFailed(LeveretError):
    """A model process started but its model was not set up."""

    code = "setup_failed"
    message = "the model could not be set up: {reason}"


class UsageError(LeveretError):
    """A mistake in how Leveret was started or configured; the command line prints it and exits with 2."""

    code = "usage"
    status = 500


class InvalidSetting(UsageError):
    """A setting is unknown or has a wrong value."""

    code = "invalid_setting"
    message = "the setting {name} from {source} is not valid: {reason}"


class DuplicateModel(UsageError):
    """Two targets of one process answer the same model name."""

    code = "duplicate_model"
    message = '{one} and {other} both serve {model}; name one of them differently: @model(name="owner/name")'


class ModelLoadError(UsageError):
    """A target does not load; `where` is `file:line`."""

    code = "model_load_error"
    message = "{where}: {reason}"


class DataFolderInUse(UsageError):
    """Another server already runs on this data folder."""

    code = "data_folder_in_use"
    message = "another leveret already runs on {path}; stop it, or choose another folder with --data-dir"
