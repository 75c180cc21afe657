"""The API keys, as the gateway finds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from leveret.core.keys import ApiKey


class ApiKeys(Protocol):
    """What is kept of API keys."""

    async def add_key(self, key: ApiKey) -> None:
        """Keep it, durably."""

    async def key(self, digest: str) -> ApiKey | None:
        """The one with this digest, if there is one."""
        ...

    async def api_keys(self) -> list[ApiKey]:
        """All of them, oldest first."""
        ...

    async def revoke_key(self, digest: str) -> None:
        """Forget it, durably; nothing happens if it is not known."""

    async def keys_used(self, used: Mapping[str, float]) -> None:
        """When each was last used, by its digest."""
