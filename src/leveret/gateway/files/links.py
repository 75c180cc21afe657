"""Links: addresses at which files can be read by whoever has them, until they expire.

    /v1/files/{id}/download?owner={account}&expiry={Unix seconds}&signature={base64 of an HMAC-SHA256}

What is signed is "{owner} {id} {expiry}". The id of an upload is that of its record. A file of an output has no
record: its id says itself where it is, and only the signature makes it an address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from leveret.core import references
from leveret.core.events import Entry, Output, Succeeded
from leveret.core.ports import Secrets
from leveret.core.prediction import BLOB_KEY, Blob, Prediction
from leveret.core.references import Reference
from leveret.core.uploads import UPLOAD_ID

KEY: Final = "file-links"
"""The name of the secret with which addresses are signed."""

_STEPS: Final = 4
"""Within a fourth of its lifetime an address stays the same, so that clients and caches know it again."""

_STREAM: Final = "stream:"
"""What stands before the id of a prediction where its stream is signed, so that no file has the same."""

_EXPIRY: Final = re.compile(r"[0-9]{1,12}")
_PATH: Final = re.compile(r".*/v1/files/([A-Za-z0-9_-]+)(/download)?")
_packer: Final = msgspec.msgpack.Encoder()
_unpacker: Final = msgspec.msgpack.Decoder(tuple[str, int, bytes, str, str])


class Pass(Struct, frozen=True):
    """What an address says: that whoever has it may read this file of this account until then."""

    file_id: str
    owner: str
    expiry: str
    signature: str


class Links:
    """Makes the addresses, each good for at least `lifetime` seconds, and tells whether one is genuine."""

    def __init__(self, *, secrets: Secrets, lifetime: float) -> None:
        self._secrets = secrets
        self._lifetime = lifetime
        self._key: bytes | None = None

    async def download(self, file_id: str, *, owner: str, base: str) -> str:
        """Where the file of this id can be read."""
        return _address(file_id, owner, base, self._expiry(), await self._secret())

    async def stream(self, prediction: Prediction, base: str) -> str:
        """Where the output of the prediction can be followed."""
        expiry, owner = self._expiry(), prediction.account
        signature = _signature(_STREAM + prediction.id, owner, str(expiry), await self._secret())
        query = urlencode({"expiry": expiry, "signature": signature})
        return f"{base}/v1/streams/{prediction.id}?{query}"

    async def opens_stream(self, given: Mapping[str, str], prediction: Prediction) -> bool:
        """Whether these parameters are those of the prediction's own stream."""
        expiry, signature = given.get("expiry", ""), given.get("signature", "")
        return await self.genuine(Pass(_STREAM + prediction.id, prediction.account, expiry, signature))

    async def genuine(self, given: Pass) -> bool:
        """Whether we have signed this, and it has not expired."""
        if not _EXPIRY.fullmatch(given.expiry):
            return False
        signature = _signature(given.file_id, given.owner, given.expiry, await self._secret())
        ours = hmac.compare_digest(signature.encode(), given.signature.replace(" ", "+").encode(errors="replace"))
        return ours and time.time() < int(given.expiry)

    async def in_output(self, json: Raw, prediction: Prediction, base: str) -> Raw:
        """The JSON with addresses for its files; only those of the prediction itself, whoever has written it."""
        if not references.STRINGS.some(json):
            return json
        expiry, key = self._expiry(), await self._secret()
        own = f"outputs/{prediction.id}/"

        def address(reference: Reference) -> str | None:
            mine = reference.blob.key.startswith(own)
            return _address(pack(reference), prediction.account, base, expiry, key) if mine else None

        return references.replaced(json, address)

    async def in_entry(self, entry: Entry, prediction: Prediction, base: str) -> Entry:
        """The entry of the prediction's log, with addresses for the files in its output."""
        event = entry.event
        match event:
            case _ if not some(entry):
                return entry
            case Output(chunks=chunks):
                linked = [await self.in_output(chunk, prediction, base) for chunk in chunks]
                return replace(entry, event=replace(event, chunks=linked))
            case Succeeded(output=Raw() as output):
                return replace(entry, event=replace(event, output=await self.in_output(output, prediction, base)))
            case _:
                return entry

    def in_input(self, json: Raw, base: str) -> Raw:
        """The JSON with addresses that name its files, as their client gave them, and do not give access to them."""
        return references.replaced(json, lambda reference: f"{base}/v1/files/{_named(reference)}")

    def _expiry(self) -> int:
        step = max(1, int(self._lifetime / _STEPS))
        return (int(time.time() + self._lifetime) // step + 1) * step

    async def _secret(self) -> bytes:
        if self._key is None:
            self._key = await self._secrets.secret(KEY)
        return self._key


def some(entry: Entry) -> bool:
    """Whether there may be files in the output that the entry of a log has."""
    match entry.event:
        case Output(chunks=chunks):
            return any(references.STRINGS.some(chunk) for chunk in chunks)
        case Succeeded(output=Raw() as output):
            return references.STRINGS.some(output)
        case _:
            return False


def pack(reference: Reference) -> str:
    """The id of a file that has no record."""
    blob = reference.blob
    parts = (blob.key, blob.size, bytes.fromhex(blob.sha256), blob.content_type, reference.name)
    return base64.urlsafe_b64encode(_packer.encode(parts)).rstrip(b"=").decode()


def unpack(file_id: str) -> Reference | None:
    """The file that an id without a record stands for; None if it stands for none."""
    try:
        packed = base64.urlsafe_b64decode(file_id + "=" * (-len(file_id) % 4))
        key, size, sha256, content_type, name = _unpacker.decode(packed)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
    if not BLOB_KEY.fullmatch(key):
        return None
    return Reference(Blob(key, size, sha256.hex(), content_type), name)


def own(url: str) -> Pass | None:
    """What an address of this API says, at whichever host; without a signature it only names the file."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = _PATH.fullmatch(parts.path)
    if path is None:
        return None
    given = parse_qs(parts.query) if path[2] else {}
    owner, expiry, signature = (given.get(name, [""])[0] for name in ("owner", "expiry", "signature"))
    return Pass(path[1], owner, expiry, signature)


def _named(reference: Reference) -> str:
    upload_id = reference.blob.key.removeprefix("files/")
    return upload_id if UPLOAD_ID.fullmatch(upload_id) else pack(reference)


def _address(file_id: str, owner: str, base: str, expiry: int, key: bytes) -> str:
    signature = _signature(file_id, owner, str(expiry), key)
    query = urlencode({"owner": owner, "expiry": expiry, "signature": signature})
    return f"{base}/v1/files/{file_id}/download?{query}"


def _signature(file_id: str, owner: str, expiry: str, key: bytes) -> str:
    text = f"{owner} {file_id} {expiry}".encode(errors="replace")
    return base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
