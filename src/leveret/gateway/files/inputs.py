"""File inputs: addresses of files that are kept here become references, so that no worker has to ask a gateway.

Where an input expects a file its client may have put the address of a file that it has put here, or a link to one, such
as an output has. Any other address is for the worker to read, at the time of the run.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec
from msgspec import Raw

from leveret.core import references, spooled
from leveret.core.places import Json
from leveret.core.ports import Files
from leveret.core.references import Reference
from leveret.core.uploads import UPLOAD_ID
from leveret.errors import InvalidInput, UploadNotFound
from leveret.gateway.catalog import Served
from leveret.gateway.files.links import Links, Pass, own, unpack
from leveret.gateway.inputs import InputProblem

_SCHEMES: Final = ("http://", "https://")
_INTERNAL: Final = (references.SCHEME, spooled.SCHEME)

_encoder: Final = msgspec.json.Encoder()


class FileInputs:
    """Resolves the addresses in inputs."""

    def __init__(self, *, files: Files, links: Links) -> None:
        self._files = files
        self._links = links

    async def resolved(self, served: Served, given: Raw, value: dict[str, Json], *, account: str, base: str) -> Raw:
        """The input with references in place of the addresses that lead here; `value` is what it says.

        Raises InvalidInput for what leads here and to no file.
        """
        places = served.schema.places
        found: dict[str, str] = {}
        for text in places.files(value):
            try:
                reference = await self._reference(text, account=account, base=base)
            except UploadNotFound as error:
                raise _no_file(served, text) from error
            if reference is not None:
                found[text] = references.write(reference)
        return Raw(_encoder.encode(places.replaced(value, found))) if found else given

    async def _reference(self, text: str, *, account: str, base: str) -> Reference | None:
        """The file that the address leads to; None if that is not for us to say. Raises UploadNotFound."""
        if text.startswith(_INTERNAL):
            raise UploadNotFound(upload_id=text)
        address = own(text) if text[:8].lower().startswith(_SCHEMES) else None
        if address is None:
            return None
        try:
            return await self._file(address, account)
        except UploadNotFound:
            # Another host may have such paths too; whether this one has another name as well cannot be known.
            if text.startswith(f"{base}/"):
                raise
            return None

    async def _file(self, address: Pass, account: str) -> Reference:
        owner = account
        if address.signature:
            if not await self._links.genuine(address):
                raise UploadNotFound(upload_id=address.file_id)
            owner = address.owner
            if (reference := unpack(address.file_id)) is not None:
                return reference
        if not UPLOAD_ID.fullmatch(address.file_id):
            raise UploadNotFound(upload_id=address.file_id)
        upload = await self._files.file(address.file_id)
        if upload.account != owner or upload.expires_at <= time.time():
            raise UploadNotFound(upload_id=address.file_id)
        return Reference(upload.blob, upload.name)


def _no_file(served: Served, text: str) -> InvalidInput:
    address = text.partition("?")[0][:200]
    reason = f"there is no file at {address}: it has expired or was deleted, or this is not its address"
    return InvalidInput(model=served.card.model, summary=reason, errors=[InputProblem("/input", reason)])
