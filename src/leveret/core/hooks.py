"""Hooks: the ports of webhooks. Errands is their queue, Hooks what the store keeps of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from leveret.core.webhooks import Call, News


class ErrandInHand(Protocol):
    """An errand that somebody sees to. It ends in exactly one of ack, give_back, reject."""

    @property
    def body(self) -> bytes:
        """The errand, as it was sent."""
        ...

    def ack(self) -> None:
        """It is dealt with."""

    def give_back(self) -> None:
        """Have it seen to again, by anyone, at once."""

    def reject(self) -> None:
        """It can never be dealt with: it is kept among what is `rejected`."""


class Errands(Protocol):
    """The durable queue of webhooks: what is to be told to whom."""

    async def send(self, errand: bytes, *, delay: float = 0.0) -> None:
        """Queue it, durably, once about `delay` seconds have passed; returns after the broker's confirm.

        Raises BrokerUnavailable (nothing was sent), QueueRefused (not queued) or PublishUnconfirmed (unknown).
        """

    def errands(self, *, capacity: int) -> AbstractAsyncContextManager[AsyncIterator[ErrandInHand]]:
        """Take them, holding at most about `capacity` that have not ended. On leaving, those go back."""
        ...


class Hooks(Protocol):
    """What is to be told to webhooks, and what came of it.

    A change of the record or the log that a webhook heeds makes the prediction one with news, in the same transaction.
    """

    async def hooked(self, *, hold: float, limit: int) -> list[str]:
        """The ids of predictions with news. None of them is answered again for `hold` seconds."""
        ...

    async def sent(self, prediction_ids: Sequence[str], *, hold: float) -> None:
        """An errand for each is queued: hold those for so long that are still held, whatever happens to them."""

    async def news(self, prediction_id: str) -> News | None:
        """What has happened to the prediction that its webhook does not know; None: there is no record or webhook."""
        ...

    async def called(self, prediction_id: str, call: Call, *, told: int) -> None:
        """Remember the call, among the last so many, and that its webhook knows the log up to number `told` now."""

    async def rest(self, prediction_id: str, *, told: int) -> None:
        """There is nothing to tell up to number `told`: it has no news until more happens, or if more has happened."""

    async def silence(self, prediction_id: str) -> None:
        """Its webhook wants no calls any more."""

    async def calls(self, prediction_id: str) -> list[Call]:
        """The calls that are remembered, latest first."""
        ...

    async def hook_secret(self, account: str, *, fresh: str) -> str:
        """The secret by which the account's webhooks are signed: `fresh` if there is none yet, and from then on."""
        ...
