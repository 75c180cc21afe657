"""The signature of a webhook, as Standard Webhooks defines it (https://www.standardwebhooks.com)."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

from leveret.errors import BadSignature

SECRET_SIZE: Final = 32
"""The random bytes of a secret."""

TOLERANCE: Final = 300.0
"""How far the clock of the sender may be off, or its message be delayed, in seconds."""

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"


def new_secret(randomness: bytes) -> str:
    """A secret of these random bytes. Clients split it at underscores, so its base64 is the alphabet that has none."""
    return _PREFIX + b64encode(randomness).decode()


def headers(secret: str, *, webhook_id: str, at: int, body: bytes) -> Mapping[str, str]:
    """The headers of a call `at` that time, in whole Unix seconds; the id is the same whenever the call is repeated."""
    signature = _signed(secret, webhook_id, str(at), body)
    return {"webhook-id": webhook_id, "webhook-timestamp": str(at), "webhook-signature": signature}


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
    try:
        expected = _signed(secret, message_id, timestamp, body).encode()
    except binascii.Error:
        raise BadSignature(reason=f"the secret here is not {_PREFIX} and base64") from None
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures.split()):
        raise BadSignature(reason="no signature in webhook-signature is right")


def _signed(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"{_VERSION},{b64encode(digest).decode()}"
