"""The signature of a webhook, checked by whoever receives it (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from leveret.errors import BadSignature

TOLERANCE: Final = 300.0
"""How far the clock of the sender may be off, or its message be delayed, in seconds."""

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> None:
    """Return if the body is signed with the secret, and was so within TOLERANCE of `now`. Raises BadSignature.

    The names of the headers are in lower case.
    """
    message_id, timestamp, signatures = [
        headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
    ]
    if not secret:
        raise BadSignature(reason="no secret is set here")
    if not (message_id and timestamp.isascii() and timestamp.isdigit() and signatures):
        raise BadSignature(reason="webhook-id, webhook-timestamp or webhook-signature is missing")
    if abs(now - float(timestamp)) > TOLERANCE:
        raise BadSignature(reason="webhook-timestamp is too old or too new")
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = f"{_VERSION},{base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()}".encode()
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures.split()):
        raise BadSignature(reason="no signature in webhook-signature is right")


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise BadSignature(reason=f"the secret here is not {_PREFIX} and base64") from None
