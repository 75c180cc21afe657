"""What is kept beside the predictions: dead letters, clients' files, secrets of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from leveret.core.letters import DeadLetter
from leveret.core.uploads import Upload


class Letters(Protocol):
    """The dead letters: what has failed for good, until somebody discards it.

    A change that ends a prediction with `Failed.dead` set writes its letter in the same transaction.
    """

    async def letters(self, *, before: str | None = None, limit: int, model: str | None = None) -> list[DeadLetter]:
        """Those with an id below `before`, the highest ids first. With a model: only the model's predictions."""
        ...

    async def letter(self, letter_id: str) -> DeadLetter:
        """One of them. Raises DeadLetterNotFound."""
        ...

    async def bury(self, letter: DeadLetter) -> None:
        """Keep what has no record. If there is a letter with its id already, that stays as it is."""

    async def discard(self, letter_ids: Sequence[str]) -> int:
        """Forget these; answers how many of them there were."""
        ...


class Files(Protocol):
    """What is known of clients' files beside their bytes, until they expire or are deleted."""

    async def expect(self, upload: Upload) -> None:
        """Note, durably, that its blob is about to be put: nobody finds it yet, but it expires."""

    async def keep(self, upload: Upload) -> None:
        """Its blob is there: from now on, durably, it is found."""

    async def file(self, upload_id: str) -> Upload:
        """One of them. Raises UploadNotFound."""
        ...

    async def files(self, account: str, *, before: str | None = None, limit: int) -> list[Upload]:
        """Those of one account with an id below `before`, newest first."""
        ...

    async def forget(self, upload: Upload) -> None:
        """Its blob has been deleted: nothing is known of it any more."""

    async def expired(self, *, hold: float, limit: int) -> list[Upload]:
        """Those that have expired, whether they came or not; not answered to anyone again for `hold` seconds."""
        ...


class Secrets(Protocol):
    """What only the processes of this installation know."""

    async def secret(self, name: str) -> bytes:
        """The secret of this name, 32 random bytes: made, durably, when it is first asked for."""
        ...
