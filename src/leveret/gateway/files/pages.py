"""Files: what clients put here for the inputs of their predictions, and find again for a day."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from leveret.core.ports import Blobs, Files
from leveret.core.prediction import Blob, new_id
from leveret.core.uploads import LIFETIME, UPLOAD_ID, Upload, key
from leveret.errors import BodyTooLarge, InvalidRequest, LeveretError, UploadNotFound
from leveret.gateway.account import of
from leveret.gateway.body import check_encoding
from leveret.gateway.files.downloads import UNKNOWN, content_type
from leveret.gateway.files.links import Links
from leveret.gateway.files.multipart import Form, Part
from leveret.gateway.views import Views, moment

PAGE: Final = 100
"""How many files stand on one page."""

LONGEST_NAME: Final = 255
"""The longest name of a file, in bytes of UTF-8."""

_AROUND: Final = 1024 * 1024
"""How much of a request may stand around its file, in bytes."""

_SETTING: Final = "gateway.max_upload"

_encoder: Final = msgspec.json.Encoder()
_metadata: Final = msgspec.json.Decoder(dict[str, Raw])


class Checksums(Struct, frozen=True):
    """What the bytes of a file amount to, in hex."""

    sha256: str
    md5: str


class FileUrls(Struct, frozen=True):
    """Where to go on."""

    get: Annotated[str, Meta(description="this file; as an input, the file itself")]
    download: Annotated[str, Meta(description="its bytes, for whoever has this link, until it expires")]


class FileView(Struct, frozen=True):
    """A file that a client has put here."""

    id: str
    name: str
    content_type: str
    size: int
    etag: str
    checksums: Checksums
    metadata: Annotated[Raw, Meta(description="what its client has said of it, an object")]
    created_at: str
    expires_at: Annotated[str, Meta(description="it is deleted then")]
    urls: FileUrls


class FilePage(Struct, frozen=True):
    """A page, newest first; `next` is where older ones are."""

    next: str | None
    previous: str | None
    results: list[FileView]


class FilePages:
    """The endpoints of files, but for their downloads."""

    def __init__(self, *, files: Files, blobs: Blobs, links: Links, views: Views, largest: int) -> None:
        self._files = files
        self._blobs = blobs
        self._links = links
        self._views = views
        self._largest = largest

    async def create(self, request: Request) -> Response:
        """Keep the file of a form, which is stored as it comes."""
        check_encoding(request)
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > self._largest + _AROUND:
            raise BodyTooLarge(limit=self._largest, setting=_SETTING)
        form = Form(request, limit=self._largest + _AROUND, setting=_SETTING)
        part = await form.file("content")
        now = time.time()
        upload_id = new_id(now, os.urandom(10))
        expected = Upload(
            id=upload_id,
            account=of(request),
            name="",
            blob=Blob(key(upload_id), 0, ""),
            md5="",
            metadata=Raw(b"{}"),
            created_at=now,
            expires_at=now + LIFETIME,
        )
        await self._files.expect(expected)
        try:
            upload = await self._stored(expected, form, part)
        except (LeveretError, ClientDisconnect):
            await self._discard(expected)
            raise
        return Response(await self._encoded(request, upload), 201, media_type="application/json")

    async def get(self, request: Request) -> Response:
        """What is known of one file."""
        upload = await self._upload(request)
        return Response(await self._encoded(request, upload), media_type="application/json")

    async def list(self, request: Request) -> Response:
        """A page of files: `?cursor=` goes on."""
        cursor = request.query_params.get("cursor") or None
        if cursor is not None and not UPLOAD_ID.fullmatch(cursor):
            raise InvalidRequest(reason="`cursor` is not one that a page has named in `next`")
        found = await self._files.files(of(request), before=cursor, limit=PAGE + 1)
        base = self._views.base(request)
        page = FilePage(
            next=f"{base}/v1/files?cursor={found[PAGE - 1].id}" if len(found) > PAGE else None,
            previous=None,
            results=[await self._view(upload, base) for upload in found[:PAGE]],
        )
        return Response(_encoder.encode(page), media_type="application/json")

    async def delete(self, request: Request) -> Response:
        """Delete one file: first its bytes, then what is known of it, so that nothing is left that nobody knows of."""
        upload = await self._upload(request)
        await self._blobs.delete(upload.blob)
        await self._files.forget(upload)
        return Response(status_code=204)

    async def _stored(self, expected: Upload, form: Form, part: Part) -> Upload:
        md5 = hashlib.md5(usedforsecurity=False)
        content = _measured(form.content(), md5.update, limit=self._largest)
        blob = await self._blobs.put(expected.blob.key, content, content_type=content_type(part.content_type))
        await form.finish()
        name = _name(form, part)
        upload = replace(
            expected,
            name=name,
            blob=replace(blob, content_type=_kind(form, part, name)),
            md5=md5.hexdigest(),
            metadata=_said(form),
        )
        await self._files.keep(upload)
        return upload

    async def _discard(self, expected: Upload) -> None:
        """What does not become a file is not kept; the sweeper would see to it as well, a day later."""
        with suppress(LeveretError):
            await self._blobs.delete(expected.blob)
            await self._files.forget(expected)

    async def _upload(self, request: Request) -> Upload:
        upload_id = str(request.path_params["file_id"])
        if not UPLOAD_ID.fullmatch(upload_id):
            raise UploadNotFound(upload_id=upload_id)
        upload = await self._files.file(upload_id)
        if upload.account != of(request) or upload.expires_at <= time.time():
            raise UploadNotFound(upload_id=upload_id)
        return upload

    async def _encoded(self, request: Request, upload: Upload) -> bytes:
        return _encoder.encode(await self._view(upload, self._views.base(request)))

    async def _view(self, upload: Upload, base: str) -> FileView:
        download = await self._links.download(upload.id, owner=upload.account, base=base)
        return FileView(
            id=upload.id,
            name=upload.name,
            content_type=upload.blob.content_type,
            size=upload.blob.size,
            etag=upload.md5,
            checksums=Checksums(sha256=upload.blob.sha256, md5=upload.md5),
            metadata=upload.metadata,
            created_at=moment(upload.created_at),
            expires_at=moment(upload.expires_at),
            urls=FileUrls(get=f"{base}/v1/files/{upload.id}", download=download),
        )


async def _measured(
    stream: AsyncIterable[bytes], update: Callable[[bytes], None], *, limit: int
) -> AsyncGenerator[bytes, None]:
    """The same bytes. Raises BodyTooLarge as soon as there are more than `limit`."""
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit=limit, setting=_SETTING)
        update(chunk)
        yield chunk


def _name(form: Form, part: Part) -> str:
    """The last part of the name that was given, without what no file name has."""
    given = form.fields.get("filename", b"").decode("utf-8", "replace") or part.filename
    name = "".join(letter for letter in given.replace("\\", "/").rpartition("/")[2] if letter.isprintable())
    if len(name.encode()) > LONGEST_NAME:
        raise InvalidRequest(reason=f"the name of the file is longer than {LONGEST_NAME} bytes")
    return name or "file"


def _kind(form: Form, part: Part, name: str) -> str:
    """The content type that was given, or that of its name."""
    given = form.fields.get("type", b"").decode("utf-8", "replace") or part.content_type
    known = content_type(given)
    return known if known != UNKNOWN else mimetypes.guess_type(name)[0] or UNKNOWN


def _said(form: Form) -> Raw:
    """The metadata, an object. Raises InvalidRequest."""
    given = form.fields.get("metadata") or b"{}"
    try:
        given.decode()
        _metadata.decode(given)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(reason=f"`metadata` must be a JSON object ({error})") from error
    return Raw(given)
