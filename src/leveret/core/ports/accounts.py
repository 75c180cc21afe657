"""The accounts: what each may, where that is not what the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from leveret.core.limits import Allowance


class Accounts(Protocol):
    """What is kept of accounts."""

    async def allowances(self) -> Mapping[str, Allowance]:
        """Those that differ from the settings, by account."""
        ...

    async def allow(self, account: str, allowance: Allowance | None) -> None:
        """From now on, durably, this is what the account may; None: what the settings say."""
