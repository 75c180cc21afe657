"""The signature of a webhook, as Standard Webhooks defines it (https://www.standardwebhooks.com)."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

SECRET_SIZE: Final = 32
"""The random bytes of a secret."""

_PREFIX: Final = "whsec_"


def new_secret(randomness: bytes) -> str:
    """A secret of these random bytes. Clients split it at underscores, so its base64 is the alphabet that has none."""
    return _PREFIX + b64encode(randomness).decode()


def headers(secret: str, *, webhook_id: str, at: int, body: bytes) -> Mapping[str, str]:
    """The headers of a call `at` that time, in whole Unix seconds; the id is the same whenever the call is repeated."""
    signed = f"{webhook_id}.{at}.".encode() + body
    digest = hmac.digest(b64decode(secret.removeprefix(_PREFIX)), signed, "sha256")
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
