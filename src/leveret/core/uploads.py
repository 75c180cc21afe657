"""The upload: a file that a client has put here for the inputs of its predictions, kept for a day."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Raw, Struct

from leveret.core.prediction import Blob

LIFETIME: Final = 24 * 3600.0
"""How long an upload is kept, in seconds."""

UPLOAD_ID: Final = re.compile(r"[0-9a-z]{26}")


class Upload(Struct, frozen=True, kw_only=True):
    """What is known of it beside its bytes; `metadata` is what its client has said of it, a JSON object."""

    id: str
    account: str
    name: str
    blob: Blob
    md5: str
    metadata: Raw
    created_at: float
    expires_at: float


def key(upload_id: str) -> str:
    """The key of its blob."""
    return f"files/{upload_id}"
