"""Dead letters, as the admin API of a gateway serves them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Raw, Struct

from leveret.client.connection import Connection
from leveret.core.prediction import PREDICTION_ID
from leveret.errors import DeadLetterNotFound

_PATH: Final = "/admin/v1/dead"


class Letter(Struct, frozen=True, kw_only=True):
    """What has failed for good. What is None is not known of a foreign message."""

    id: str
    model: str | None
    why: str | None
    error: str
    attempt: int | None
    created_at: str | None
    failed_at: str


class LetterDetail(Letter, frozen=True, kw_only=True):
    """With what was asked for (`null` if that was no prediction), or else in `body` what stood in the queue."""

    account: str | None
    version: str | None
    input: Raw
    data_removed: bool
    body: str | None


class Retried(Struct, frozen=True):
    """How many run again, and how many were passed over, as they are no predictions."""

    retried: int
    skipped: int


class Letters:
    """The dead letters of one gateway. Every call may raise GatewayUnreachable or GatewayRefused.

    What is no id at all raises DeadLetterNotFound.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, model: str | None = None) -> Iterator[Letter]:
        """All of them, newest first, page by page."""
        cursor = None
        while True:
            page = self._connection.call("GET", _PATH, answer=_Page, parameters={"cursor": cursor, "model": model})
            yield from page.results
            if page.next is None:
                return
            cursor = _cursor(page.next)

    def get(self, letter_id: str) -> LetterDetail:
        """One of them, with everything in it."""
        return self._connection.call("GET", _one(letter_id), answer=LetterDetail)

    def retry(self, letter_id: str) -> str:
        """Run it again; the id of the new prediction."""
        return self._connection.call("POST", _one(letter_id) + "/retry", answer=_Prediction).id

    def retry_all(self, *, model: str | None = None) -> Retried:
        """Run all of them again, or those of one model."""
        retried = skipped = 0
        cursor = None
        while True:
            parameters = {"cursor": cursor, "model": model}
            page = self._connection.call("POST", _PATH + "/retry", answer=_Retry, parameters=parameters)
            retried, skipped = retried + page.retried, skipped + page.skipped
            if page.next is None:
                return Retried(retried, skipped)
            cursor = _cursor(page.next)

    def purge(self, letter_id: str) -> None:
        """Throw it away."""
        self._connection.request("DELETE", _one(letter_id))

    def purge_all(self, *, model: str | None = None) -> int:
        """Throw all of them away, or those of one model; how many there were."""
        return self._connection.call("DELETE", _PATH, answer=_Purge, parameters={"model": model}).purged


class _Page(Struct):
    next: str | None
    results: list[Letter]


class _Retry(Struct):
    retried: int
    skipped: int
    next: str | None


class _Purge(Struct):
    purged: int


class _Prediction(Struct):
    id: str


def _one(letter_id: str) -> str:
    if not PREDICTION_ID.fullmatch(letter_id):  # such as `.`, which would lead to all of them
        raise DeadLetterNotFound(letter_id=letter_id)
    return f"{_PATH}/{letter_id}"


def _cursor(further: str) -> str:
    """Where to go on. Not the whole address: the gateway may know itself by another one than we do."""
    return parse_qs(urlsplit(further).query)["cursor"][0]
