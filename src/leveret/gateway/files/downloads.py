"""Downloads: the bytes of a file, or a part of them, for whoever has a link."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from leveret.core.ports import Blobs, Files
from leveret.core.prediction import Blob
from leveret.core.references import Reference
from leveret.core.uploads import UPLOAD_ID
from leveret.errors import BlobNotFound, LinkRefused, UploadNotFound
from leveret.gateway.files import ranges
from leveret.gateway.files.links import Links, Pass, unpack
from leveret.gateway.files.ranges import Span, Unsatisfiable
from leveret.gateway.sending import Chunked

UNKNOWN: Final = "application/octet-stream"

_CONTENT_TYPE: Final = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}( ?; ?[\w.+-]{1,100}=[\w.+-]{1,100}){0,5}", re.ASCII)
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ._()+-]")

_GUARDS: Final = {
    # Anybody's file comes from the gateway's own address: a browser shall not run what is in it.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; media-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=300",
    "Accept-Ranges": "bytes",
}


class Downloads:
    """The endpoint of the links; the link is all that it asks for."""

    def __init__(self, *, files: Files, blobs: Blobs, links: Links) -> None:
        self._files = files
        self._blobs = blobs
        self._links = links

    async def get(self, request: Request) -> Response:
        """The file that a link leads to, as far as `Range` asks for it."""
        given = _pass(request)
        if not await self._links.genuine(given):
            raise LinkRefused
        reference = await self._reference(given)
        blob = reference.blob
        etag = f'"{blob.sha256[:32]}"'
        headers = {"ETag": etag, "Content-Disposition": disposition(reference.name), **_GUARDS}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        try:
            span = _span(request, etag, size=blob.size)
        except Unsatisfiable:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{blob.size}"})
        headers["Content-Type"] = content_type(blob.content_type)
        if span is None:
            return await self._content(request, given, blob, Span(0, blob.size), headers)
        headers["Content-Range"] = span.content_range(blob.size)
        return await self._content(request, given, blob, span, headers)

    async def _reference(self, given: Pass) -> Reference:
        if not UPLOAD_ID.fullmatch(given.file_id):
            reference = unpack(given.file_id)
            if reference is None:
                raise UploadNotFound(upload_id=given.file_id)
            return reference
        upload = await self._files.file(given.file_id)
        if upload.account != given.owner or upload.expires_at <= time.time():
            raise UploadNotFound(upload_id=given.file_id)
        return Reference(upload.blob, upload.name)

    async def _content(
        self, request: Request, given: Pass, blob: Blob, span: Span, headers: Mapping[str, str]
    ) -> Response:
        status = 206 if "Content-Range" in headers else 200
        headers = {**headers, "Content-Length": str(span.length)}
        chunks = self._blobs.open(blob, start=span.start, length=span.length)
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        try:
            first = await anext(chunks, b"")  # so that what is gone is answered with 404
        except BlobNotFound as error:
            raise UploadNotFound(upload_id=given.file_id) from error
        return Chunked(first, chunks, status=status, headers=headers)


def content_type(given: str) -> str:
    """The content type as it may stand in a header; whatever else somebody has called it, it is just bytes."""
    return given if _CONTENT_TYPE.fullmatch(given) else UNKNOWN


def disposition(name: str) -> str:
    """The header with the name of the file (RFC 6266), in which nothing of a name can be taken for more than that."""
    if not name:
        return "inline"
    plain = _NOT_PLAIN.sub("_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'inline; filename="{plain}"{extended}'


def _pass(request: Request) -> Pass:
    given = request.query_params
    owner, expiry, signature = (given.get(name, "") for name in ("owner", "expiry", "signature"))
    return Pass(str(request.path_params["file_id"]), owner, expiry, signature)


def _span(request: Request, etag: str, *, size: int) -> Span | None:
    header = request.headers.get("range", "")
    if not header or request.headers.get("if-range", etag) != etag:
        return None
    return ranges.span(header, size=size)
