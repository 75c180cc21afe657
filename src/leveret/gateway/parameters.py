"""Parameters: what stands in paths, queries and headers, as OpenAPI describes it."""

from __future__ import annotations

from typing import Final

from leveret.core.prediction import MODEL_NAME, PREDICTION_ID, Status
from leveret.core.scale import TARGET_WAIT
from leveret.gateway import cancel_after
from leveret.gateway.repeats import LONGEST
from leveret.gateway.schemas import Schema


def _parameter(place: str, name: str, description: str, kind: Schema) -> Schema:
    required = place == "path"
    return {"name": name, "in": place, "description": description, "required": required, "schema": kind}


_TEXT: Final[Schema] = {"type": "string"}
_CURSOR: Final[Schema] = {"type": "string", "pattern": f"^({PREDICTION_ID.pattern})?$"}
_MODEL: Final[Schema] = {"type": "string", "pattern": f"^({MODEL_NAME.pattern})$"}
_MODEL_OR_ALL: Final[Schema] = {"type": "string", "pattern": f"^({MODEL_NAME.pattern})?$"}
_NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}

PARAMETERS: Final[Schema] = {
    "id": _parameter("path", "prediction_id", "the id that the creation answered", _TEXT),
    "owner": _parameter("path", "owner", "the part of the model's name before the slash", _TEXT),
    "name": _parameter("path", "name", "the part of the model's name behind the slash", _TEXT),
    "version": _parameter("path", "version", "the version's id", _TEXT),
    "prefer": _parameter("header", "Prefer", "`wait` or `wait=SECONDS` answers when the result is there", _TEXT),
    "cancel_after": _parameter(
        "header",
        "Cancel-After",
        "cancel it if it has not ended so long after its creation: `30`, `90s`, `5m` or `1h30m45s`, at least 5 s",
        {"type": "string", "minLength": 1, "pattern": cancel_after.PATTERN},
    ),
    "idempotency_key": _parameter(
        "header",
        "Idempotency-Key",
        "sent again with the same key and body it is answered the same prediction; quoted or bare",
        {"type": "string", "minLength": 1, "maxLength": LONGEST},
    ),
    "cursor": _parameter("query", "cursor", "where the page begins, as the one before it says in `next`", _CURSOR),
    "status": _parameter("query", "status", "only predictions in this state", {"enum": [*Status]}),
    "model": _parameter("query", "model", "only predictions of this model, `owner/name`", _MODEL_OR_ALL),
    "dead_model": _parameter("query", "model", "only dead letters of this model, `owner/name`", _MODEL),
    "overview_model": _parameter("query", "model", "the history of this model, `owner/name`", _MODEL_OR_ALL),
    "file_id": _parameter("path", "file_id", "the id of a file", _TEXT),
    "owner_of_file": _parameter("query", "owner", "whose file it is, as its link says", _TEXT),
    "expiry": _parameter("query", "expiry", "until when the link can be used, as it says", _NUMBER),
    "signature": _parameter("query", "signature", "what makes the link genuine", _TEXT),
    "range": _parameter("header", "Range", "one part of it, such as `bytes=0-1023`", _TEXT),
    "account": _parameter("path", "account", "the name of an account", _TEXT),
    "key_id": _parameter("path", "key_id", "the id of an API key", _TEXT),
    "letter_id": _parameter("path", "letter_id", "the id of a dead letter", _TEXT),
    "target_wait": _parameter(
        "query",
        "target_wait",
        "for how many seconds what waits now may wait for its run",
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1e6, "default": TARGET_WAIT},
    ),
    "blob_key": _parameter("query", "key", "where the value is kept", _TEXT),
    "blob_type": _parameter("query", "type", "its content type", _TEXT),
    "blob_size": _parameter("query", "size", "how many bytes it has", _NUMBER),
    "blob_sha256": _parameter("query", "sha256", "its SHA-256 in hex", {"type": "string", "pattern": "^[0-9a-f]{64}$"}),
    "blob_start": _parameter("query", "start", "from which byte on", _NUMBER),
    "blob_length": _parameter("query", "length", "how many bytes", _NUMBER),
    "after": _parameter("query", "after", "number of the last entry that is known", _NUMBER),
    "last_event_id": _parameter("header", "Last-Event-ID", "the same, as browsers send it; goes first", _TEXT),
}
"""The parameters that operations name."""
