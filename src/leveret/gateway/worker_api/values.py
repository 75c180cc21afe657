"""Large values: the inputs of a worker's runs as they are read, and their outputs as they are put."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from leveret.core import uploads
from leveret.core.ports import Blobs, Files
from leveret.core.prediction import BLOB_KEY, Blob, Prediction, Status
from leveret.errors import BlobNotFound, InvalidRequest, NotFound, RunOver
from leveret.gateway.files.downloads import UNKNOWN
from leveret.gateway.identity import identity
from leveret.gateway.sending import Chunked
from leveret.gateway.worker_api.calls import WorkerStore

_FOLDER: Final = re.compile(r"(inputs|outputs)/(?P<id>[A-Za-z0-9_-]{1,64})/.+")
_OWN: Final = re.compile(r"outputs/(?P<id>[A-Za-z0-9_-]{1,64})/(?P<attempt>[1-9][0-9]{0,6})(\.json|/.+)")
_BY_CHANCE: Final = re.compile(r"outputs/[A-Za-z0-9_-]{1,64}/[1-9][0-9]{0,6}/[0-9a-f]{32}(\.[A-Za-z0-9]{1,16})?")
"""A file that a run has put out; nobody guesses its name, of 128 random bits."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_encoder: Final = msgspec.json.Encoder()


class LargeValues:
    """The endpoint of large values.

    A worker puts what its runs under way put out, and removes it again unless it is the output by now. It reads the
    inputs and outputs of its models, and files of which it can tell the name by chance, the size and the SHA-256: those
    stand in an input that somebody has given it.
    """

    def __init__(self, *, store: WorkerStore, files: Files, blobs: Blobs) -> None:
        self._store = store
        self._files = files
        self._blobs = blobs

    async def put(self, request: Request) -> Response:
        """Store the body, as it comes. How large it may be is for the worker to say: it could put many as well."""
        key = _key(request)
        prediction, attempt = await self._of_run(key, identity(request).models)
        if prediction.status is not Status.PROCESSING or prediction.attempt != attempt:
            raise RunOver(prediction_id=prediction.id, attempt=attempt)
        content_type = request.query_params.get("type", UNKNOWN)[:200]
        blob = await self._blobs.put(key, request.stream(), content_type=content_type)
        return Response(_encoder.encode(blob), 201, media_type="application/json")

    async def get(self, request: Request) -> Response:
        """The content, or a part of it."""
        blob = _blob(request)
        if not await self._readable(blob, identity(request).models):
            raise BlobNotFound(key=blob.key)
        start, length = (_number(request, name) for name in ("start", "length"))
        begin, end = blob.span(start, length)
        chunks = self._blobs.open(blob, start=start, length=length)
        if request.method == "HEAD":
            return Response(headers={"Content-Length": str(end - begin)})
        first = await anext(chunks, b"")  # so that what is gone, or damaged, is answered with a problem
        headers = {"Content-Length": str(end - begin), "Content-Type": UNKNOWN}
        return Chunked(first, chunks, headers=headers)

    async def delete(self, request: Request) -> Response:
        """Remove what a run has put that has come to nothing."""
        blob = _blob(request)
        prediction, attempt = await self._of_run(blob.key, identity(request).models)
        if prediction.status.terminal and prediction.attempt == attempt:
            raise RunOver(prediction_id=prediction.id, attempt=attempt)
        await self._blobs.delete(blob)
        return Response(status_code=204)

    async def _of_run(self, key: str, models: Collection[str]) -> tuple[Prediction, int]:
        """Of which run of which prediction the output is. Raises BlobNotFound."""
        found = _OWN.fullmatch(key)
        prediction = await self._prediction(found["id"], models) if found else None
        if found is None or prediction is None:
            raise BlobNotFound(key=key)
        return prediction, int(found["attempt"])

    async def _readable(self, blob: Blob, models: Collection[str]) -> bool:
        if _BY_CHANCE.fullmatch(blob.key):
            return True
        if blob.key.startswith(uploads.key("")):
            return await self._uploaded(blob)
        found = _FOLDER.fullmatch(blob.key)
        prediction = await self._prediction(found["id"], models) if found else None
        return prediction is not None and prediction.status is not Status.STARTING

    async def _uploaded(self, blob: Blob) -> bool:
        try:
            upload = await self._files.file(blob.key.removeprefix(uploads.key("")))
        except NotFound:
            return False
        return (upload.blob.key, upload.blob.size, upload.blob.sha256) == (blob.key, blob.size, blob.sha256)

    async def _prediction(self, prediction_id: str, models: Collection[str]) -> Prediction | None:
        """It, if it is of one of these models."""
        try:
            prediction = await self._store.get(prediction_id)
        except NotFound:
            return None
        return prediction if prediction.model in models else None


def _key(request: Request) -> str:
    key = request.query_params.get("key", "")
    if not BLOB_KEY.fullmatch(key):
        raise InvalidRequest(reason="`key` is not the key of a large value")
    return key


def _blob(request: Request) -> Blob:
    given = request.query_params
    size, sha256 = given.get("size", ""), given.get("sha256", "")
    if not (_NUMBER.fullmatch(size) and _SHA256.fullmatch(sha256)):
        raise InvalidRequest(reason="`size` and `sha256` must say what is expected")
    return Blob(_key(request), int(size), sha256)


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise InvalidRequest(reason=f"`{name}` must be a number of bytes")
    return int(text)
