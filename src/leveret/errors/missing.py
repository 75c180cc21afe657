"""What was asked for and does not exist."""

from __future__ import annotations

from leveret.errors.root import LeveretError


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


class UploadNotFound(NotFound):
    """No file has this id."""

    code = "file_not_found"
    message = "there is no file {upload_id!r}: it never was one, or it has expired or was deleted"


class WebhookNotFound(NotFound):
    """The prediction has no webhook."""

    code = "webhook_not_found"
    message = "the prediction {prediction_id!r} has no webhook; one is given with `webhook` when it is created"


class NoReplyQueue(NotFound):
    """Nobody waits for a reply in this queue."""

    code = "no_reply_queue"
    message = "there is no queue {queue!r} for the reply: who asked is gone, or uses another broker"
