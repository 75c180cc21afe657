"""API keys: who asks, and what it may do. Only a digest of a key is ever kept."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from enum import StrEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct

from leveret.core.prediction import MODEL_NAME

SIZE: Final = 32
"""The random bytes of a key."""

ACCOUNT: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")

_PREFIX: Final = "lv_"
_WORKER: Final = "worker:"


class Scope(StrEnum):
    """What a key may do; beside these there is `worker:owner/name`, for a worker of that model."""

    READ = "read"
    """See the predictions, files and webhooks of its account, and every model."""
    PREDICT = "predict"
    """Create, cancel and delete them, too."""
    METRICS = "metrics"
    """Read what a gateway has counted, and how many workers a model wants."""
    ADMIN = "admin"
    """The admin API, which knows no accounts, and all that the others may."""


class ApiKey(Struct, frozen=True, kw_only=True):
    """What is known of a key. `digest` is the SHA-256 of it, of which `id` is the beginning. Times are Unix seconds."""

    digest: str
    account: str
    scopes: tuple[str, ...]
    created_at: float
    name: str = ""
    expires_at: float | None = None
    used_at: float | None = None

    @property
    def id(self) -> str:
        """By what people call it."""
        return self.digest[:12]

    @property
    def models(self) -> frozenset[str]:
        """Those that a worker with it may serve."""
        return frozenset(one.removeprefix(_WORKER) for one in self.scopes if one.startswith(_WORKER))

    def valid(self, *, at: float) -> bool:
        """Whether it can be used at this time."""
        return self.expires_at is None or at < self.expires_at

    def may(self, scope: Scope) -> bool:
        """Whether it has the scope, or a wider one."""
        own = set(self.scopes)
        wider = {
            Scope.READ: {Scope.READ, Scope.PREDICT, Scope.ADMIN},
            Scope.PREDICT: {Scope.PREDICT, Scope.ADMIN},
            Scope.METRICS: {Scope.METRICS, Scope.ADMIN},
        }
        return bool(own & wider.get(scope, {scope}))


def new_key(randomness: bytes) -> str:
    """A key of these random bytes."""
    return _PREFIX + urlsafe_b64encode(randomness).rstrip(b"=").decode()


def digest(key: str) -> str:
    """What is kept of it. A key has 256 random bits, so that no slower digest is needed."""
    return sha256(key.encode(errors="replace")).hexdigest()


def is_scope(text: str) -> bool:
    """Whether a key can have this scope."""
    return text in set(Scope) or (text.startswith(_WORKER) and bool(MODEL_NAME.fullmatch(text.removeprefix(_WORKER))))
