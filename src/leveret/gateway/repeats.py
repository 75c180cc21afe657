"""Repeats: POSTs that a client sends again because it has not got the answer, and how they are recognised.

* By an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). It belongs to the account.
* By the `X-Stainless-Retry-Count` of the official Python client 2, which counts its tries and sends no key.
* By nothing but their body: the official JavaScript client sends a POST again whose connection has broken. Then only
  an answer that certainly did not arrive is given again, and only once, since others may mean what they send twice.

Without a key only the same token counts as the same client; without a token nobody does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from leveret.core.once import Once, Sent
from leveret.errors import InvalidIdempotencyKey

RETRIED: Final = 120.0
"""Seconds within which a client that counts its tries makes the next one; it waits at most 60 before it."""

MISSED: Final = 10.0
"""Seconds within which a client without any mark sends again; the one that is known does so at once."""

LONGEST: Final = 255
"""How many characters a key has at most."""

_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_RAW: Final = re.compile(r"[!#-~][ !-~]*(?<! )|")
_ESCAPED: Final = re.compile(r"\\(.)")
_COUNT: Final = re.compile("[0-9]{1,9}")


def recognised(request: Request, content: bytes, *, lifetime: float) -> Once | None:
    """By what this POST with this body is recognised if it is sent again; a key counts for `lifetime` seconds.

    Raises InvalidIdempotencyKey.
    """
    headers = request.headers
    path = str(request.scope["path"])
    keys = headers.getlist("idempotency-key")
    if keys:
        return named(keys, path, content, lifetime=lifetime)
    token = headers.get("authorization", "")
    if not token:
        return None
    same, count = _digest(token, path, content), headers.get("x-stainless-retry-count", "")
    if not _COUNT.fullmatch(count):
        return Once(same, Sent.UNMARKED, MISSED)
    return Once(same, Sent.AGAIN if int(count) else Sent.FIRST, RETRIED)


def named(keys: Sequence[str], path: str, content: bytes, *, lifetime: float) -> Once:
    """How what has these lines of an `Idempotency-Key` is known again. Raises InvalidIdempotencyKey."""
    return Once(_digest(_key(keys)), Sent.NAMED, lifetime, fingerprint=_digest(path, content))


def _key(lines: Sequence[str]) -> str:
    """The key in these header lines: a string of structured fields (RFC 9651), or as many clients send it, bare."""
    if len(lines) > 1:
        raise InvalidIdempotencyKey(reason=f"it is there {len(lines)} times")
    given = lines[0].strip()
    if quoted := _QUOTED.fullmatch(given):
        key = _ESCAPED.sub(r"\1", quoted[1])
    elif _RAW.fullmatch(given):
        key = given
    else:
        raise InvalidIdempotencyKey(reason="it is neither a string in quotes nor plain ASCII")
    if not 1 <= len(key) <= LONGEST:
        raise InvalidIdempotencyKey(reason=f"it has {len(key)} characters and must have 1 to {LONGEST}")
    return key


def _digest(*parts: str | bytes) -> str:
    """The SHA-256 of these, none of which runs into the next."""
    digest = sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d " % len(data))
        digest.update(data)
    return digest.hexdigest()
