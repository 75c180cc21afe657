"""Operations: the endpoints for workers, as OpenAPI describes them; docs/worker-api.md says what the calls hold."""

from __future__ import annotations

from typing import Final, get_args

from leveret.core.worker_api import BLOBS, CALLS, MOST, Answer, Call
from leveret.gateway.operations import ANYTHING, Operation
from leveret.gateway.schemas import Schema

_BYTES: Final = "application/octet-stream"


def _several(kinds: object) -> Schema:
    """An array of structs of these kinds."""
    tags = [kind.__struct_config__.tag for kind in get_args(kinds)]
    one: Schema = {"type": "object", "properties": {"type": {"enum": tags}}, "required": ["type"]}
    return {"type": "array", "maxItems": MOST, "items": one}


OPERATIONS: Final = (
    Operation(
        method="post",
        path=CALLS,
        name="callAsWorker",
        summary="All that a worker has to say at a time",
        description="Needs a key with the scope `worker:owner/name`. The answers come in the order of the calls.",
        tag="workers",
        body=_several(Call),
        answers={200: _several(Answer)},
    ),
    Operation(
        method="put",
        path=BLOBS,
        name="putLargeValue",
        summary="Put a large value that a run has put out",
        description="The run has to be under way, of a model of the key.",
        tag="workers",
        parameters=("blob_key", "blob_type"),
        body={"type": "string", "format": "binary"},
        sent_as=_BYTES,
        answers={201: {"type": "object"}},
    ),
    Operation(
        method="get",
        path=BLOBS,
        name="readLargeValue",
        summary="Read a large value, or a part of it",
        description="One of a model of the key, or a file whose name, size and SHA-256 an input has told.",
        tag="workers",
        parameters=("blob_key", "blob_size", "blob_sha256", "blob_start", "blob_length"),
        answers={200: ANYTHING},
        media=_BYTES,
    ),
    Operation(
        method="delete",
        path=BLOBS,
        name="removeLargeValue",
        summary="Remove a large value that has come to nothing",
        tag="workers",
        parameters=("blob_key", "blob_size", "blob_sha256"),
        answers={204: None},
    ),
)
"""The endpoints under /worker/v1."""
